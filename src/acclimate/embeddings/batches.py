"""Texts of like length together, so that little padding is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHORTEST = 0.9
"""A text joins a batch only where it is at least this share of the longest there …"""
_TINY = 256
"""… unless the batch has fewer tokens than this: starting another would cost more than the
padding."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`rows` [b] say which texts these are; `ids` and `mask` are [b, s], padded on the right with
    0."""

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


def make_batches(ids: Sequence[Sequence[int]], budget: int) -> Iterator[Batch]:
    """Batches of at most `budget` tokens with padding (one text where it alone has more), longest
    texts first."""
    order = sorted(range(len(ids)), key=lambda row: (-len(ids[row]), row))
    start = 0
    while start < len(order):
        longest = len(ids[order[start]])
        end = start + 1
        while end < len(order) and _joins(len(ids[order[end]]), longest, end - start, budget):
            end += 1
        yield _pad(order[start:end], ids, longest)
        start = end


def _joins(length: int, longest: int, count: int, budget: int) -> bool:
    fits = longest * (count + 1) <= budget
    return fits and (length >= _SHORTEST * longest or longest * count < _TINY)


def _pad(rows: list[int], ids: Sequence[Sequence[int]], width: int) -> Batch:
    padded = np.zeros((len(rows), width), np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for line, row in enumerate(rows):
        padded[line, : len(ids[row])] = ids[row]
        mask[line, : len(ids[row])] = 1
    return Batch(np.array(rows, np.int64), padded, mask)
