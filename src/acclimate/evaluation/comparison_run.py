"""Where entries answer: estimated first, resumable to the question, several at once where a
server answers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.cache import AnswerCache, answer_key
from acclimate.evaluation.comparison import Comparison, Outcome
from acclimate.evaluation.entry import AnswerQuestion, ComparisonProgress, Entry, Estimate
from acclimate.evaluation.memory import reset_peak
from acclimate.evaluation.metrics import failed, score
from acclimate.evaluation.parallel import Patience, in_parallel
from acclimate.evaluation.power import power
from acclimate.evaluation.rows import cluster
from acclimate.types import Answer, Question

_PROBES = 2  # questions that each recipe answers before the estimate; their answers count
_ENOUGH = 30  # questions that a recipe must have time for, or it is left out where it may be
_LEAST = 10  # questions; fewer say nothing
_SLACK = 0.9  # of the minutes given, for loading models and for what the probes could not foresee

Settled = Callable[[Mapping[str, Sequence[Outcome]]], bool]
"""Whether the outcomes so far, by recipe, are enough; asked after each of several looks."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Stop before all questions are asked: after so many of them (the last is all), where `settled`
    says so."""

    after: Sequence[int]
    settled: Settled


@dataclass(slots=True)
class ComparisonRun:
    """The place where entries answer: questions, evidence spans by question id, cached answers;
    `notes` tell what became of entries; the spread in an `earlier` comparison says what so many
    questions can tell."""

    questions: Sequence[Question]
    evidence: Mapping[str, tuple[int, int]]
    cache: AnswerCache
    progress: ComparisonProgress
    notes: list[str] = field(default_factory=list)
    patience: Callable[[], Patience] = Patience
    earlier: Comparison | None = None
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def run(
        self,
        entries: Sequence[Entry],
        minutes: float | None = None,
        looks: Callable[[Sequence[Question]], Looks] | None = None,
    ) -> list[Outcome]:
        """Every entry's outcomes, for as many of the questions as fit `minutes`; all
        entries answer the same.

        With `looks`, whole documents are asked about one after the other, and no more is asked
        after the look at which the outcomes are settled. Raises SettingsError for no questions, or
        where not even ten fit the time.
        """
        if not self.questions:
            raise SettingsError(
                "there are no questions to compare on.", hint="acclimate questions make"
            )
        ordered = by_document(self.questions) if looks else shuffled(self.questions)
        grouped = by_model(entries)
        for entry in grouped:
            self._answer(entry, ordered[:_PROBES])
        staying = self._affordable(entries, ordered, minutes) if minutes else list(entries)
        chosen = ordered[: self._fitting(staying, ordered, minutes)] if minutes else ordered
        self.progress.estimated(self._estimate(staying, chosen))
        plan = looks(chosen) if looks else Looks((len(chosen),), lambda _: True)
        done = self._by_looks([one for one in grouped if one in staying], chosen, plan)
        return [outcome for entry in staying for outcome in done[entry.recipe]]

    def _by_looks(
        self, grouped: Sequence[Entry], chosen: Sequence[Question], plan: Looks
    ) -> dict[str, list[Outcome]]:
        done: dict[str, list[Outcome]] = {one.recipe: [] for one in grouped}
        asked = 0
        for until in plan.after:
            grouped = grouped[::-1]  # the last model is still loaded
            for one in grouped:
                new = self._answer(one, chosen[asked:until], already=asked, total=len(chosen))
                done[one.recipe] += new
            asked = until
            if until < len(chosen) and plan.settled(done):
                break
        return done

    def _affordable(
        self, entries: Sequence[Entry], ordered: Sequence[Question], minutes: float
    ) -> list[Entry]:
        """The entries that can all answer enough questions in the time allowed, the earlier ones
        first; the others are listed in `notes`."""
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
        self,
        entry: Entry,
        questions: Sequence[Question],
        *,
        already: int = 0,
        total: int | None = None,
    ) -> list[Outcome]:
        """The outcomes of the questions; progress is reported where there is a `total`, counting
        the `already` answered ones."""
        # Questions of the same words are asked once.
        keys = [answer_key(entry.key, question.told) for question in questions]
        found: dict[str, tuple[Answer | None, str]] = {
            key: (answer, "")
            for key, answer in zip(keys, self._cached(entry, questions), strict=True)
            if answer is not None
        }
        missing = {key: one for key, one in zip(keys, questions, strict=True) if key not in found}
        left = len(questions) - sum(key in found for key in keys)
        self._tell(entry, already + len(questions) - left, total)
        for key, answered in self._ask(entry, missing):
            found[key] = answered
            left -= keys.count(key)
            self._tell(entry, already + len(questions) - left, total)
        return [
            self._outcome(entry, question, *found[key])
            for key, question in zip(keys, questions, strict=True)
        ]

    def _ask(
        self, entry: Entry, missing: Mapping[str, Question]
    ) -> Iterable[tuple[str, tuple[Answer | None, str]]]:
        """Answers, or errors, by key as they come; each answer is kept before the next is looked
        at. Questions of a document follow each other: their prompts begin with the same passages
        more often, which engines that keep what they read last need not read again."""
        if not missing:
            return
        missing = dict(sorted(missing.items(), key=_document_order(missing)))
        self.progress.preparing(entry.recipe)
        reset_peak()
        run, keys = (
            partial(self._run, entry, entry.prepare(), self.patience()),
            [*missing],
        )
        at_once = min(entry.parallel, len(missing))
        for batch in in_parallel(run, [*missing.values()], entry.parallel):
            new = [(keys[place], answer) for place, (answer, _) in batch if answer is not None]
            if not entry.given:
                self.cache.put_all(new, at_once)
            yield from ((keys[place], answered) for place, answered in batch)
        if not entry.given and (peak := entry.peak_mb()):
            self.cache.note_peak(entry.key, peak)

    def _tell(self, entry: Entry, done: int, total: int | None) -> None:
        if total is not None:
            self.progress.answered(entry.recipe, done, total)

    def _run(
        self, entry: Entry, run: AnswerQuestion, patience: Patience, question: Question
    ) -> tuple[Answer | None, str]:
        started = time.perf_counter()
        try:
            return patience(partial(run, question)), ""
        except AcclimateError as error:  # it counts as a wrong answer, and is tried again next time
            return None, str(error)
        finally:
            self._seconds.setdefault(entry.recipe, []).append(time.perf_counter() - started)

    def _outcome(
        self, entry: Entry, question: Question, answer: Answer | None, error: str
    ) -> Outcome:
        if answer is None:
            return Outcome(entry.recipe, question.id, failed(question), None, error)
        points = score(question, answer, self.evidence.get(question.id))
        if entry.given and not answer.usage.passages_shown:
            points = replace(points, found=None)  # what it retrieved is not known
        return Outcome(entry.recipe, question.id, points, answer)

    def _speed(self, entry: Entry, questions: Sequence[Question]) -> float:
        """Seconds that each answer adds, from this run or from the cached answers."""
        measured = self._seconds.get(entry.recipe) or [
            answer.timings.total_s for answer in self._cached(entry, questions[:_PROBES]) if answer
        ]
        return _mean(measured) / entry.parallel

    def parallel(self, entry: Entry, questions: Sequence[Question]) -> int:
        """How many answers were asked for at once, at most, while these were written."""
        if entry.given:
            return 1
        keys = (answer_key(entry.key, question.told) for question in questions)
        return max((self.cache.parallel(key) for key in keys), default=1)

    def _cached(self, entry: Entry, questions: Sequence[Question]) -> list[Answer | None]:
        if entry.given:
            return [None for _ in questions]
        return [self.cache.get(answer_key(entry.key, question.told)) for question in questions]

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
            power(questions, self.earlier).sentence,
        )


def by_model(entries: Sequence[Entry]) -> list[Entry]:
    """Entries of one group beside each other, so that each model is loaded as few times as
    possible."""
    groups = list(dict.fromkeys(one.group for one in entries))
    return sorted(entries, key=lambda one: groups.index(one.group))


def shuffled(questions: Sequence[Question]) -> list[Question]:
    """The questions in an order that does not depend on the file's, so that any beginning of it is
    a fair sample."""
    return sorted(questions, key=lambda question: hashlib.sha256(question.id.encode()).digest())


def by_document(questions: Sequence[Question]) -> list[Question]:
    """The questions of a document one after the other, the documents in an order that depends on
    their names only: any whole number of documents from the beginning is a fair sample of them."""
    groups: dict[Hashable, list[Question]] = {}
    for question in shuffled(questions):
        groups.setdefault(cluster(question), []).append(question)
    order = sorted(groups, key=lambda name: hashlib.sha256(repr(name).encode()).digest())
    return [question for name in order for question in groups[name]]


def _document_order(missing: Mapping[str, Question]) -> Callable[[tuple[str, Question]], int]:
    places = {one.id: place for place, one in enumerate(by_document(list(missing.values())))}
    return lambda pair: places[pair[1].id]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
