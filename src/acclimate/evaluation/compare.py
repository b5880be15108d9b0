"""Running recipes over the same questions: estimated first, resumable to the question, scored alike."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.cache import AnswerCache, answer_key
from acclimate.evaluation.comparison import Comparison, Metric, Outcome, Row, scores
from acclimate.evaluation.memory import peak_mb, reset_peak
from acclimate.evaluation.metrics import Score, score, summarise
from acclimate.evaluation.statistics import Interval, mean_interval
from acclimate.evaluation.verdict import decide, pairs
from acclimate.types import Answer, Question

_PROBES = 2  # questions that each recipe answers before the estimate; their answers count
_LEAST = 10  # questions; fewer say nothing
_SLACK = 0.9  # of the minutes given, for loading models and for what the probes could not foresee

Run = Callable[[Question], Answer]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A recipe that can be run.

    `prepare` loads what it needs and gives the function that answers; `key` stands for everything that its answers
    depend on (equal keys, equal answers). `prepare_s`, `disk_mb` and `prices` (money for a million tokens of prompt and
    of answer) go to its row.
    """

    recipe: str
    prepare: Callable[[], Run]
    key: str
    prepare_s: float = 0.0
    disk_mb: float = 0.0
    prices: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left to do: answers not cached yet, seconds, tokens and money (None: no prices) by recipe."""

    questions: int
    answers: Mapping[str, int]
    seconds: Mapping[str, float]
    tokens: Mapping[str, float]
    cost: float | None


class Progress(Protocol):
    """Hears of a running comparison."""

    def preparing(self, recipe: str) -> None:
        """A recipe's models are being loaded."""

    def estimated(self, estimate: Estimate) -> None:
        """The probes are done; nothing else has been run yet."""

    def answered(self, recipe: str, done: int, total: int) -> None:
        """A recipe has so many of its answers."""


