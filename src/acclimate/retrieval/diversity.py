"""Maximal marginal relevance: passages that answer, and do not repeat each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from acclimate.indexes.base import Vectors
from acclimate.retrieval.base import Retriever
from acclimate.types import Chunk, Hit

_DEPTH = 5  # hits looked at for each one wanted
FetchVectors = Callable[[Sequence[Chunk]], Vectors]
"""Unit vectors [n, d] of chunks, in their order."""


@dataclass(frozen=True, slots=True)
class DiverseRetriever:
    """The hits of `inner`, chosen one by one for what they add; `diversity` from 0 (none) to 1
    (nothing else)."""

    inner: Retriever
    vectors: FetchVectors
    diversity: float

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; scores stay those of `inner`."""
        hits = self.inner.retrieve(query, _DEPTH * k)
        if not hits:
            return []
        scores = np.array([hit.score for hit in hits])
        chosen = mmr(scores, self.vectors([hit.chunk for hit in hits]), k, self.diversity)
        return [replace(hits[at], rank=rank) for rank, at in enumerate(chosen, start=1)]


def mmr(scores: Vectors, vectors: Vectors, k: int, diversity: float) -> list[int]:
    """Rows as chosen: each maximises (1 − diversity) · relevance − diversity · greatest cosine to a
    chosen.

    `scores` [n] are stretched to [0, 1], `vectors` [n, d] are of length 1; ties go to the earlier
    row. Source: Carbonell, Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998.
    """
    span = float(np.ptp(scores))
    relevance = (scores - scores.min()) / span if span else np.zeros(len(scores))
    nearest, left, chosen = np.zeros(len(scores)), np.ones(len(scores), np.bool_), list[int]()
    while len(chosen) < min(k, len(scores)):
        gain = (1 - diversity) * relevance - diversity * nearest
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest if len(chosen) > 1 else -1.0, vectors @ vectors[best])
    return chosen
