"""Recipes over the same questions, scored alike and judged."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import (
    Comparison,
    Metric,
    Outcome,
    PairedDifference,
    RecipeRow,
    number_notes,
)
from acclimate.evaluation.comparison_run import ComparisonRun, Looks
from acclimate.evaluation.entry import Entry
from acclimate.evaluation.judge import Label
from acclimate.evaluation.judges import Judges, add_words
from acclimate.evaluation.luck import Luck
from acclimate.evaluation.measures import Counted, Repeats, find_measure, measure_all, values
from acclimate.evaluation.rows import cluster, make_row
from acclimate.evaluation.runs import by_runs, seed_notes
from acclimate.evaluation.sequential import Look, interval_level, look, plan_looks
from acclimate.evaluation.verdict import decide, pairs, sequential_pairs
from acclimate.types import Question


@dataclass(frozen=True, slots=True)
class Setting:
    """What a comparison is about and where; see `Comparison` for the fields.

    `minutes` bounds its time; with `stop_early` it ends where a winner is certain.
    """

    project: str
    split: str
    metric: Metric = "f1"
    machine: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    minutes: float | None = None
    stop_early: bool = False


@dataclass(slots=True)
class _Watch:
    """Looks at the outcomes, and says when they are enough."""

    comparison_run: ComparisonRun
    judges: Judges | None
    metric: Metric
    entries: Sequence[Entry]
    chosen: Sequence[Question] = ()
    planned: tuple[int, ...] = ()
    taken: tuple[int, ...] = ()

    def looks(self, chosen: Sequence[Question]) -> Looks:
        """When to look at the outcomes of these questions."""
        self.chosen = chosen
        self.planned = plan_looks([cluster(question) for question in chosen])
        self.taken = self.planned  # where it is not stopped before
        return Looks(self.planned, self.settled)

    def settled(self, done: Mapping[str, Sequence[Outcome]]) -> bool:
        """Whether one entry is certainly better than every other."""
        asked = len(next(iter(done.values())))
        taken = tuple(one for one in self.planned if one <= asked)
        by_id = {question.id: question for question in self.chosen}
        outcomes = [one for some in done.values() for one in some]
        judged = add_words(self.comparison_run.cache, outcomes, by_id, self.judges)
        firsts, repeats = by_runs(judged, self.entries)
        counted = values(firsts, find_measure(self.metric), repeats)
        if (
            counted is None
            or len(counted.rows) < max(2, len(firsts))
            or len(counted.places) < asked
        ):
            return False  # the plan is for questions that all count
        groups = [cluster(question) for question in self.chosen[:asked]]
        rows = list(counted.rows.values())
        means = [sum(row) for row in rows]
        best = means.index(max(means))
        luck = counted.luck(groups)
        every = [luck.get(name) for name in counted.rows]
        apart = look(rows, groups, taken, len(self.chosen), every).apart[best]
        if not all(apart[place] for place in range(len(rows)) if place != best):
            return False
        self.taken = taken
        return True


def compare(
    comparison_run: ComparisonRun,
    entries: Sequence[Entry],
    setting: Setting,
    judges: Judges | None = None,
) -> Comparison:
    """Run the entries and judge them.

    Raises SettingsError as `ComparisonRun.run` does, for a measure that has nothing to say of these answers,
    and for two entries of one name.
    """
    find_measure(setting.metric)
    _require_names(entries)
    if setting.metric == "similarity" and judges is None:
        raise SettingsError("similarity needs an embedder.", hint="Compare by f1, em or rouge_l.")
    watch = _Watch(comparison_run, judges, setting.metric, entries) if setting.stop_early else None
    outcomes = comparison_run.run(entries, setting.minutes, watch.looks if watch else None)
    asked = {outcome.question for outcome in outcomes}
    questions = {
        question.id: question for question in comparison_run.questions if question.id in asked
    }
    every = add_words(comparison_run.cache, outcomes, questions, judges)
    by_recipe, repeats = by_runs(every, entries)
    outcomes = [one for some in by_recipe.values() for one in some]
    groups = [cluster(questions[one.question]) for one in next(iter(by_recipe.values()))]
    counted = _counted(by_recipe, setting.metric, repeats)
    labels = judges.labels if judges else ()
    rows = _rows(comparison_run, entries, every, questions, counted, labels)
    compared = _pairs(
        {row.recipe: counted.rows[row.recipe] for row in rows}, groups, counted, watch
    )
    return Comparison(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        project=setting.project,
        metric=setting.metric,
        split=setting.split,
        questions=tuple(questions.values()),
        rows=tuple(rows),
        outcomes=tuple(outcomes),
        pairs=compared,
        verdict=decide(rows, compared, setting.metric),
        machine=setting.machine,
        notes=(
            *_notes(comparison_run, setting, outcomes, questions, counted, watch),
            *seed_notes(rows, setting.metric),
        ),
        measures=measure_all(by_recipe, groups, rows[0].recipe, repeats),
        looks=watch.taken if watch else (),
        repeats=tuple(one for some in repeats.values() for run in some for one in run),
    )


def _rows(
    comparison_run: ComparisonRun,
    entries: Sequence[Entry],
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    counted: Counted,
    labels: Sequence[Label],
) -> list[RecipeRow]:
    """The rows of the table, best first."""
    by_recipe, repeats = by_runs(outcomes, entries)
    rows = [
        make_row(
            one,
            by_recipe[one.recipe],
            questions,
            counted,
            repeats=repeats.get(one.recipe, ()),
            peak_mb=comparison_run.cache.peak(one.key),
            labels=labels,
            parallel=comparison_run.parallel(one, list(questions.values())),
        )
        for one in entries
        if one.recipe in by_recipe
    ]
    return sorted(rows, key=lambda row: (-row.interval.mean, row.total_s[0]))


def _require_names(entries: Sequence[Entry]) -> None:
    names = [one.recipe for one in entries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SettingsError(f"two entries are called '{twice}'.", hint="Name one otherwise.")


def _pairs(
    scores: Mapping[str, Sequence[float]],
    groups: Sequence[Hashable],
    counted: Counted,
    watch: _Watch | None,
) -> tuple[PairedDifference, ...]:
    clusters = [groups[place] for place in counted.places]
    luck = counted.luck(clusters)
    # Where a question does not count for all, the looks were none, and it was not stopped.
    if watch is None or len(watch.planned) < 2 or len(counted.places) < len(groups):
        return pairs(scores, clusters, luck)
    total = len(watch.chosen)
    level = interval_level(watch.taken, total)

    def find(rows: Sequence[Sequence[float]], lucky: Sequence[Luck | None]) -> Look:
        return look(rows, clusters, watch.taken, total, lucky)

    return sequential_pairs(scores, clusters, level, find, luck)


def _counted(
    by_recipe: Mapping[str, Sequence[Outcome]], metric: Metric, repeats: Repeats
) -> Counted:
    """The deciding measure's values. Raises SettingsError where it says nothing of a recipe."""
    measure = find_measure(metric)
    counted = values(by_recipe, measure, repeats)
    without = [name for name in by_recipe if counted is None or name not in counted.rows]
    if counted is None or without:
        raise SettingsError(
            f"the measure '{metric}' says nothing of {', '.join(without) or 'these answers'}.",
            hint="facts and full need `facts` in questions.jsonl, rubric and judged a [judge], "
            "claims and entailed recipes that cite, check:NAME its --check.",
        )
    return counted


def _notes(
    comparison_run: ComparisonRun,
    setting: Setting,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    counted: Counted,
    watch: _Watch | None,
) -> tuple[str, ...]:
    notes = [*setting.notes, *comparison_run.notes, *number_notes(outcomes, questions)]
    left = len(comparison_run.questions) - len(questions)
    stopped = watch is not None and watch.taken[-1] < len(watch.chosen)
    if stopped:
        notes.append(
            f"Stopped after {len(questions)} of {len(comparison_run.questions)} questions, as the winner was "
            f"certain by then. p-values and intervals allow for the looks; a difference that "
            f"ended a comparison early is on average smaller than it looks."
        )
    elif left:
        notes.append(
            f"{len(questions)} of {len(comparison_run.questions)} questions were "
            f"asked, as many as the time allowed."
        )
    if len(counted.places) < len(questions):
        notes.append(
            f"{setting.metric} says something of {len(counted.places)} of {len(questions)} "
            f"questions for every recipe; the others do not count."
        )
    return tuple(notes)