class Unheard:
    """A `Progress` for callers that want none."""

    def preparing(self, recipe: str) -> None:
        """See `Progress`."""

    def estimated(self, estimate: Estimate) -> None:
        """See `Progress`."""

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `Progress`."""


@dataclass(slots=True)
class Ring:
    """The place where contestants answer: questions, evidence spans by question id, cached answers."""

    questions: Sequence[Question]
    evidence: Mapping[str, tuple[int, int]]
    cache: AnswerCache
    progress: Progress
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def run(self, contestants: Sequence[Contestant], minutes: float | None = None) -> list[Outcome]:
        """Every contestant's outcomes, for as many of the questions as fit `minutes`; all contestants answer the same.

        Raises SettingsError for no questions, or where not even ten fit the time.
        """
        if not self.questions:
            raise SettingsError("there are no questions to compare on.", hint="acclimate questions make")
        ordered = shuffled(self.questions)
        for contestant in contestants:
            self._answer(contestant, ordered[:_PROBES])
        chosen = ordered[: self._fitting(contestants, ordered, minutes)] if minutes else ordered
        self.progress.estimated(self._estimate(contestants, chosen))
        return [outcome for contestant in contestants for outcome in self._answer(contestant, chosen, tell=True)]

    def _answer(self, contestant: Contestant, questions: Sequence[Question], *, tell: bool = False) -> list[Outcome]:
        outcomes: list[Outcome] = []
        run: Run | None = None
        for question in questions:
            key = answer_key(contestant.key, question.question)
            answer, error = self.cache.get(key), ""
            if answer is None:
                if run is None:
                    self.progress.preparing(contestant.recipe)
                    reset_peak()
                    run = contestant.prepare()
                answer, error = self._run(contestant, run, question)
                if answer is not None:
                    self.cache.put(key, answer)
            outcomes.append(self._outcome(contestant.recipe, question, answer, error))
            if tell:
                self.progress.answered(contestant.recipe, len(outcomes), len(questions))
        if run is not None and (peak := peak_mb()):
            self.cache.note_peak(contestant.key, peak)
        return outcomes

    def _run(self, contestant: Contestant, run: Run, question: Question) -> tuple[Answer | None, str]:
        started = time.perf_counter()
        try:
            return run(question), ""
        except AcclimateError as error:  # it counts as a wrong answer, and is tried again next time
            return None, str(error)
        finally:
            self._seconds.setdefault(contestant.recipe, []).append(time.perf_counter() - started)

    def _outcome(self, recipe: str, question: Question, answer: Answer | None, error: str) -> Outcome:
        if answer is None:
            return Outcome(recipe, question.id, Score(0.0, 0.0, False, question.answerable), None, error)
        return Outcome(recipe, question.id, score(question, answer, self.evidence.get(question.id)), answer)

    def _speed(self, contestant: Contestant, questions: Sequence[Question]) -> float:
        """Seconds of one answer, from this run or from the cached answers."""
        measured = self._seconds.get(contestant.recipe) or [
            answer.timings.total_s for answer in self._cached(contestant, questions[:_PROBES]) if answer
        ]
        return sum(measured) / len(measured) if measured else 0.0

    def _cached(self, contestant: Contestant, questions: Sequence[Question]) -> list[Answer | None]:
        return [self.cache.get(answer_key(contestant.key, question.question)) for question in questions]

    def _fitting(self, contestants: Sequence[Contestant], ordered: Sequence[Question], minutes: float) -> int:
        left = minutes * 60 * _SLACK
        missing = {one.recipe: [answer is None for answer in self._cached(one, ordered)] for one in contestants}
        for count in range(len(ordered)):
            left -= sum(self._speed(one, ordered) for one in contestants if missing[one.recipe][count])
            if left < 0:
                if count < _LEAST:
                    raise SettingsError(
                        f"{minutes:g} minutes are enough for {count} questions with {len(contestants)} recipes; "
                        f"fewer than {_LEAST} say nothing.",
                        hint="Give more --minutes, or compare fewer recipes.",
                    )
                return count
        return len(ordered)

    def _estimate(self, contestants: Sequence[Contestant], questions: Sequence[Question]) -> Estimate:
        answers, seconds, tokens, cost = {}, {}, {}, 0.0
        for one in contestants:
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
            len(questions), answers, seconds, tokens, cost if any(one.prices for one in contestants) else None
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """What a comparison is about and where; see `Comparison` for the fields."""

    project: str
    split: str
    metric: Metric = "f1"
    machine: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def compare(
    ring: Ring, contestants: Sequence[Contestant], setting: Setting, minutes: float | None = None
) -> Comparison:
    """Run the contestants and judge them. Raises SettingsError as `Ring.run` does."""
    outcomes = ring.run(contestants, minutes)
    asked = {outcome.question for outcome in outcomes}
    questions = {question.id: question for question in ring.questions if question.id in asked}
    by_recipe = {one.recipe: [outcome for outcome in outcomes if outcome.recipe == one.recipe] for one in contestants}
    clusters = [cluster(questions[outcome.question]) for outcome in by_recipe[contestants[0].recipe]]
    rows = [
        _row(one, by_recipe[one.recipe], questions, setting.metric, ring.cache.peak(one.key)) for one in contestants
    ]
    rows.sort(key=lambda row: (-row.interval.mean, row.total_s[0]))
    compared = pairs({row.recipe: scores(by_recipe[row.recipe], setting.metric) for row in rows}, clusters)
    notes = list(setting.notes)
    if len(questions) < len(ring.questions):
        notes.append(f"{len(questions)} of {len(ring.questions)} questions were asked, as many as the time allowed.")
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


def shuffled(questions: Sequence[Question]) -> list[Question]:
    """The questions in an order that does not depend on the file's, so that any beginning of it is a fair sample."""
    return sorted(questions, key=lambda question: hashlib.sha256(question.id.encode()).digest())


def cluster(question: Question) -> Hashable:
    """What a question is resampled with: its document, or itself where it has none."""
    return question.document or ("question", question.id)


def _row(
    contestant: Contestant,
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    metric: Metric,
    peak: float | None,
) -> Row:
    """A recipe's row from its outcomes."""
    answers = [outcome.answer for outcome in outcomes if outcome.answer]
    values = scores(outcomes, metric)
    asked = [questions[outcome.question] for outcome in outcomes]
    interval = mean_interval(values, [cluster(question) for question in asked])
    prompt = _mean([answer.usage.prompt_tokens for answer in answers])
    written = _mean([answer.usage.completion_tokens for answer in answers])
    kinds: dict[str, list[float]] = {}
    for question, points in zip(asked, values, strict=True):
        kinds.setdefault(question.kind or "other", []).append(points)
    return Row(
        recipe=contestant.recipe,
        summary=summarise([outcome.score for outcome in outcomes]),
        interval=Interval(interval.mean, max(0.0, interval.low), min(1.0, interval.high)),
        first_token_s=_percentiles([answer.timings.first_token_s for answer in answers]),
        total_s=_percentiles([answer.timings.total_s for answer in answers]),
        prompt_tokens=prompt,
        completion_tokens=written,
        errors=len(outcomes) - len(answers),
        model=answers[0].model if answers else "",
        peak_mb=peak,
        prepare_s=contestant.prepare_s,
        disk_mb=contestant.disk_mb,
        cost=(prompt * contestant.prices[0] + written * contestant.prices[1]) / 1000 if contestant.prices else None,
        by_kind={kind: (len(points), _mean(points)) for kind, points in sorted(kinds.items())},
    )


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 0.0
    return float(np.percentile(values, 50)), float(np.percentile(values, 95))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
