"""What a run of `acclimate tune` learns: a project's own questions, its documents' text, or pairs
from a file.

train split   → prompts as the recipe asks them, with passages in and out (RAFT)
a file        → pairs as they stand, or as questions; checked against the test split
documents     → pieces of raw text
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.files.rows import Problem
from acclimate.models.base import Engine
from acclimate.models.store import cache_folder
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.replies import ask, plain
from acclimate.tuning.methods import Method
from acclimate.tuning.pairs.overlap import overlaps
from acclimate.tuning.pairs.pairs import Pair, Pairs, PairSource, hold_out, refused
from acclimate.tuning.pairs.preferences import Preferences
from acclimate.types import Hit, Question
from acclimate.workflows.study import Studied
from acclimate.workflows.tune_template import own_template
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.cases import Case

_PIECE = 300  # words of raw text in one case
_VARIANTS = 3  # orders of the passages of each question
_TRAIN = "questions.jsonl, split train"
_NOT_FOUND = "questions whose evidence retrieval does not find"


@dataclass(frozen=True, slots=True)
class Teacher:
    """A stronger model whose answers are learnt: its name, and the address of its server (None: it
    runs here)."""

    name: str
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class DataReport:
    """Where the cases come from.

    `source`, `layout`, `format` and `prompts` say how it was read; `rows` are counted before
    anything is left out, `cases` and `dev` after; `watched` says how the latter were chosen.
    `left_out` counts, by reason, what is not for training, `problems` names the rows that cannot be
    learnt, `unused` the keys that nobody reads; `twins` counts pairs that came before, which are
    kept. It was compared with `checked_against` questions of the test split. `sha256` is the
    file's.
    """

    source: str
    layout: str = ""
    format: str = ""
    prompts: str = ""
    rows: int = 0
    cases: int = 0
    dev: int = 0
    watched: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    unused: tuple[str, ...] = ()
    twins: int = 0
    checked_against: int = 0
    sha256: str = ""

    def reasons(self) -> dict[str, int]:
        """Problems counted by their kind: names and numbers in them do not matter."""
        return dict(
            Counter(re.sub(r"'[^']*'|\d+", "…", one.reason.split(":")[0]) for one in self.problems)
        )


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Cases to learn and to watch. `questions` is what was learnt, for later comparisons;
    `template` is how the adapter is to be asked (None: by the recipe's own); `studied` is what the
    cases begin with where documents are learnt by questions about them; `documents` are those whose
    text is learnt, each with its chunks' keys; `goes_on` is the adapter that learns only what it
    does not know yet."""

    learnt: list[Case]
    dev: list[Case]
    questions: list[Question]
    data: DataReport
    template: str | None = None
    studied: Studied | None = None
    documents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    goes_on: Path | None = None


def first_look(
    workspace: Workspace, method: Method, read: Pairs | Preferences | None
) -> DataReport:
    """What the data is before any model has seen it: its form, its rows, and what is wrong with
    them by themselves."""
    if method.data == "documents":
        return DataReport("the documents", format="raw text")
    if method.data == "preferences" and read is None:
        return DataReport("the project", format="preferences")
    if read is None:
        splits = Counter(question.split for question in workspace.questions())
        return DataReport(
            _TRAIN,
            "JSON Lines",
            "question",
            rows=splits["train"],
            cases=splits["train"],
            dev=splits["dev"],
        )
    return DataReport(
        str(read.file),
        read.layout,
        read.format,
        rows=read.rows,
        cases=len(read.pairs),
        left_out=read.passed,
        problems=read.problems,
        twins=_twins(read.pairs) if isinstance(read, Pairs) else 0,
        unused=read.unused,
    )


def gather(
    workspace: Workspace, answerer: Answerer, method: Method, read: Pairs | None
) -> TrainingSet:
    """What a method learns, and what is watched meanwhile; rows of a file that cannot be learnt are
    left out here, and named in `data.problems`."""
    if method.data == "documents":
        return _from_documents(workspace)
    return (
        _from_questions(workspace, answerer)
        if read is None
        else _from_file(workspace, answerer, read)
    )


def by_teacher(
    workspace: Workspace, answerer: Answerer, cases: Sequence[Case], teacher: Teacher
) -> list[Case]:
    """The cases with the teacher's answers instead of their own; those that it has none for are
    left out."""
    with closing(_teacher_engine(workspace, teacher)) as engine:
        said = [ask(engine, case.messages, answerer.generation).text for case in cases]
    taught = [replace(case, answer=plain(text)) for case, text in zip(cases, said, strict=True)]
    return [case for case in taught if case.answer.strip()]


