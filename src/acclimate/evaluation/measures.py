"""Everything that answers are scored by, each with its interval and the same paired test.

A measure is a function of an outcome; None says that it has nothing to say of a question, which is
then left out for all entries. A failed answer scores 0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal

from acclimate.errors import SettingsError, nearest
from acclimate.evaluation.checks import PREFIX
from acclimate.evaluation.comparison import Measured, Outcome
from acclimate.evaluation.luck import Luck, luck_of, of
from acclimate.evaluation.statistics import difference, family_p, mean_interval

Repeats = Mapping[str, Sequence[Sequence[Outcome]]]
"""The outcomes of each further run of recipes that were trained with several seeds, by recipe, each
in the order of its first run's."""
Better = Literal["more", "less", "neither"]
Of = Callable[[Outcome], float | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """`share` is whether it is 0 to 1; `better`, which way is better; `scored`, what it is of an
    outcome with an answer."""

    name: str
    title: str
    scored: Of
    share: bool = True
    better: Better = "more"

    def __call__(self, outcome: Outcome) -> float | None:
        """Its value; 0 for a failed answer."""
        if outcome.answer is None:
            return 0.0 if self.better == "more" else None
        return self.scored(outcome)


def _field(name: str) -> Of:
    def read(outcome: Outcome) -> float | None:
        value = getattr(outcome.score, name)
        return None if value is None else float(value)

    return read


def _judged(outcome: Outcome) -> float | None:
    """The judge's word; one that it did not give counts as no."""
    return float(outcome.judgement.right is True) if outcome.judgement else None


def _of_score(name: str, title: str, better: Better = "more", *, share: bool = True) -> Measure:
    return Measure(name, title, _field(name), share, better)


_ALWAYS = (
    _of_score("f1", "F1"),
    _of_score("em", "exact match"),
    _of_score("number_f1", "F1 of numbers and words"),
    _of_score("number_em", "number match"),
    _of_score("rouge_l", "ROUGE-L"),
    _of_score("similarity", "similarity"),
    _of_score("facts", "key facts"),
    _of_score("full", "all facts, nothing wrong"),
    _of_score("wrong", "says something wrong", "less"),
    _of_score("complete", "completeness"),
    _of_score("claims", "claims that passages support"),
    _of_score("supported", "near what it cites"),
    _of_score("entailed", "entailed by what it cites"),
    Measure("judged", "right, says the judge", _judged),
    _of_score("rubric", "rubric, says the judge"),
    _of_score("same_language", "language of the question"),
    _of_score("words", "words", "neither", share=False),
)
MEASURES = {one.name: one for one in _ALWAYS}
METRICS = tuple(one.name for one in _ALWAYS if one.better == "more")
"""What can decide a comparison, beside `check:NAME`."""
_RESAMPLES = 2_000  # for each of a dozen measures; what decides has more
BY_WORDS = (
    "f1", "em", "number_f1", "number_em", "rouge_l", "facts", "full", "complete",
)  # fmt: skip
"""What needs no model, and decides searches, which score answers one by one."""


def find_measure(name: str) -> Measure:
    """A measure by its name. Raises SettingsError naming the nearest."""
    if name.startswith(PREFIX):
        return Measure(name, name.removeprefix(PREFIX), lambda one: one.score.checks.get(name))
    if name not in MEASURES:
        raise SettingsError(
            f"there is no measure '{name}'.", hint=nearest(name, [*METRICS, f"{PREFIX}NAME"])
        )
    return MEASURES[name]


def require_metric(name: str) -> str:
    """The name of what decides. Raises SettingsError for a measure of which more is not better."""
    if find_measure(name).better != "more":
        raise SettingsError(
            f"a comparison cannot be decided by '{name}'.", hint=f"Decide by {', '.join(METRICS)}."
        )
    return name


def require_by_words(name: str) -> str:
    """The name of what decides a search. Raises SettingsError for what needs a model."""
    if name not in BY_WORDS:
        raise SettingsError(
            f"a search cannot be decided by '{name}'.", hint=f"Decide by {', '.join(BY_WORDS)}."
        )
    return name


def values(
    by_recipe: Mapping[str, Sequence[Outcome]], measure: Measure, repeats: Repeats | None = None
) -> Counted | None:
    """A measure's values on the questions of which it says something for every recipe, means over
    the runs of those with several; recipes for which it never does are left out. None where no
    recipe is left, or no question."""
    if measure.name == "full" and not _list_facts(by_recipe):
        return None  # silence alone would make it
    every = {name: [measure(one) for one in outcomes] for name, outcomes in by_recipe.items()}
    # A failed answer's 0 alone does not make it a measure of that recipe.
    held = {
        name: row
        for name, row in every.items()
        if any(
            one is not None
            for one, outcome in zip(row, by_recipe[name], strict=True)
            if outcome.answer is not None
        )
    }
    failed = {name: row for name, row in every.items() if _all_failed(by_recipe[name])}
    if not held:
        return None
    runs = {name: [every[name]] for name in every if name in held or name in failed}
    for name, others in (repeats or {}).items():
        if name in runs:
            runs[name] += [[measure(one) for one in outcomes] for outcomes in others]
    rows = [row for some in runs.values() for row in some]
    places = tuple(
        place for place in range(len(rows[0])) if all(row[place] is not None for row in rows)
    )
    if not places:
        return None
    counted = {name: [_at(row, places) for row in some] for name, some in runs.items()}
    return Counted(
        places,
        {
            name: [fmean(points) for points in zip(*some, strict=True)]
            for name, some in counted.items()
        },
        {name: some for name, some in counted.items() if len(some) > 1},
    )


def _at(row: Sequence[float | None], places: Sequence[int]) -> list[float]:
    return [float(row[place] or 0.0) for place in places]


def _list_facts(by_recipe: Mapping[str, Sequence[Outcome]]) -> bool:
    every = (one for outcomes in by_recipe.values() for one in outcomes)
    return any(one.score.facts is not None for one in every)


def _all_failed(outcomes: Sequence[Outcome]) -> bool:
    return all(one.answer is None for one in outcomes)


@dataclass(frozen=True, slots=True)
class Counted:
    """A measure's values by recipe, and the places of their questions. `runs` has the values of each
    run of what was trained with several seeds, the one that is served first; its row is their
    mean."""

    places: tuple[int, ...]
    rows: Mapping[str, list[float]]
    runs: Mapping[str, list[list[float]]] = field(default_factory=dict)

    def luck(self, clusters: Sequence[Hashable]) -> dict[str, Luck]:
        """What the choice of seeds adds to the error of a recipe's mean; `clusters` are those of
        the places."""
        found = {name: luck_of(some, clusters) for name, some in self.runs.items()}
        return {name: one for name, one in found.items() if one is not None}


def measure_all(
    by_recipe: Mapping[str, Sequence[Outcome]],
    clusters: Sequence[Hashable],
    best: str,
    repeats: Repeats | None = None,
) -> tuple[Measured, ...]:
    """Every measure that has something to say, with each recipe's interval and its paired
    difference from the best one; p-values are corrected for all recipes."""
    names = dict.fromkeys(MEASURES)
    for outcomes in by_recipe.values():
        for one in outcomes:
            names |= dict.fromkeys(one.score.checks)
    counted = {name: values(by_recipe, find_measure(name), repeats) for name in names}
    return tuple(
        _measured(find_measure(name), one, clusters, best)
        for name, one in counted.items()
        if one is not None
    )


def _measured(
    measure: Measure, counted: Counted, clusters: Sequence[Hashable], best: str
) -> Measured:
    groups = [clusters[place] for place in counted.places]
    names, luck = list(counted.rows), counted.luck(groups)
    intervals = {
        name: mean_interval(row, groups, resamples=_RESAMPLES, luck=of(luck, name))
        for name, row in counted.rows.items()
    }
    highest = 1.0 if measure.share else float("inf")  # none is below 0
    intervals = {
        name: replace(one, low=max(0.0, one.low), high=min(highest, one.high))
        for name, one in intervals.items()
    }
    against = {}
    if best in counted.rows and len(names) > 1:
        rows = [counted.rows[name] for name in names]
        every = [luck.get(name) for name in names]
        adjusted = family_p(rows, groups, _RESAMPLES, every)[names.index(best)]
        against = {
            name: replace(
                difference(
                    counted.rows[name],
                    counted.rows[best],
                    groups,
                    resamples=_RESAMPLES,
                    luck=of(luck, name, best),
                ),
                adjusted=float(adjusted[place]),
            )
            for place, name in enumerate(names)
            if name != best
        }
    return Measured(
        measure.name,
        measure.title,
        measure.share,
        measure.better,
        len(counted.places),
        intervals,
        against,
    )
