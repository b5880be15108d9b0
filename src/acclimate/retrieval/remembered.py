"""Searches of a comparison that several recipes share: each question is searched for once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from acclimate.retrieval.base import Retriever
from acclimate.types import Hit


@dataclass(frozen=True, slots=True)
class _Found:
    hits: tuple[Hit, ...]
    seconds: float


@dataclass(slots=True)
class Searches:
    """What was found, by the settings that found it, the query and k; safe for several threads."""

    _held: dict[tuple[str, str, int], Future[_Found]] = field(default_factory=dict)

    def sharing(self, retriever: Retriever, key: str) -> RememberingRetriever:
        """The retriever, which `key` stands for, asked once for each query."""
        return RememberingRetriever(retriever, key, self)

    def find(self, retriever: Retriever, key: str, query: str, k: int) -> tuple[_Found, bool]:
        """What a search finds, and whether it was made, or begun by another thread, before."""
        new: Future[_Found] = Future()
        held = self._held.setdefault((key, query, k), new)
        if held is not new:
            return held.result(), True
        started = time.perf_counter()
        try:
            hits = tuple(retriever.retrieve(query, k))
        except BaseException as error:
            del self._held[key, query, k]  # the next one searches again
            new.set_exception(error)
            raise
        new.set_result(_Found(hits, time.perf_counter() - started))
        return new.result(), False


class RememberingRetriever:
    """A `Retriever` that gives what an equal one has found already; `spared` tells how long that
    took."""

    def __init__(self, retriever: Retriever, key: str, searches: Searches) -> None:
        self._retriever, self._key, self._searches = retriever, key, searches
        self._told = threading.local()

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        started = time.perf_counter()
        found, before = self._searches.find(self._retriever, self._key, query, k)
        if before:
            self._told.spared = found.seconds - (time.perf_counter() - started)
        return list(found.hits)

    def spared(self) -> float:
        """Seconds that this thread's last answer saved by a remembered search; reset when read."""
        seconds: float = getattr(self._told, "spared", 0.0)
        self._told.spared = 0.0
        return max(0.0, seconds)
