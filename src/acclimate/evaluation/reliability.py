"""Whether a confidence means what it says: the reliability diagram and its expected error.

Source: Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies from `low` to below `high`: how many, their mean
    confidence, and the share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


def reliability(
    confidences: Sequence[float], right: Sequence[bool], bins: int = _BINS
) -> tuple[Bin, ...]:
    """Bins of equal width over 0 to 1; empty ones are left out. Raises ValueError where the lengths
    differ, or a confidence is not within 0 and 1."""
    if any(not 0 <= sure <= 1 for sure in confidences):
        raise ValueError("a confidence is not within 0 and 1")
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for sure, correct in zip(confidences, right, strict=True):
        held[min(bins - 1, int(sure * bins))].append((sure, correct))
    return tuple(
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            count=len(ones),
            confidence=sum(sure for sure, _ in ones) / len(ones),
            right=sum(correct for _, correct in ones) / len(ones),
        )
        for place, ones in enumerate(held)
        if ones
    )


def expected_error(bins: Sequence[Bin]) -> float:
    """The mean gap between confidence and share of right answers, weighted by count: 0 is perfect."""
    total = sum(one.count for one in bins)
    if not total:
        return 0.0
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / total
