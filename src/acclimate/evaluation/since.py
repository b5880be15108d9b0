"""What changed since an earlier comparison, on the questions that both asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from acclimate.evaluation.comparison import Comparison, Outcome, RecipeRow
from acclimate.evaluation.measures import find_measure
from acclimate.evaluation.rows import cluster
from acclimate.evaluation.statistics import Difference, difference

_LEAST = 2  # questions that both asked


@dataclass(frozen=True, slots=True)
class Change:
    """A recipe before and now: its mean and model then, and the paired difference, now minus then,
    on `n` questions that both comparisons asked in the same words; None where those are too few."""

    recipe: str
    before: float
    model: str
    n: int
    gap: Difference | None


def changes(now: Comparison, earlier: Comparison, metric: str = "") -> dict[str, Change]:
    """The changes of recipes that were compared before, by their names now, in a measure ("": the
    one that decides).

    A recipe with a model is found again under that model, whichever was the project's own at the
    time; where it was compared with another model only, `Change.model` tells.
    """
    found = {}
    for row in now.rows:
        before = _earlier(row, earlier)
        if before is not None:
            found[row.recipe] = _change(row, now, before, earlier, metric or now.metric)
    return found


def _earlier(row: RecipeRow, earlier: Comparison) -> RecipeRow | None:
    base = row.recipe.partition("@")[0]
    named: RecipeRow | None = None
    for one in earlier.rows:
        if one.recipe.partition("@")[0] != base:
            continue
        if one.model and one.model == row.model:
            return one
        if named is None and one.recipe == row.recipe:
            named = one
    return named


def _change(
    row: RecipeRow, now: Comparison, before: RecipeRow, earlier: Comparison, metric: str
) -> Change:
    measure = find_measure(metric)
    then, current = _outcomes(earlier, before.recipe), _outcomes(now, row.recipe)
    texts = {question.id: question.told for question in earlier.questions}
    gaps = []
    for question in now.questions:
        if texts.get(question.id) != question.told:
            continue
        new, old = (measure(held[question.id]) for held in (current, then))
        if new is not None and old is not None:
            gaps.append((new, old, cluster(question)))
    gap = None
    if len(gaps) >= _LEAST:
        gap = difference(
            [one[0] for one in gaps], [one[1] for one in gaps], [one[2] for one in gaps]
        )
    mean = before.interval.mean
    if metric != earlier.metric and gaps:
        mean = sum(one[1] for one in gaps) / len(gaps)
    return Change(row.recipe, mean, before.model, len(gaps), gap)


def _outcomes(comparison: Comparison, recipe: str) -> Mapping[str, Outcome]:
    return {one.question: one for one in comparison.outcomes if one.recipe == recipe}
