"""Texts longer than a model reads: embedded window by window, so that nothing of them is left
out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acclimate.embeddings.base import Vectors
from acclimate.types import Span


def cut(text: str, tokens: Sequence[Span], most: int) -> list[str]:
    """The fewest windows of at most `most` of its `tokens` each, about equally long, cut between
    words where there are any; all of `text` is in them."""
    starts = [0]
    while (left := len(tokens) - starts[-1]) > most:
        wanted = starts[-1] + math.ceil(left / math.ceil(left / most))
        words = (
            at
            for at in range(wanted, (starts[-1] + wanted) // 2, -1)
            if _begins_word(text, tokens[at].start)
        )
        starts.append(next(words, wanted))
    edges = [0, *(tokens[at].start for at in starts[1:]), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def _begins_word(text: str, at: int) -> bool:
    """Some tokenizers count the space before a word to it."""
    return text[at - 1 : at + 1] != text[at - 1 : at + 1].strip()


class Pooled:
    """Vectors of `texts` texts, each the mean of its windows', scaled to length 1.

    A single window's vector is returned unchanged. Windows of equal length have equal weight.
    Chunks are cut before they come here (`acclimate.embeddings.chunks`); other texts may be long.
    """

    def __init__(self, texts: int, dimensions: int) -> None:
        self._sums = np.zeros((texts, dimensions), np.float32)
        self._windows = np.zeros(texts, np.int64)

    def add(self, texts: NDArray[np.int64], vectors: Vectors) -> int:
        """Take unit vectors [n, d] of windows of `texts` [n]; how many of the texts are seen for
        the first time."""
        new = np.unique(texts[self._windows[texts] == 0])
        np.add.at(self._sums, texts, vectors)
        np.add.at(self._windows, texts, 1)
        return len(new)

    def vectors(self) -> Vectors:
        """[texts, d], each row of length 1."""
        long = self._windows > 1
        self._sums[long] /= np.maximum(
            np.linalg.norm(self._sums[long], axis=1, keepdims=True), 1e-12
        )
        return self._sums
