"""Fusing ranked lists, on the client: stores disagree on constants, and a fused score must mean one
thing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal, TypeVar

from acclimate.indexes.base import Match

Fusion = Literal["convex", "rrf"]
Key = TypeVar("Key", bound=Hashable)
LEAST_COSINE, _LEAST_BM25 = -1.0, 0.0


def convex(
    dense: Mapping[int, float],
    text: Mapping[int, float],
    dense_weight: float,
    least_cosine: float = LEAST_COSINE,
) -> list[Match]:
    """w · dense + (1 − w) · text, both by row; a row missing from one has that one's least score.

    Each is normalised to [0, 1] between the least score that it can have (BM25 0; a cosine of −1, or
    `least_cosine` of an embedder that is known to give no less, unless all of this query are less)
    and the best one for this query, so that a list of equally bad rows is not stretched over the
    whole range. Best first, ties by lower key. Source: Bruch, Gai, Ingber, "An Analysis of Fusion
    Functions for Hybrid Retrieval", arXiv 2210.11934, TM2C2. With one side empty the other's order
    is unchanged.
    """
    fused: dict[int, float] = {}
    if max(dense.values(), default=1.0) <= least_cosine:
        least_cosine = LEAST_COSINE
    for scores, weight, least in (
        (dense, dense_weight, least_cosine),
        (text, 1 - dense_weight, _LEAST_BM25),
    ):
        span = max(scores.values(), default=least) - least
        for key, score in scores.items():
            fused[key] = fused.get(key, 0.0) + weight * (
                (score - least) / span if span > 0 else 0.0
            )
    return [
        Match(key, score)
        for key, score in sorted(fused.items(), key=lambda item: (-item[1], item[0]))
    ]


def rrf(lists: Iterable[Sequence[Key]], constant: int = 60) -> dict[Key, float]:
    """Reciprocal rank fusion: the sum of 1 / (constant + rank) over the lists that hold a key, best
    first.

    Ties keep the order in which the keys first come. A list names each key once. Source: Cormack,
    Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009.
    """
    fused: dict[Key, float] = {}
    for ranked in lists:
        for rank, key in enumerate(ranked, start=1):
            fused[key] = fused.get(key, 0.0) + 1 / (constant + rank)
    return dict(sorted(fused.items(), key=lambda item: -item[1]))
