"""Fusing ranked lists, on the client: stores disagree on constants, and a fused score must mean one thing."""

from __future__ import annotations

from collections.abc import Sequence

from acclimate.indexes.base import Match


def convex(dense: Sequence[Match], text: Sequence[Match], dense_weight: float) -> list[Match]:
    """w · dense + (1 − w) · text, each list min–max normalised to [0, 1]; a row missing from a list scores 0 there.

    Best first, ties by lower key. Source: Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid
    Retrieval", arXiv 2210.11934, section 3. One empty list leaves the other's order unchanged.
    """
    fused: dict[int, float] = {}
    for matches, weight in ((dense, dense_weight), (text, 1 - dense_weight)):
        for key, score in _min_max(matches).items():
            fused[key] = fused.get(key, 0.0) + weight * score
    return [Match(key, score) for key, score in sorted(fused.items(), key=lambda item: (-item[1], item[0]))]


def _min_max(matches: Sequence[Match]) -> dict[int, float]:
    if not matches:
        return {}
    low, high = min(match.score for match in matches), max(match.score for match in matches)
    # All equal: no evidence of order, and the formula would divide by zero; each is as good as the best.
    return {match.key: (match.score - low) / (high - low) if high > low else 1.0 for match in matches}
