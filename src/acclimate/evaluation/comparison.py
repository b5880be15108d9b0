"""The results of a comparison: plain values, stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from acclimate.errors import SettingsError
from acclimate.evaluation.abstention import Calibration, Step
from acclimate.evaluation.entry import Documents
from acclimate.evaluation.judge import Agreement, Judgement
from acclimate.evaluation.metrics import Score, Summary
from acclimate.evaluation.statistics import Difference, Interval
from acclimate.types import Answer, Question

Metric = str
"""The name of what decides, one of `acclimate.evaluation.measures.METRICS` or a user's check."""
_NAMED = 8  # answers that a note names
_LONGEST = 60  # characters of each


@dataclass(frozen=True, slots=True)
class Outcome:
    """One recipe's answer to one question; `answer` is None where it failed, with the reason in
    `error`.

    `judgement` is a judge's word on it, None where no judge was asked. `seed` is that of its
    training, where the recipe was trained with several.
    """

    recipe: str
    question: str
    score: Score
    answer: Answer | None = None
    error: str = ""
    judgement: Judgement | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class RecipeRow:
    """One recipe over all questions.

    `interval` is of the comparison's metric. Seconds are the 50th and 95th percentile over its
    answers, tokens the mean. `peak_mb` is the process's peak memory while it ran, None where the
    system does not say. `prepare_s` and `disk_mb` are what it needs before the first answer
    (reading documents, training) and keeps; `cost` is money for 1,000 answers at the prices in
    acclimate.toml, None where there are none. `by_kind` gives number and mean score by question
    kind. `curve` and `calibration` say what holding back unsure answers would do. `judged` is the
    share that a judge calls right, with its failures counted as wrong and told in `judge_errors`;
    `agreement` is with the user's labels of this recipe's answers. Its seconds were measured with
    up to `parallel` answers asked for at once. `documents` says how it knows those that are asked
    about: a recipe that had read none of them is measured by another yardstick. `seeds` are the means
    of each run of what was trained with several, the one that is served first; its scores are means
    over them, and their spread is in its interval and tests.
    """

    recipe: str
    summary: Summary
    interval: Interval
    first_token_s: tuple[float, float]
    total_s: tuple[float, float]
    prompt_tokens: float
    completion_tokens: float
    errors: int
    model: str = ""
    peak_mb: float | None = None
    prepare_s: float = 0.0
    disk_mb: float = 0.0
    cost: float | None = None
    by_kind: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    curve: tuple[Step, ...] = ()
    calibration: Calibration | None = None
    judged: float | None = None
    judge_errors: int = 0
    agreement: Agreement | None = None
    parallel: int = 1
    documents: Documents = ""
    seeds: Mapping[int, float] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether its seconds are known; another system's answers may come without."""
        return self.total_s[1] > 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure over all recipes: `n` questions of which it says something for each of them, the
    interval of each, and the paired difference of each from the best one."""

    name: str
    title: str
    share: bool
    better: Literal["more", "less", "neither"]
    n: int
    intervals: Mapping[str, Interval]
    against: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two recipes' paired difference, first minus second; the first has the higher mean."""

    first: str
    second: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Verdict:
    """The recipe to use, and why, in words. `equals` are the recipes that do not differ
    significantly from the best."""

    recommended: str
    best: str
    equals: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Recipes × questions. `created` is ISO 8601 in UTC; `rows` are best first; `notes` say what a
    reader must know. `measures` are all scores beside the one that decides. `looks` are the numbers
    of questions after which it was decided whether to go on, where that was asked for. `outcomes`
    are of what is served, `repeats` of the other seeds of recipes that were trained with
    several."""

    created: str
    project: str
    metric: Metric
    split: str
    questions: tuple[Question, ...]
    rows: tuple[RecipeRow, ...]
    outcomes: tuple[Outcome, ...]
    pairs: tuple[PairedDifference, ...]
    verdict: Verdict
    machine: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measures: tuple[Measured, ...] = ()
    looks: tuple[int, ...] = ()
    repeats: tuple[Outcome, ...] = ()

    def row(self, recipe: str) -> RecipeRow:
        """The row of a recipe. Raises SettingsError where it was not compared."""
        for row in self.rows:
            if row.recipe == recipe:
                return row
        known = ", ".join(row.recipe for row in self.rows)
        raise SettingsError(f"the recipe '{recipe}' was not compared.", hint=f"Compared: {known}.")

    def _repr_html_(self) -> str:
        """The table and the verdict, for notebooks."""
        head = ("recipe", self.metric, "95 %", "seconds an answer")
        rows = [
            (
                row.recipe,
                f"{100 * row.interval.mean:.1f}",
                f"{100 * row.interval.low:.1f} to {100 * row.interval.high:.1f}",
                f"{row.total_s[0]:.2f}",
            )
            for row in self.rows
        ]
        cells = "".join(f"<th>{escape(name)}</th>" for name in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
        table = f"<table><tr>{cells}</tr>{body}</table>"
        return f"{table}<p>{escape(self.verdict.sentence)}</p>"


_ADAPTER = TypeAdapter(Comparison)


def save(comparison: Comparison, file: Path) -> None:
    """Write a comparison as JSON, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(_ADAPTER.dump_json(comparison))
    part.replace(file)


