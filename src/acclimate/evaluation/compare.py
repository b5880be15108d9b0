"""Running recipes over the same questions: estimated first, resumable to the question, scored
alike."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.cache import AnswerCache, answer_key
from acclimate.evaluation.comparison import Comparison, Metric, Outcome, number_notes, scores
from acclimate.evaluation.judge import AskJudge, Judgement, Label, judge
from acclimate.evaluation.meaning import Embed, Entail, add_meaning
from acclimate.evaluation.memory import peak_mb, reset_peak
from acclimate.evaluation.metrics import Score, score
from acclimate.evaluation.rows import cluster, make_row
from acclimate.evaluation.verdict import decide, pairs
from acclimate.types import Answer, Question

_PROBES = 2  # questions that each recipe answers before the estimate; their answers count
_ENOUGH = 30  # questions that a recipe must have time for, or it is left out where it may be
_LEAST = 10  # questions; fewer say nothing
_SLACK = 0.9  # of the minutes given, for loading models and for what the probes could not foresee

AnswerQuestion = Callable[[Question], Answer]


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe that can be run.

    `prepare` loads what it needs and gives the function that answers; `key` stands for everything
    that its answers depend on (equal keys, equal answers). `prepare_s`, `disk_mb` and `prices`
    (money for a million tokens of prompt and of answer) go to its row.
    """

    recipe: str
    prepare: Callable[[], AnswerQuestion]
    key: str
    prepare_s: float = 0.0
    disk_mb: float = 0.0
    prices: tuple[float, float] | None = None
    group: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left to do: answers not cached yet, seconds, tokens and money (None: no prices) by
    recipe."""

    questions: int
    answers: Mapping[str, int]
    seconds: Mapping[str, float]
    tokens: Mapping[str, float]
    cost: float | None


class ComparisonProgress(Protocol):
    """Hears of a running comparison."""

    def preparing(self, recipe: str) -> None:
        """A recipe's models are being loaded."""

    def estimated(self, estimate: Estimate) -> None:
        """The probes are done; nothing else has been run yet."""

    def answered(self, recipe: str, done: int, total: int) -> None:
        """A recipe has so many of its answers."""


