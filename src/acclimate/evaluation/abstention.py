"""When to stay silent: how accuracy grows as the least sure answers are held back, and from where
that pays.

Source: the risk–coverage curve of El-Yaniv and Wiener, "On the Foundations of Noise-free Selective
Classification", JMLR 2010.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A question as a threshold sees it: how sure the answer is (None: abstained already), what it
    scores if it is given, and what staying silent scores (1 where the documents do not say)."""

    confidence: float | None
    given: float
    silent: float


@dataclass(frozen=True, slots=True)
class Step:
    """With answers below `threshold` held back: the share of all questions answered, and the mean
    score of those."""

    threshold: float
    coverage: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The threshold that scores best, and what it is worth.

    `before` is the mean score without a threshold. `after` is that of thresholds chosen on four
    fifths of the documents and applied to the last fifth, in turn: what to expect on new questions,
    which may be less than `before`.
    """

    threshold: float
    before: float
    after: float


def curve(held: Sequence[Held]) -> list[Step]:
    """From all answers given to only the surest; [] where nothing was answered. Equal confidences
    fall together."""
    given = sorted(
        ((one.confidence, one.given) for one in held if one.confidence is not None), reverse=True
    )
    steps, total = [], 0.0
    for place, (confidence, points) in enumerate(given, start=1):
        total += points
        if place == len(given) or given[place][0] != confidence:
            steps.append(Step(confidence, place / len(held), total / place))
    return steps[::-1]


def calibrate(held: Sequence[Held], clusters: Sequence[Hashable]) -> Calibration | None:
    """The threshold by the mean score over all questions; None where nothing was answered, or in
    one document only."""
    names = list(dict.fromkeys(clusters))
    if len(names) < 2 or all(one.confidence is None for one in held):
        return None
    fold = {name: place % _FOLDS for place, name in enumerate(names)}
    after = 0.0
    for part in range(min(_FOLDS, len(names))):
        seen: list[Held] = []
        left: list[Held] = []
        for one, name in zip(held, clusters, strict=True):
            (left if fold[name] == part else seen).append(one)
        after += _total(left, _best(seen))
    before = _total(held, float("-inf"))
    return Calibration(_best(held), before / len(held), after / len(held))


def _best(held: Sequence[Held]) -> float:
    """The threshold of the highest sum, the lowest of equal ones; between two confidences, so that
    new answers that are as sure as the last one kept pass. Below all where holding back pays
    nowhere."""
    sure = sorted({one.confidence for one in held if one.confidence is not None})
    best, most = float("-inf"), _total(held, float("-inf"))
    for low, high in itertools.pairwise(sure):
        edge = (low + high) / 2
        if (points := _total(held, edge)) > most:
            best, most = edge, points
    return best if best > float("-inf") else min(sure, default=0.0)


def _total(held: Sequence[Held], edge: float) -> float:
    return sum(_points(one, edge) for one in held)


def _points(one: Held, threshold: float) -> float:
    return one.given if one.confidence is not None and one.confidence >= threshold else one.silent
