"""What `acclimate tune dpo` and `kto` learn: a file, or what the project knows of right and wrong
answers.

labels       answers of comparisons that the user judged (`acclimate questions label`)
comparisons  other answers in saved comparisons, by their scores or a judge
questions    what the model says by itself to the train split, where the right answer is known: a
             made-up answer where the passages do not hold it against the refusal, and the other
             way round, as often, so that neither is learnt more

Questions of the test split are never learnt from.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import Outcome, load
from acclimate.evaluation.judge import read_labels
from acclimate.evaluation.metrics import f1
from acclimate.files import jsonlines
from acclimate.prompting.citations import is_refusal
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.replies import ask
from acclimate.tuning.methods import Method
from acclimate.tuning.pairs.overlap import overlaps
from acclimate.tuning.pairs.pairs import hold_out
from acclimate.tuning.pairs.preferences import Preferences, Verdict, as_rankings
from acclimate.types import Hit, Message, Question
from acclimate.workflows.tune_data import (
    DataReport,
    TrainingSet,
    as_question,
    asked_by,
    fitting,
    make_cases,
)
from acclimate.workflows.tune_template import own_template
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.cases import Case

PreferenceSource = Literal["labels", "comparisons", "questions"]
PREFERENCE_SOURCES: tuple[PreferenceSource, ...] = get_args(PreferenceSource)
_RIGHT, _WRONG = 0.6, 0.3  # F1 from which an answer is right, and below which it is wrong
_REFUSED = "questions that the model refuses rightly"
_MARKS = re.compile(r"\s*\[[\d\s,;]+\]")


def gather_preferences(
    workspace: Workspace,
    answerer: Answerer,
    method: Method,
    read: Preferences | None,
    sources: Sequence[PreferenceSource],
) -> TrainingSet:
    """Better and worse answers to learn and to watch. Those that the model itself is still to be
    asked for are completed by `OwnAnswers`."""
    if read is not None:
        return _from_file(workspace, answerer, method, read)
    return _from_project(workspace, answerer, method, sources)


def _from_project(
    workspace: Workspace, answerer: Answerer, method: Method, sources: Sequence[PreferenceSource]
) -> TrainingSet:
    from acclimate.tuning.cases import require_apart

    splits = {
        split: [one for one in workspace.questions() if one.split == split]
        for split in ("train", "dev", "test")
    }
    require_apart(splits["train"], [*splits["dev"], *splits["test"]])
    known = {one.id: one for split in ("train", "dev") for one in splits[split]}
    held = {one.id for one in splits["test"]}
    said = _Said(workspace, answerer, known, held, sources)
    found = list(said.cases())
    for at, split in enumerate(("train", "dev") if "questions" in sources else ()):
        found += _own(make_cases(answerer, splits[split], random.Random(at)), known)  # noqa: S311
    learnt, dev = (
        [case for case in found if known[case.question].split == split]
        for split in ("train", "dev")
    )
    learnt, dev = (_for(method, some) for some in (learnt, dev))
    data = DataReport(
        f"{', '.join(sources)} of the project",
        format="preferences",
        prompts=asked_by(answerer),
        rows=len(found),
        cases=len(learnt),
        dev=len(dev),
        watched="of the split dev" if dev else "none in the split dev: those that are learnt",
        left_out=dict(said.left),
        checked_against=len(splits["test"]),
    )
    return TrainingSet(learnt, dev or learnt, splits["train"], data)


def _from_file(
    workspace: Workspace, answerer: Answerer, method: Method, read: Preferences
) -> TrainingSet:
    if answerer.recipe.reads:
        raise SettingsError(
            f"{read.file} does not say which passages its answers were given from.",
            hint=f"Train without passages: acclimate tune {method.name} --data {read.file.name}",
        )
    test = [question for question in workspace.questions() if question.split == "test"]
    leaking = overlaps(read.pairs, test, workspace.embedder.embed_queries) if test else []
    _, unfit = fitting(workspace, read.pairs)
    by_place = {problem.place: problem for problem in (*unfit, *leaking, *read.problems)}
    sound = [one for one in read.verdicts if one.place not in by_place]
    kept, watched, how = hold_out([one.pair for one in sound]) if sound else ([], [], "")
    left = dict(read.passed)
    sets = []
    for pairs in (kept, watched):
        places = {pair.place for pair in pairs}
        cases, lone = _cases(method, [one for one in sound if one.place in places])
        sets.append(cases)
        left |= lone if pairs is kept else {}
    template, prompts = own_template([one.pair for one in sound])
    data = DataReport(
        str(read.file),
        read.layout,
        read.format,
        prompts,
        rows=read.rows,
        cases=len(sets[0]),
        dev=len(sets[1]),
        watched=how,
        left_out=left,
        problems=tuple(by_place[place] for place in sorted(by_place)),
        unused=read.unused,
        checked_against=len(test),
        sha256=hashlib.sha256(read.file.read_bytes()).hexdigest(),
    )
    learnt = [as_question(pair) for pair in kept]
    return TrainingSet(sets[0], sets[1] or sets[0], learnt, data, template)


def _cases(method: Method, verdicts: Sequence[Verdict]) -> tuple[list[Case], dict[str, int]]:
    """The verdicts of a file as cases of the method, and what is left out."""
    from acclimate.tuning.preferences import Judged, Preferred

    if method.name == "kto":
        judged: list[Case] = [
            Judged(one.messages, one.answer, str(one.place), right=one.right) for one in verdicts
        ]
        return judged, {}
    rankings, left = as_rankings(verdicts)
    made: list[Case] = [
        Preferred(one.messages, one.chosen, str(one.place), rejected=one.rejected)
        for one in rankings
    ]
    return made, left


def _own(cases: Sequence[Case], known: Mapping[str, Question]) -> list[Case]:
    """Cases whose worse answer the model is still to be asked for: of each question one with the
    answer in its passages and one without, or it would learn to refuse less than to answer."""
    from acclimate.tuning.preferences import Preferred

    once = {(case.question, case.answer == REFUSAL): case for case in cases}
    return [
        Preferred(
            one.messages,
            one.answer,
            one.question,
            rejected=_by_heart(known[one.question]) if one.answer == REFUSAL else "",
            own=True,
        )
        for one in once.values()
    ]


def _by_heart(question: Question) -> str:
    """What would be made up where the passages do not say it."""
    return f"{question.answers[0]} [1]" if question.answerable else ""


def _for(method: Method, cases: Sequence[Case]) -> list[Case]:
    """The cases in the method's form: a pair is two judged answers for KTO."""
    from acclimate.tuning.preferences import Judged, Preferred

    if method.name != "kto":
        return [case for case in cases if isinstance(case, Preferred)]
    judged: dict[tuple[object, str], Case] = {}
    for case in cases:
        if isinstance(case, Preferred) and not case.own:
            answers = [(case.answer, True), (case.rejected, False)]
        elif isinstance(case, Judged):
            answers = [(case.answer, case.right)]
        else:
            judged[case.messages, ""] = case
            continue
        for answer, right in answers:
            one = Judged(case.messages, answer, case.question, right=right)
            judged.setdefault((case.messages, answer), one)
    return list(judged.values())


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was said to a question with these passages, and whether that is right (None: between
    the two)."""

    question: Question
    text: str
    passages: tuple[Hit, ...]
    right: bool | None


class _Said:
    """What saved comparisons hold of answers to questions that may be learnt."""

    def __init__(
        self,
        workspace: Workspace,
        answerer: Answerer,
        known: dict[str, Question],
        held: set[str],
        sources: Sequence[PreferenceSource],
    ) -> None:
        self._workspace, self._answerer = workspace, answerer
        self._known, self._held, self._sources = known, held, sources
        self.left: Counter[str] = Counter()

    def cases(self) -> Iterator[Case]:
        """Pairs, and right answers that are in none."""
        from acclimate.tuning.preferences import Judged, Preferred

        if not {"labels", "comparisons"}.intersection(self._sources):
            return
        by_prompt: dict[tuple[Message, ...], list[_Answer]] = {}
        for one in self._answers():
            prompt = self._answerer.prompt(one.question.question, one.passages).messages
            by_prompt.setdefault(prompt, []).append(one)
        for messages, given in by_prompt.items():
            right = [one.text for one in given if one.right]
            for text in right:
                yield Judged(messages, text, given[0].question.id, right=True)
            for one in given:
                if one.right is not False:
                    continue
                better = right[0] if right else _best(one)
                if better is None:
                    self.left["wrong answers to which no right one is known"] += 1
                    yield Judged(messages, one.text, one.question.id, right=False)
                else:
                    yield Preferred(messages, better, one.question.id, rejected=one.text)

    def _answers(self) -> Iterator[_Answer]:
        labels = {
            (one.question, one.answer): one.right
            for one in read_labels(self._workspace.layout.labels)
        }
        seen, used = set(), set()
        for outcome in self._outcomes():
            answer = outcome.answer
            if answer is None or answer.style != "short" or not answer.text.strip():
                continue
            if self._answerer.recipe.reads and not answer.prompt.passages:
                continue
            if (question := self._question(outcome.question)) is None:
                continue
            key = (outcome.question, answer.text)
            labelled = key in labels
            used.add(key)
            if ("labels" if labelled else "comparisons") not in self._sources:
                continue
            shown = answer.prompt.passages if self._answerer.recipe.reads else ()
            text = answer.marked if shown else answer.text
            text = REFUSAL if answer.abstained else text
            if (place := (question.id, text, tuple(hit.chunk.text for hit in shown))) in seen:
                continue
            seen.add(place)
            right = labels[key] if labelled else _is_right(outcome)
            yield _Answer(question, text, shown, right)
        yield from self._labelled_alone(labels, used)

    def _labelled_alone(
        self, labels: dict[tuple[str, str], bool], used: set[tuple[str, str]]
    ) -> Iterator[_Answer]:
        """Labels of answers that no saved comparison holds: with passages they cannot be learnt, as
        nobody knows which ones were shown."""
        for (name, text), right in labels.items() if "labels" in self._sources else ():
            if (name, text) in used or (question := self._question(name)) is None:
                continue
            if self._answerer.recipe.reads:
                self.left["labels of answers that no saved comparison holds"] += 1
            else:
                yield _Answer(question, text, (), right)

    def _question(self, name: str) -> Question | None:
        if name in self._held:
            self.left["answers to questions of the split test"] += 1
        elif name not in self._known:
            self.left["answers to questions that are no longer in questions.jsonl"] += 1
        return self._known.get(name)

    def _outcomes(self) -> Iterator[Outcome]:
        for file in sorted(self._workspace.layout.comparisons.glob("*.json")):
            try:
                comparison = load(file)
            except SettingsError:
                self.left["comparisons of another version"] += 1
                continue
            yield from comparison.outcomes


def _is_right(outcome: Outcome) -> bool | None:
    """By a judge where one was asked, else by the score; abstaining is right where the documents do
    not answer."""
    score = outcome.score
    if not score.answerable or score.abstained:
        return score.abstained and not score.answerable
    if outcome.judgement is not None and outcome.judgement.right is not None:
        return outcome.judgement.right
    between = _WRONG <= score.f1 < _RIGHT
    return None if between else score.f1 >= _RIGHT


def _best(said: _Answer) -> str | None:
    """The right answer under the passages that were shown; None where these may hold it, but not
    its evidence."""
    question = said.question
    if not question.answerable:
        return REFUSAL
    if not said.passages:
        return question.answers[0]
    for place, hit in enumerate(said.passages, start=1):
        if question.evidence and question.evidence in hit.chunk.text:
            return f"{question.answers[0]} [{place}]"
    text = " ".join(hit.chunk.text for hit in said.passages).casefold()
    return None if any(answer.casefold() in text for answer in question.answers) else REFUSAL


class OwnAnswers:
    """Asks the model what it says by itself, before it is tuned; `folder` keeps what it said, so
    that a run that goes on learns the same."""

    def __init__(self, answerer: Answerer, folder: Path | None) -> None:
        self._answerer = answerer
        self._file = folder / "said.jsonl" if folder else None
        if self._file:
            jsonlines.drop_torn(self._file)
        rows = jsonlines.read_rows(self._file) if self._file else ()
        self._said = {str(row["prompt"]): str(row["text"]) for _, row in rows}

    def complete(self, cases: Sequence[Case], method: Method) -> tuple[list[Case], dict[str, int]]:
        """The cases with the worse answer in them, in the method's form, and how many were left
        out: those that the model refuses rightly, and nobody could answer."""
        from acclimate.tuning.preferences import Preferred

        found: list[Case] = []
        refused = 0
        for case in cases:
            if not isinstance(case, Preferred) or not case.own:
                found.append(case)
                continue
            worse = self._worse(case.messages, case.answer) or case.rejected
            refused += not worse
            if worse:
                found.append(replace(case, rejected=worse, own=False))
        return _for(method, found), {_REFUSED: refused} if refused else {}

    def _worse(self, messages: Sequence[Message], better: str) -> str | None:
        """What the model says where that is wrong. Where it is right, the refusal; None where the
        refusal is right, and it says so."""
        said = self._ask(messages)
        if better == REFUSAL:
            return None if is_refusal(said) else said
        same = f1(_MARKS.sub("", said), [_MARKS.sub("", better)]) >= _WRONG
        return REFUSAL if same or is_refusal(said) else said

    def _ask(self, messages: Sequence[Message]) -> str:
        told = json.dumps([[one.role, one.content] for one in messages])
        key = hashlib.sha256(told.encode()).hexdigest()
        if key not in self._said:
            reply = ask(self._answerer.engine, messages, self._answerer.generation)
            self._said[key] = reply.text.strip()
            if self._file is not None:
                jsonlines.append(self._file, {"prompt": key, "text": self._said[key]})
        return self._said[key]