def to_json(comparison: Comparison) -> str:
    """A comparison as JSON."""
    return _ADAPTER.dump_json(comparison).decode()


def load(file: Path) -> Comparison:
    """Read a comparison. Raises SettingsError where the file is not one."""
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"{file} is not a comparison: {reason}.", hint="Give a .json of .acclimate/comparisons."
        ) from error


def last_comparison(folder: Path) -> Comparison | None:
    """As `latest_comparison`; None where there is none."""
    return latest_comparison(folder) if any(folder.glob("*.json")) else None


def latest_comparison(folder: Path) -> Comparison:
    """The latest of the comparisons kept in `folder`. Raises SettingsError where there is none."""
    kept = sorted(folder.glob("*.json"))
    if not kept:
        raise SettingsError("there is no earlier comparison.", hint="acclimate compare")
    return load(kept[-1])


def value(row: RecipeRow, name: str) -> float | None:
    """A figure of a row by its name in gates and tables. Raises SettingsError naming the known
    ones."""
    figures: dict[str, float | None] = {
        **{key: getattr(row.summary, key) for key in Summary.__slots__},
        "judged": row.judged,
        "ttft_s": row.first_token_s[0],
        "ttft_p95": row.first_token_s[1],
        "seconds_per_answer": row.total_s[0],
        "seconds_p95": row.total_s[1],
        "errors": float(row.errors),
        "peak_mb": row.peak_mb,
        "cost": row.cost,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "disk_mb": row.disk_mb,
    }
    if name not in figures:
        raise SettingsError(f"there is no figure '{name}'.", hint=f"Figures: {', '.join(figures)}.")
    return figures[name]


def figure(comparison: Comparison, recipe: str, name: str) -> float | None:
    """A measure's mean, or a figure of the row. Raises SettingsError as `value` and
    `Comparison.row`."""
    row = comparison.row(recipe)
    measured = next((one for one in comparison.measures if one.name == name), None)
    if measured is None or name in Summary.__slots__:
        return value(row, name)
    interval = measured.intervals.get(recipe)
    return interval.mean if interval else None


def number_notes(outcomes: Sequence[Outcome], questions: Mapping[str, Question]) -> list[str]:
    """Where SQuAD's match and the match of numbers differ: how many answers, which, and which
    way."""
    ways = {
        1.0: "SQuAD's exact match counts {} as right whose numbers differ from the reference's",
        0.0: "SQuAD's exact match counts {} as wrong whose numbers equal the reference's",
    }
    notes = []
    for squad, words in ways.items():
        found = [
            one
            for one in outcomes
            if one.answer and one.score.em == squad and one.score.number_em == 1 - squad
        ]
        if not found:
            continue
        shown = [
            f"{one.question} ({one.recipe}): “{one.answer.text.strip()[:_LONGEST]}” for "
            f"“{' / '.join(questions[one.question].answers)[:_LONGEST]}”"
            for one in found[:_NAMED]
            if one.answer
        ]
        more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        count = f"{len(found)} {'answer' if len(found) == 1 else 'answers'}"
        notes.append(
            f"{words.format(count)}: {'; '.join([*shown, *more])}. Compare by --metric number_em."
        )
    return notes