class NoProgress:
    """A `ComparisonProgress` for callers that want none."""

    def preparing(self, recipe: str) -> None:
        """See `ComparisonProgress`."""

    def estimated(self, estimate: Estimate) -> None:
        """See `ComparisonProgress`."""

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `ComparisonProgress`."""


@dataclass(slots=True)
class ComparisonRun:
    """The place where entries answer: questions, evidence spans by question id, cached answers;
    `notes` tell what became of entries."""

    questions: Sequence[Question]
    evidence: Mapping[str, tuple[int, int]]
    cache: AnswerCache
    progress: ComparisonProgress
    notes: list[str] = field(default_factory=list)
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def run(self, entries: Sequence[Entry], minutes: float | None = None) -> list[Outcome]:
        """Every entry's outcomes, for as many of the questions as fit `minutes`; all
        entries answer the same.

        Raises SettingsError for no questions, or where not even ten fit the time.
        """
        if not self.questions:
            raise SettingsError(
                "there are no questions to compare on.", hint="acclimate questions make"
            )
        ordered = shuffled(self.questions)
        grouped = by_model(entries)
        for entry in grouped:
            self._answer(entry, ordered[:_PROBES])
        staying = self._affordable(entries, ordered, minutes) if minutes else list(entries)
        chosen = ordered[: self._fitting(staying, ordered, minutes)] if minutes else ordered
        self.progress.estimated(self._estimate(staying, chosen))
        done: dict[str, list[Outcome]] = {}
        for entry in reversed(
            [one for one in grouped if one in staying]
        ):  # the last model is still loaded
            done[entry.recipe] = self._answer(entry, chosen, tell=True)
        return [outcome for entry in staying for outcome in done[entry.recipe]]

    def _affordable(
        self, entries: Sequence[Entry], ordered: Sequence[Question], minutes: float
    ) -> list[Entry]:
        """Those that can answer enough questions together, the earlier ones first; the others are
        told in `notes`."""
        left, staying = minutes * 60 * _SLACK, []
        enough = min(_ENOUGH, len(ordered))
        for one in sorted(entries, key=lambda one: not one.required):
            missing = self._cached(one, ordered[:enough]).count(None)
            needs = missing * self._speed(one, ordered)
            if one.required or needs <= left:
                staying.append(one)
                left -= needs
            else:
                self.notes.append(
                    f"{one.recipe} was left out: {needs / 60:.0f} minutes for {enough} questions."
                )
        return [one for one in entries if one in staying]

    def _answer(
        self, entry: Entry, questions: Sequence[Question], *, tell: bool = False
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        run: AnswerQuestion | None = None
        for question in questions:
            key = answer_key(entry.key, question.question)
            answer, error = self.cache.get(key), ""
            if answer is None:
                if run is None:
                    self.progress.preparing(entry.recipe)
                    reset_peak()
                    run = entry.prepare()
                answer, error = self._run(entry, run, question)
                if answer is not None:
                    self.cache.put(key, answer)
            outcomes.append(self._outcome(entry.recipe, question, answer, error))
            if tell:
                self.progress.answered(entry.recipe, len(outcomes), len(questions))
        if run is not None and (peak := peak_mb()):
            self.cache.note_peak(entry.key, peak)
        return outcomes

    def _run(
        self, entry: Entry, run: AnswerQuestion, question: Question
    ) -> tuple[Answer | None, str]:
        started = time.perf_counter()
        try:
            return run(question), ""
        except AcclimateError as error:  # it counts as a wrong answer, and is tried again next time
            return None, str(error)
        finally:
            self._seconds.setdefault(entry.recipe, []).append(time.perf_counter() - started)

    def _outcome(
        self, recipe: str, question: Question, answer: Answer | None, error: str
    ) -> Outcome:
        if answer is None:
            failed = Score(0.0, 0.0, False, question.answerable, number_em=0.0, number_f1=0.0)
            return Outcome(recipe, question.id, failed, None, error)
        return Outcome(
            recipe, question.id, score(question, answer, self.evidence.get(question.id)), answer
        )

    def _speed(self, entry: Entry, questions: Sequence[Question]) -> float:
        """Seconds of one answer, from this run or from the cached answers."""
        measured = self._seconds.get(entry.recipe) or [
            answer.timings.total_s for answer in self._cached(entry, questions[:_PROBES]) if answer
        ]
        return sum(measured) / len(measured) if measured else 0.0

    def _cached(self, entry: Entry, questions: Sequence[Question]) -> list[Answer | None]:
        return [self.cache.get(answer_key(entry.key, question.question)) for question in questions]

    def _fitting(
        self, entries: Sequence[Entry], ordered: Sequence[Question], minutes: float
    ) -> int:
        left = minutes * 60 * _SLACK
        missing = {
            one.recipe: [answer is None for answer in self._cached(one, ordered)] for one in entries
        }
        for count in range(len(ordered)):
            left -= sum(self._speed(one, ordered) for one in entries if missing[one.recipe][count])
            if left < 0:
                if count < _LEAST:
                    raise SettingsError(
                        f"{minutes:g} minutes are enough for {count} questions with "
                        f"{len(entries)} recipes; "
                        f"fewer than {_LEAST} say nothing.",
                        hint="Give more --minutes, or compare fewer recipes.",
                    )
                return count
        return len(ordered)

    def _estimate(self, entries: Sequence[Entry], questions: Sequence[Question]) -> Estimate:
        answers, seconds, tokens, cost = {}, {}, {}, 0.0
        for one in entries:
            held = self._cached(one, questions)
            answers[one.recipe] = held.count(None)
            seconds[one.recipe] = held.count(None) * self._speed(one, questions)
            known = [answer.usage for answer in held if answer]
            prompt = _mean([usage.prompt_tokens for usage in known])
            written = _mean([usage.completion_tokens for usage in known])
            tokens[one.recipe] = held.count(None) * (prompt + written)
            if one.prices:
                cost += held.count(None) * (prompt * one.prices[0] + written * one.prices[1]) / 1e6
        return Estimate(
            len(questions),
            answers,
            seconds,
            tokens,
            cost if any(one.prices for one in entries) else None,
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """What a comparison is about and where; see `Comparison` for the fields."""

    project: str
    split: str
    metric: Metric = "f1"
    machine: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judges:
    """What looks at answers beside words: an embedder, an entailment model, a judging model under
    `name` (None: not asked), and the user's own labels."""

    embed: Embed
    entail: Entail | None = None
    ask: AskJudge | None = None
    name: str = ""
    labels: Sequence[Label] = ()


