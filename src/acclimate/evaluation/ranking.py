"""Scores of ranked lists against relevance judgements, as trec_eval computes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """Normalised discounted cumulative gain of the first k, 0 to 1, with linear gains.

    Source: Järvelin and Kekäläinen, 2002; linear gains as in trec_eval's ndcg_cut.
    """
    gained = _gain([relevant.get(name, 0) for name in ranked[:k]])
    best = _gain(sorted(relevant.values(), reverse=True)[:k])
    return gained / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """Share of the relevant ones among the first k."""
    wanted = {name for name, grade in relevant.items() if grade > 0}
    return len(wanted.intersection(ranked[:k])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Mapping[str, int]) -> float:
    """1 / rank of the first relevant one, 0 where there is none."""
    return next(
        (1 / rank for rank, name in enumerate(ranked, start=1) if relevant.get(name, 0) > 0), 0.0
    )


def _gain(grades: Sequence[int]) -> float:
    return sum(max(0, grade) / math.log2(place + 1) for place, grade in enumerate(grades, start=1))
