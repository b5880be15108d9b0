"""Vectors of chunks that are longer than the embedder reads: the best of their windows counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.indexes.base import Change, Match, VectorIndex, Vectors
from acclimate.indexes.filters import Among

_STEP = 1 << 40  # a chunk's further windows have its key and multiples of this as rows


class LongChunks(Protocol):
    """What knows which chunks have several windows: the record."""

    @property
    def most_windows(self) -> int:
        """The most windows that any chunk ever had."""

    def long_chunks(self) -> dict[int, int]:
        """The number of windows of each chunk that has several, by its key, ascending."""


class WindowedVectorIndex:
    """A `VectorIndex` over `inner` in which a chunk has as many rows as windows and the score of
    the best of them."""

    def __init__(self, inner: VectorIndex, record: LongChunks) -> None:
        self._inner, self._record = inner, record
        self._look()

    @property
    def generation(self) -> int | None:
        """See `VectorIndex`."""
        return self._inner.generation

    def keys(self) -> list[int]:
        """The chunk keys held, ascending."""
        held = self._inner.keys()
        return held[: bisect_left(held, _STEP)]

    def whole(self) -> bool:
        """See `VectorIndex`; also whether no window is missing."""
        held, further = self._inner.keys(), self._further(self._long, self._counts).tolist()
        return self._inner.whole() and held[bisect_left(held, _STEP) :] == further

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`."""
        if not len(self._long):
            return self._inner.search(query, k, among)
        rows, wanted = None if among is None else Among(self._rows_of(among.keys)), 2 * k
        while True:
            found = self._inner.search(query, wanted, rows)
            best = _best(found)
            if len(best) >= k or len(found) < wanted:
                return sorted(best, key=lambda match: (-match.score, match.key))[: max(0, k)]
            wanted *= 2

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        if not len(self._long):
            return self._inner.scores(query, keys)
        return _best(self._inner.scores(query, self._rows_of(np.array(keys, np.int64)).tolist()))

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """As a `VectorIndex`'s, but `vectors` yields (key, [m, d])."""
        self._look()
        counts = dict(zip(self._long.tolist(), self._counts.tolist(), strict=True))
        removed = [
            key + at * _STEP for key in change.removed for at in range(self._record.most_windows)
        ]
        added = [key + at * _STEP for key in change.added for at in range(counts.get(key, 1))]
        rows = (
            (key + at * _STEP, row) for key, windows in vectors for at, row in enumerate(windows)
        )
        self._inner.update(Change(removed, added, change.generation), rows)

    def clear(self) -> None:
        """See `VectorIndex`."""
        self._inner.clear()

    def close(self) -> None:
        """See `VectorIndex`."""
        self._inner.close()

    def _look(self) -> None:
        found: Mapping[int, int] = self._record.long_chunks()
        self._long, self._counts = (
            np.array([*found], np.int64),
            np.array([*found.values()], np.int64),
        )

    def _rows_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of these chunks; of ascending keys, ascending."""
        held = np.isin(self._long, keys)
        return np.concatenate([keys, self._further(self._long[held], self._counts[held])])

    def _further(self, keys: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of all windows but the first, ascending."""
        most = int(counts.max(initial=1))
        return np.concatenate(
            [np.empty(0, np.int64), *(keys[counts > at] + at * _STEP for at in range(1, most))]
        )


def _best(found: Sequence[Match]) -> list[Match]:
    """The best score of each chunk's rows."""
    best: dict[int, float] = {}
    for match in found:
        best[match.key % _STEP] = max(match.score, best.get(match.key % _STEP, -np.inf))
    return [Match(key, score) for key, score in best.items()]