def compare(
    comparison_run: ComparisonRun,
    entries: Sequence[Entry],
    setting: Setting,
    minutes: float | None = None,
    judges: Judges | None = None,
) -> Comparison:
    """Run the entries and judge them. Raises SettingsError as `ComparisonRun.run` does."""
    if setting.metric == "similarity" and judges is None:
        raise SettingsError("similarity needs an embedder.", hint="Compare by f1, em or rouge_l.")
    outcomes = comparison_run.run(entries, minutes)
    asked = {outcome.question for outcome in outcomes}
    questions = {
        question.id: question for question in comparison_run.questions if question.id in asked
    }
    if judges:
        outcomes = add_meaning(outcomes, questions, judges.embed, judges.entail)
        outcomes = _judged(comparison_run, outcomes, questions, judges)
    by_recipe = {name: list(some) for name, some in _by_recipe(outcomes).items()}
    clusters = [cluster(questions[outcome.question]) for outcome in next(iter(by_recipe.values()))]
    rows = [
        make_row(
            one.recipe,
            by_recipe[one.recipe],
            questions,
            setting.metric,
            peak_mb=comparison_run.cache.peak(one.key),
            prepare_s=one.prepare_s,
            disk_mb=one.disk_mb,
            prices=one.prices,
            labels=judges.labels if judges else (),
        )
        for one in entries
        if one.recipe in by_recipe
    ]
    rows.sort(key=lambda row: (-row.interval.mean, row.total_s[0]))
    compared = pairs(
        {row.recipe: scores(by_recipe[row.recipe], setting.metric) for row in rows}, clusters
    )
    notes = [*setting.notes, *comparison_run.notes, *number_notes(outcomes, questions)]
    if len(questions) < len(comparison_run.questions):
        notes.append(
            f"{len(questions)} of {len(comparison_run.questions)} questions were "
            f"asked, as many as the time allowed."
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
        notes=tuple(notes),
    )


def _by_recipe(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.recipe, []).append(outcome)
    return found


def _judged(
    comparison_run: ComparisonRun,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    judges: Judges,
) -> list[Outcome]:
    """The outcomes with the judging model's word; words that were given before are kept, failures
    are tried again."""
    if judges.ask is None:
        return list(outcomes)
    done = []
    for outcome in outcomes:
        if outcome.answer is None:
            done.append(outcome)
            continue
        question = questions[outcome.question]
        key = answer_key(
            f"judge {judges.name}", repr((question.question, question.answers, outcome.answer.text))
        )
        right = comparison_run.cache.judgement(key)
        word = (
            Judgement(right) if right is not None else judge(question, outcome.answer, judges.ask)
        )
        if word.right is not None:
            comparison_run.cache.note_judgement(key, word.right)
        done.append(replace(outcome, judgement=word))
    return done


def by_model(entries: Sequence[Entry]) -> list[Entry]:
    """Entries of one group beside each other, so that each model is loaded as few times as
    possible."""
    groups = list(dict.fromkeys(one.group for one in entries))
    return sorted(entries, key=lambda one: groups.index(one.group))


def shuffled(questions: Sequence[Question]) -> list[Question]:
    """The questions in an order that does not depend on the file's, so that any beginning of it is
    a fair sample."""
    return sorted(questions, key=lambda question: hashlib.sha256(question.id.encode()).digest())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
