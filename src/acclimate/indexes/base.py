"""Derived, rebuildable search structures. The record (SQLite) is the truth; each index is stamped
with the record's generation that it holds, and is rebuilt when the stamps differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from acclimate.indexes.filters import Among
from acclimate.types import Chunk

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Match:
    """A row of an index: the record's chunk key, and a score where higher is better."""

    key: int
    score: float


@dataclass(frozen=True, slots=True)
class Change:
    """What one ingest did to the record, to be applied to an index: keys removed, then rows
    added."""

    removed: Sequence[int]
    added: Sequence[int]
    generation: int


class Index(Protocol):
    """What every index does for the library that keeps it up to date."""

    @property
    def generation(self) -> int | None:
        """The record's generation that this index holds, or None where it is missing or damaged."""

    def keys(self) -> list[int]:
        """The chunk keys held, ascending."""

    def whole(self) -> bool:
        """Whether what is stored equals what was written, checked by reading all of it."""

    def clear(self) -> None:
        """Hold nothing any more; the next update builds anew. A store that others may be searching
        keeps what it had for them until then."""

    def close(self) -> None:
        """Free connections and files; nothing else is called afterwards."""


class VectorIndex(Index, Protocol):
    """Nearest neighbours by inner product of unit vectors (cosine)."""

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """The k best rows for one query [d], best first, ties by lower key; fewer where there are
        fewer rows.

        Only keys that are `among` the given ones take part.
        """

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """The scores of these rows, in no order; rows that are not there are left out."""

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """Apply `change`; `vectors` yields (key, [d]) for `change.added`, in order."""


class TextIndex(Index, Protocol):
    """BM25 over chunk text, title and headings."""

    def search(self, query: str, k: int, among: Among | None = None) -> list[Match]:
        """The k best rows for a plain-language query (no query syntax), best first, ties by lower
        key.

        [] where no word matches. Only keys that are `among` the given ones take part; words are
        weighed by the whole index.
        """

    def scores(self, query: str, keys: Sequence[int]) -> list[Match]:
        """The scores of these rows, in no order; rows that no word matches are left out."""

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """Apply `change`; `chunks` yields (key, chunk) for `change.added`, in order."""


@runtime_checkable
class Vocabulary(Protocol):
    """The words of a text index, as they are spelt; an index may be one too."""

    def holds(self, word: str) -> bool:
        """Whether a word in small letters, or one with the same stem, stands in any row."""

    def beginning(self, letters: str, most: int) -> list[tuple[str, int]]:
        """The words that begin with these small letters, in how many rows each stands, the most
        frequent first, and at most `most` of them."""


class GraphIndex(Index, Protocol):
    """Chunks joined by the entities that they mention."""

    def search(
        self, query: str, near: Sequence[Match], k: int, among: Among | None = None
    ) -> list[Match]:
        """The k chunks that are closest in the graph to the query's entities and to the chunks
        `near` (by score).

        Best first, ties by lower key; [] where the graph leads nowhere. Only keys that are `among`
        the given ones take part, on the way too.
        """

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """Apply `change`; `chunks` yields (key, chunk) for `change.added`, in order."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file was when it was ingested; `mtime_ns` is its time of change in nanoseconds, or on
    object storage a negative number made of its ETag; 0: not known."""

    path: str
    sha256: str
    size: int
    mtime_ns: int
    chunker: str