def require_learnable(training_set: TrainingSet, source: PairSource) -> None:
    """Raises DataError where rows of a file cannot be learnt and are not to be left out, or nothing
    is left."""
    data = training_set.data
    if data.problems and (not source.leave_out or not training_set.learnt):
        raise refused(source.file, data.problems, data.rows)
    if not training_set.learnt:
        raise SettingsError(
            f"{source.file} holds no pairs to learn.", hint='Give pairs without "split": "test".'
        )


def _from_documents(workspace: Workspace) -> TrainingSet:
    texts = _raw_cases(workspace)
    kept, dev = texts[len(texts) // 20 + 1 :] or texts, texts[: len(texts) // 20 + 1]
    data = DataReport(
        "the documents",
        format="raw text",
        cases=len(kept),
        dev=len(dev),
        watched="held out",
        rows=len(texts),
    )
    documents = {case.question: () for case in texts}
    return TrainingSet(kept, dev, [], data, documents=documents)


def _from_questions(workspace: Workspace, answerer: Answerer) -> TrainingSet:
    from acclimate.tuning.cases import require_apart

    splits = {
        split: [q for q in workspace.single_questions() if q.split == split]
        for split in ("train", "dev", "test")
    }
    require_apart(splits["train"], [*splits["dev"], *splits["test"]])
    learnt = make_cases(answerer, splits["train"], random.Random(0))  # noqa: S311
    dev = make_cases(answerer, splits["dev"] or splits["train"], random.Random(1))  # noqa: S311
    data = DataReport(
        _TRAIN,
        "JSON Lines",
        "question",
        asked_by(answerer),
        rows=len(splits["train"]),
        cases=len(learnt),
        dev=len(dev),
        watched="of the split dev"
        if splits["dev"]
        else "none in the split dev: those that are learnt",
        left_out=_left_out(splits["train"], learnt),
        checked_against=len(splits["test"]),
    )
    return TrainingSet(learnt, dev, splits["train"], data)


def _from_file(workspace: Workspace, answerer: Answerer, read: Pairs) -> TrainingSet:
    if answerer.recipe.reads and read.format != "question":
        raise SettingsError(
            f"{read.file} has the format '{read.format}', which does not say which passage holds "
            f"the answer.",
            hint='Train without passages, or give "question", "answers", "document" and '
            '"evidence".',
        )
    test = [question for question in workspace.single_questions() if question.split == "test"]
    leaking = overlaps(read.pairs, test, workspace.embedder.embed_queries) if test else []
    sound, unfit = fitting(workspace, read.pairs)
    by_place = {problem.place: problem for problem in (*unfit, *leaking, *read.problems)}
    pairs = [pair for pair in sound if pair.place not in by_place]
    kept, watched, how = hold_out(pairs) if pairs else ([], [], "")
    learnt = _cases_of(answerer, kept, random.Random(0))  # noqa: S311
    dev = _cases_of(answerer, watched, random.Random(1))  # noqa: S311
    template, prompts = (
        (None, asked_by(answerer)) if read.format == "question" else own_template(pairs)
    )
    data = DataReport(
        str(read.file),
        read.layout,
        read.format,
        prompts,
        rows=read.rows,
        cases=len(learnt),
        dev=len(dev),
        watched=how,
        left_out={**read.passed, **_left_out([p.question for p in kept if p.question], learnt)},
        problems=tuple(by_place[place] for place in sorted(by_place)),
        twins=_twins(pairs),
        unused=read.unused,
        checked_against=len(test),
        sha256=hashlib.sha256(read.file.read_bytes()).hexdigest(),
    )
    return TrainingSet(learnt, dev or learnt, [as_question(pair) for pair in kept], data, template)


def _twins(pairs: Sequence[Pair]) -> int:
    """Pairs that came before."""
    return len(pairs) - len({(pair.messages, pair.answer, pair.fields) for pair in pairs})


def fitting(workspace: Workspace, pairs: Sequence[Pair]) -> tuple[list[Pair], list[Problem]]:
    """Pairs that the model can learn, and what keeps the others from it: their length, a control
    token."""
    from acclimate.tuning.cases import Case, UnlearnableError, encode_within
    from acclimate.tuning.run import read_chat

    model = workspace.local_model(workspace.settings.model.name, "language")
    chat, window = read_chat(model.weights)
    kept, problems = [], []
    for pair in pairs:
        try:
            encode_within(Case(pair.messages, pair.answer, fields=pair.fields), chat, window)
        except UnlearnableError as error:
            problems.append(Problem(pair.place, error.reason, error.remedy))
        else:
            kept.append(pair)
    return kept, problems


def _cases_of(answerer: Answerer, pairs: Sequence[Pair], rng: random.Random) -> list[Case]:
    from acclimate.tuning.cases import Case

    cases = []
    for pair in pairs:
        if pair.question is not None:
            cases += make_cases(answerer, [pair.question], rng)
        else:
            cases.append(Case(pair.messages, pair.answer, str(pair.place), pair.fields))
    return cases


def as_question(pair: Pair) -> Question:
    """What was learnt, for later comparisons."""
    if pair.question is not None:
        return pair.question
    return Question(f"{pair.place}", pair.asked, (pair.answer,), split="train")


def asked_by(answerer: Answerer) -> str:
    """How prompts are made, in words."""
    return f"in the template '{answerer.recipe.template}', as the recipe asks"


def _left_out(questions: Sequence[Question], cases: Sequence[Case]) -> dict[str, int]:
    """How many questions became no case."""
    made = {case.question for case in cases}
    count = sum(question.id not in made for question in questions)
    return {_NOT_FOUND: count} if count else {}


def _raw_cases(workspace: Workspace) -> list[Case]:
    """The documents' text, in pieces of some hundred words, shuffled."""
    from acclimate.tuning.cases import Case

    record, pieces = workspace.library.record, []
    for path in sorted(record.files()):
        document = record.document(path)
        words = document.text.split(" ") if document else []
        pieces += [
            Case((), " ".join(words[at : at + _PIECE]), path) for at in range(0, len(words), _PIECE)
        ]
    kept = [piece for piece in pieces if len(piece.answer.split()) > 2]
    random.Random(0).shuffle(kept)  # noqa: S311
    return kept


def _teacher_engine(workspace: Workspace, teacher: Teacher) -> Engine:
    chosen = workspace.settings.model
    if teacher.base_url is not None:
        from acclimate.models.http import HTTPEngine

        return HTTPEngine(
            teacher.name,
            base_url=teacher.base_url,
            api_key_env=chosen.api_key_env,
            timeout_s=chosen.timeout_s,
        )
    from acclimate.models.openvino import OpenVINOEngine

    model = workspace.local_model(teacher.name, "language")
    return OpenVINOEngine(
        model.weights, cache_folder() / "openvino", sha256=model.sha256, name=model.name
    )


def make_cases(answerer: Answerer, questions: Sequence[Question], rng: random.Random) -> list[Case]:
    """Cases for a recipe: closed-book ones as they are, else RAFT.

    That is: the passages as retrieval finds them, the one with the evidence among distractors, in
    several orders; and again without it, with the refusal as the answer. Source: Zhang et al.,
    "RAFT", arXiv 2403.10131, section 3.
    """
    from acclimate.tuning.cases import Case

    if not answerer.recipe.reads:
        return [
            Case(
                answerer.prompt(one.question, ()).messages,
                one.answers[0] if one.answerable else REFUSAL,
                one.id,
            )
            for one in questions
        ]
    return [case for question in questions for case in _read_cases(answerer, question, rng)]


def _read_cases(answerer: Answerer, question: Question, rng: random.Random) -> list[Case]:
    found = answerer.retriever.retrieve(question.question, answerer.k + 1)
    if not question.answerable:
        return [_case(answerer, question, found[: answerer.k], REFUSAL)]
    holding = [hit for hit in found if question.evidence and question.evidence in hit.chunk.text]
    if not holding:
        return []
    others = [hit for hit in found if hit not in holding]
    cases = []
    for _ in range(_VARIANTS):
        shown = rng.sample(
            [holding[0], *others[: answerer.k - 1]], min(answerer.k, 1 + len(others))
        )
        place = shown.index(holding[0]) + 1
        cases.append(_case(answerer, question, shown, f"{question.answers[0]} [{place}]"))
    text = " ".join(hit.chunk.text for hit in others).casefold()
    if others and not any(answer.casefold() in text for answer in question.answers):
        cases.append(_case(answerer, question, others, REFUSAL))
    return cases


def _case(answerer: Answerer, question: Question, shown: Sequence[Hit], answer: str) -> Case:
    from acclimate.tuning.cases import Case

    return Case(answerer.prompt(question.question, shown).messages, answer, question.id)
