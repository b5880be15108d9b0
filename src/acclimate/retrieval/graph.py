"""Passages that are near in the knowledge graph to what was found, fused with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from acclimate.indexes.base import GraphIndex, Match
from acclimate.indexes.filters import Among
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.search import FetchChunks, hits_of
from acclimate.types import Hit

_DEPTH = 100  # rows of each side that are fused, at least
_NEAR = 8  # best rows that the walks begin at


class Matcher(Retriever, Protocol):
    """A retriever that gives the rows it found."""

    def matches(self, query: str, depth: int) -> list[Match]:
        """The best rows, best first."""


@dataclass(frozen=True, slots=True)
class GraphRetriever:
    """What `inner` finds and what the graph leads to from its best rows; only chunks `among` the
    given ones.

    A row's score is (1 − weight) · its score by `inner` + weight · its share of the walks, each
    over the best one's.
    """

    inner: Matcher
    graph: GraphIndex
    fetch: FetchChunks
    weight: float
    among: Among | None = None

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        if not query.strip():
            return []
        depth = max(k, _DEPTH)
        found = self.inner.matches(query, depth)
        walked = self.graph.search(query, found[:_NEAR], depth, self.among)
        return hits_of(self._fused(found, walked)[:k], self.fetch)

    def _fused(self, found: Sequence[Match], walked: Sequence[Match]) -> list[Match]:
        fused: dict[int, float] = {}
        for matches, weight in ((found, 1 - self.weight), (walked, self.weight)):
            best = matches[0].score if matches else 0.0
            for match in matches:
                fused[match.key] = fused.get(match.key, 0.0) + (
                    weight * match.score / best if best > 0 else 0.0
                )
        return [
            Match(key, score)
            for key, score in sorted(fused.items(), key=lambda item: (-item[1], item[0]))
        ]
