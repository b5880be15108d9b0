"""One recommendation from many measurements, with its uncertainty stated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from acclimate.evaluation.comparison import PairedDifference, RecipeRow, Verdict
from acclimate.evaluation.luck import Luck, of
from acclimate.evaluation.sequential import Look
from acclimate.evaluation.statistics import Interval, difference, family_p

LEVEL = 0.05
Find = Callable[[Sequence[Sequence[float]], Sequence[Luck | None]], Look]
"""What looks at the scores of recipes, with their luck."""


def pairs(
    scores: Mapping[str, Sequence[float]],
    clusters: Sequence[Hashable],
    luck: Mapping[str, Luck] | None = None,
) -> tuple[PairedDifference, ...]:
    """Every two recipes' paired difference, p-values corrected for all of them. `scores` are in the
    order of the table, best first; `luck` is that of recipes whose scores are means over seeds."""
    ranked, lucky = list(scores), luck or {}
    every = [lucky.get(recipe) for recipe in ranked]
    adjusted = family_p([scores[recipe] for recipe in ranked], clusters, luck=every)
    found = []
    for (i, a), (j, b) in itertools.combinations(enumerate(ranked), 2):
        gap = difference(scores[a], scores[b], clusters, luck=of(lucky, a, b))
        found.append(PairedDifference(a, b, replace(gap, adjusted=float(adjusted[i, j]))))
    return tuple(found)


def sequential_pairs(
    scores: Mapping[str, Sequence[float]],
    clusters: Sequence[Hashable],
    level: float,
    find: Find,
    luck: Mapping[str, Luck] | None = None,
) -> tuple[PairedDifference, ...]:
    """As `pairs`, after several looks: p-values and intervals (of `level`) allow for them."""
    ranked, lucky = list(scores), luck or {}
    looked = find([scores[recipe] for recipe in ranked], [lucky.get(recipe) for recipe in ranked])
    found = []
    for (i, a), (j, b) in itertools.combinations(enumerate(ranked), 2):
        gap = difference(scores[a], scores[b], clusters, level, luck=of(lucky, a, b))
        p = float(looked.p[i, j])
        found.append(PairedDifference(a, b, replace(gap, p=max(gap.p, min(p, 1.0)), adjusted=p)))
    return tuple(found)


def decide(rows: Sequence[RecipeRow], compared: Sequence[PairedDifference], metric: str) -> Verdict:
    """The cheapest of the recipes that do not differ significantly from the best; `rows` are best
    first.

    A recipe counts as equal where even its own test, not corrected for the number of recipes, finds
    no difference: else few questions and many recipes would make everything equal, and the cheapest
    nonsense the advice.
    """
    best = rows[0]
    against = {pair.second: pair.difference for pair in compared if pair.first == best.recipe}
    beaten = [row for row in rows[1:] if against[row.recipe].adjusted < LEVEL]
    equals = [row for row in rows[1:] if against[row.recipe].p >= LEVEL and row not in beaten]
    ahead = [row for row in rows[1:] if row not in beaten and row not in equals]
    chosen = min([best, *equals], key=_price)
    sentences = [f"{best.recipe} scores highest: {_score(best, metric)}."]
    if beaten:
        gap = against[beaten[0].recipe]
        sure = f"{_range(gap.interval)}; p {_p(gap.adjusted)}"
        by = f"{_points(gap.interval.mean)} points over {beaten[0].recipe} ({sure})"
        sentences.append(f"It is better than {_names(beaten)}: {by}.")
    if ahead:
        sentences.append(
            f"It is ahead of {_names(ahead)}, but that may be chance among so many recipes."
        )
    if equals:
        more = min((n for row in equals if (n := against[row.recipe].needed)), default=None)
        known = (
            f" (about {more:,} questions would show one)" if more and more > best.summary.n else ""
        )
        sentences.append(f"There is no measurable difference to {_names(equals)}{known}.")
    if chosen is not best:
        sentences.append(
            f"So take {chosen.recipe}, the cheapest of them: {chosen.total_s[0]:.2f} s an answer."
        )
    elif equals and best.timed:
        sentences.append(f"Take {best.recipe}: it is also the cheapest of them.")
    return Verdict(
        chosen.recipe, best.recipe, tuple(row.recipe for row in equals), " ".join(sentences)
    )


def _price(row: RecipeRow) -> tuple[float, float]:
    return row.cost or 0.0, row.total_s[0] if row.timed else float("inf")


def _score(row: RecipeRow, metric: str) -> str:
    return (
        f"{metric.upper().replace('_', '-')} {_points(row.interval.mean)} ({_range(row.interval)})"
    )


def _range(interval: Interval) -> str:
    return f"95 % interval {_points(interval.low)} to {_points(interval.high)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _points(share: float) -> str:
    return f"{100 * share:.0f}"


def _names(rows: Sequence[RecipeRow]) -> str:
    names = [row.recipe for row in rows]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
