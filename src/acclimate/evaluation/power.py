"""What a set of questions can tell before it is asked, and how hard its questions were."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median

from acclimate.evaluation.clusters import cluster_error
from acclimate.evaluation.comparison import Comparison
from acclimate.evaluation.measures import find_measure
from acclimate.evaluation.rows import cluster
from acclimate.types import Question

POWER = 0.8
_RIGHT = 0.5  # points from which an answer counts as right when difficulty is told
# Where nothing was compared yet: standard deviation of a score, of the difference of two recipes'
# scores on one question, and how much alike questions of one document are (intraclass correlation).
_SCORE, _GAP, _ALIKE = 0.45, 0.45, 0.1


@dataclass(frozen=True, slots=True)
class Power:
    """What `questions` about `documents` can tell: a recipe's mean is known to ± `within` (95 %),
    and two recipes that differ by `apart` are told apart in four of five tries. `measured`: by the
    spread in the last comparison, else by assumption. `apart` and `within` are shares."""

    questions: int
    documents: int
    within: float
    apart: float
    measured: bool

    @property
    def sentence(self) -> str:
        """It in words."""
        by = "as scores spread in the last comparison" if self.measured else "as scores usually do"
        if self.documents < 2:
            return f"{self.questions} questions about one document tell nothing for certain."
        if self.apart >= 1:
            return f"{self.questions} questions tell hardly anything: ask more."
        return (
            f"{self.questions} questions about {self.documents} documents: a score is known to "
            f"±{100 * self.within:.0f} points, and two recipes are told apart in four of five "
            f"tries if they differ by {100 * self.apart:.0f} points or more, spread {by}."
        )


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Questions of a kind in a comparison: how many all its recipes got right, some, none."""

    kind: str
    easy: int
    between: int
    hard: int


def power(questions: Sequence[Question], earlier: Comparison | None = None) -> Power:
    """What these questions can tell, by the spread of scores in an earlier comparison of the
    project, where there is one with two recipes that differ."""
    groups = [cluster(question) for question in questions]
    spreads = _spreads(earlier) if earlier else None
    if spreads is None:
        widen = math.sqrt(_design(groups))
        score, gap = _SCORE * widen, _GAP * widen
    else:
        score, gap = spreads
    documents, root = len(set(groups)), math.sqrt(max(1, len(questions)))
    sure = _t(0.975, documents - 1)
    return Power(
        len(questions),
        documents,
        sure * score / root,
        (sure + _t(POWER, documents - 1)) * gap / root,
        spreads is not None,
    )


def difficulties(comparison: Comparison) -> list[Difficulty]:
    """How hard the questions of a comparison were, by kind."""
    measure = find_measure(comparison.metric)
    right: dict[str, list[bool]] = {}
    for outcome in comparison.outcomes:
        points = measure(outcome)
        if points is not None:
            right.setdefault(outcome.question, []).append(points >= _RIGHT)
    kinds: dict[str, list[list[bool]]] = {}
    for question in comparison.questions:
        if question.id in right:
            kinds.setdefault(question.kind or "other", []).append(right[question.id])
    return [
        Difficulty(
            kind,
            sum(all(one) for one in some),
            sum(any(one) and not all(one) for one in some),
            sum(not any(one) for one in some),
        )
        for kind, some in sorted(kinds.items())
    ]


def _spreads(comparison: Comparison) -> tuple[float, float] | None:
    """Standard error times the root of the number of questions, which is a standard deviation that
    counts documents: of a score and of a difference, each the median. None where none differ."""
    measure = find_measure(comparison.metric)
    groups = {one.id: cluster(one) for one in comparison.questions}
    rows: dict[str, dict[str, float]] = {}
    for outcome in comparison.outcomes:
        points = measure(outcome)
        if points is not None:
            rows.setdefault(outcome.recipe, {})[outcome.question] = points
    scores = [_spread(row, groups) for row in rows.values()]
    gaps = [
        _spread({name: one[name] - other[name] for name in one if name in other}, groups)
        for one, other in combinations(rows.values(), 2)
    ]
    known = [one for one in gaps if one > 0]
    return (median(scores), median(known)) if known else None


def _spread(points: dict[str, float], groups: dict[str, Hashable]) -> float:
    if len(points) < 2:
        return 0.0
    error = cluster_error(list(points.values()), [groups[name] for name in points])
    return error * math.sqrt(len(points))


def _design(groups: Sequence[Hashable]) -> float:
    """The design effect of unequal clusters (Kish, "Survey Sampling", 1965)."""
    sizes = [groups.count(name) for name in set(groups)]
    mean = sum(size**2 for size in sizes) / max(1, sum(sizes))
    return 1 + (mean - 1) * _ALIKE


def _t(share: float, degrees: int) -> float:
    """Student's quantile, by the first two terms of Cornish and Fisher's expansion."""
    z, v = NormalDist().inv_cdf(share), max(1, degrees)
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
