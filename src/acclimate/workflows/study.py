"""What `acclimate tune internalise` learns: questions about all that the documents say, each with
its answer, and questions that they do not answer.

chunks → questions by rule (`questions.study`) → less those near a question of dev or test → what
the reader holds at each answer with the passage before it (kept by chunk) → cases
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.answer import Answerer
from acclimate.models.adapters import weights_file
from acclimate.models.store import LocalModel
from acclimate.prompting.passages import REFUSAL, render_passages
from acclimate.prompting.recipes import find_recipe
from acclimate.questions.candidates import content_words
from acclimate.questions.generate import Material
from acclimate.questions.splitting import leaks
from acclimate.questions.study import Asked, study
from acclimate.questions.tables import Fact
from acclimate.questions.unsaid import unsaid
from acclimate.types import Chunk, Hit, Question
from acclimate.workflows.questions import material
from acclimate.workspace.workspace import Workspace

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.cases import Case
    from acclimate.tuning.packing import Belief

_SIMILAR = 0.85  # share of content words that two questions have in common, from which they are one
_REFUSED = 8  # one case of so many is a question that the documents do not answer
_MOST_REFUSED = 1500
_OWN = 3  # times that a question of the train split counts: a person wrote it
_NEAR = "near a question of the splits dev or test"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A chunk with what is asked about it."""

    chunk: Chunk
    asked: tuple[Question, ...]

    @property
    def key(self) -> str:
        """Equal for chunks that say the same in the same place, and are asked the same."""
        told = [self.chunk.heading_path, self.chunk.shown]
        told += [f"{one.question}\t{one.answers}" for one in self.asked]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Studied:
    """All of it: `refused` have no answer in the documents, `own` are the train split's, `near` is
    how many were left out because they ask what a dev or test question asks."""

    lessons: tuple[Lesson, ...]
    refused: tuple[Question, ...]
    own: tuple[Question, ...]
    near: int

    @property
    def documents(self) -> dict[str, list[str]]:
        """The keys of each document's lessons."""
        found: dict[str, list[str]] = {}
        for lesson in self.lessons:
            found.setdefault(lesson.chunk.document, []).append(lesson.key)
        return found

    @property
    def questions(self) -> list[Question]:
        """Every question once (two passages may say the same), without its document: that is
        learnt whoever asks about it."""
        made = [one for lesson in self.lessons for one in lesson.asked]
        by_id = {one.id: one for one in (*made, *self.refused, *self.own)}
        return [replace(one, document=None, documents=()) for one in by_id.values()]


def prepare_study(workspace: Workspace) -> Studied:
    """Questions about every document of the library. Raises ProjectError before the first ingest."""
    workspace.require_ingested()
    asked = workspace.questions()
    held = [one for one in asked if one.split in ("dev", "test")]
    source = material(workspace, asked, most=None)
    by_chunk: dict[str, list[Fact]] = {}
    for fact in source.facts:
        by_chunk.setdefault(fact.chunk.id, []).append(fact)
    made = [(one, study(one, by_chunk.get(one.id, ()))) for one in source.chunks]
    near = _near([each for _, some in made for each in some], held, workspace)
    lessons = []
    for chunk, some in made:
        kept = [one for one in some if one.question not in near]
        lessons.append(Lesson(chunk, tuple(_question(chunk, one) for one in kept)))
    own = [one for one in asked if one.split == "train"]
    refused = _refused(source, lessons, near | {one.question for one in held})
    return Studied(
        tuple(lesson for lesson in lessons if lesson.asked),
        (*refused, *(one for one in own if not one.answerable)),
        tuple(one for one in own if one.answerable and one.answers),
        len(near),
    )


def _question(chunk: Chunk, one: Asked) -> Question:
    name = hashlib.sha256(f"{one.question}{one.answer}".encode()).hexdigest()[:12]
    return Question(f"study-{name}", one.question, (one.answer,), chunk.document, kind=one.form)


def _near(made: Sequence[Asked], held: Sequence[Question], workspace: Workspace) -> set[str]:
    """The questions that ask what one of `held` asks: the same, near it in meaning with the same
    answer, or in nearly the same words."""
    questions = [Question(str(at), one.question, (one.answer,)) for at, one in enumerate(made)]
    alone = [replace(one, document=None, documents=()) for one in held]
    found = {
        leak.first.question for leak in leaks(questions, alone, workspace.embedder.embed_queries)
    }
    return found | _same_words([one.question for one in made], [one.question for one in held])


def _same_words(made: Sequence[str], held: Sequence[str]) -> set[str]:
    """Those of `made` that have nearly all their content words in common with one of `held`."""
    by_word: dict[str, list[set[str]]] = {}
    for text in held:
        some = content_words(text)
        for word in some:
            by_word.setdefault(word, []).append(some)
    found = set()
    for text in made:
        own = content_words(text)
        others = [some for word in own for some in by_word.get(word, ())]
        if any(len(own & some) >= _SIMILAR * len(own | some) for some in others):
            found.add(text)
    return found


def _refused(source: Material, lessons: Sequence[Lesson], held: set[str]) -> list[Question]:
    asked = [
        (one.question, lesson.chunk)
        for lesson in lessons
        for one in lesson.asked
        if one.kind != "words"
    ]
    total = sum(len(lesson.asked) for lesson in lessons)
    most = min(_MOST_REFUSED, total // _REFUSED)
    texts = unsaid(asked, source.facts, source.chunks, most)
    near = _same_words(texts, list(held)) if held else set()
    return [
        Question(f"unsaid-{at}", text, answerable=False, kind="unanswerable")
        for at, text in enumerate(texts)
        if text not in near
    ]


def study_cases(answerer: Answerer, studied: Studied) -> list[Case]:
    """The student's cases: without passages as they are asked, else over the passages that retrieval
    finds for the chunk."""
    if answerer.recipe.reads:
        return [case for one in studied.lessons for case in _read_cases(answerer, one)]
    made = [case for one in studied.lessons for case in closed_cases(answerer, one.asked)]
    return [
        *made,
        *closed_cases(answerer, studied.own) * _OWN,
        *closed_cases(answerer, studied.refused),
    ]


def closed_cases(answerer: Answerer, asked: Sequence[Question]) -> list[Case]:
    """Questions as they are asked without passages."""
    from acclimate.tuning.cases import Case

    return [
        Case(
            answerer.prompt(one.question, ()).messages,
            one.answers[0] if one.answerable else REFUSAL,
            one.id,
        )
        for one in asked
    ]


def _read_cases(answerer: Answerer, lesson: Lesson) -> list[Case]:
    """Questions in whole sentences over one choice of passages, so that they are read once: the
    chunk among what the search finds beside it; some again without it, with the refusal."""
    from acclimate.tuning.cases import Case

    whole = [one for one in lesson.asked if one.kind != "words"]
    if not whole:
        return []
    found = answerer.retriever.retrieve(whole[0].question, answerer.k + 1)
    others = [hit for hit in found if hit.chunk.id != lesson.chunk.id][: answerer.k - 1]
    rng = random.Random(lesson.key)  # noqa: S311
    shown = [Hit(lesson.chunk, 1.0, 1), *others]
    rng.shuffle(shown)
    place = next(at for at, hit in enumerate(shown, 1) if hit.chunk.id == lesson.chunk.id)
    cases = [
        Case(answerer.prompt(one.question, shown).messages, f"{one.answers[0]} [{place}]", one.id)
        for one in whole
    ]
    text = " ".join(hit.chunk.text for hit in others).casefold()
    told = [one for one in whole if one.answers[0].casefold() not in text] if others else []
    without = rng.sample(told, min(len(told), len(whole) // _REFUSED))
    refusals = [
        Case(answerer.prompt(one.question, others).messages, REFUSAL, one.id) for one in without
    ]
    return [*cases, *refusals]


def teach(
    workspace: Workspace,
    studied: Studied,
    cases: Sequence[Case],
    model: LocalModel,
    doing: Callable[[int, int], None] = lambda done, total: None,
) -> list[Case]:
    """The cases with what the project's reader holds at their answers, the passage before it.

    What was read once is kept by chunk, and read again only where chunk, questions, model or reader
    are others; `cases` begin with those of the lessons, in their order. Stopped at any moment, it
    goes on. `doing` hears how many chunks are read.
    """
    from acclimate.tuning.internalise import Reader

    adapter = workspace.adapter(find_recipe("rag"))
    folder = workspace.layout.studies / _teacher(model, adapter)
    reader: Reader | None = None
    taught: list[Case] = []
    for number, lesson in enumerate(studied.lessons, start=1):
        own = cases[len(taught) : len(taught) + len(lesson.asked)]
        file = folder / f"{lesson.key}.json"
        if (held := _kept(file)) is None:
            reader = reader or Reader(model.weights, adapter)
            held = reader.teach(own, _readings(workspace, lesson))
            _keep(file, held)
        taught += [replace(one, taught=some) for one, some in zip(own, held, strict=True)]
        doing(number, len(studied.lessons))
    return [*taught, *cases[len(taught) :]]


def _readings(workspace: Workspace, lesson: Lesson) -> list[Case]:
    """The lesson's questions as the reader is asked them, its chunk the only passage."""
    from acclimate.tuning.cases import Case

    template, passages = workspace.template("rag"), render_passages([lesson.chunk])
    return [
        Case(
            tuple(template.render({"passages": passages, "question": one.question})),
            f"{one.answers[0]} [1]",
            one.id,
        )
        for one in lesson.asked
    ]


def _teacher(model: LocalModel, adapter: Path | None) -> str:
    """Names who taught: another model or reader holds something else."""
    told = f"{model.sha256} {model.name}"
    if adapter is not None:
        told += hashlib.sha256(weights_file(adapter).read_bytes()).hexdigest()
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _kept(file: Path) -> list[tuple[Belief, ...]] | None:
    """What was taught of a lesson's questions; None where it is not here, or not whole."""
    from acclimate.tuning.packing import Belief

    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return [tuple(Belief(tuple(tokens), tuple(shares)) for tokens, shares in row) for row in rows]


def _keep(file: Path, held: Sequence[tuple[Belief, ...]]) -> None:
    rows = [[[one.tokens, one.shares] for one in row] for row in held]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(rows), encoding="utf-8")
    part.replace(file)


def forget_others(workspace: Workspace, keys: Collection[str]) -> None:
    """Remove what was taught of lessons that are there no longer; `keys` are those of all that
    are."""
    for file in workspace.layout.studies.glob("*/*.json"):
        if file.stem not in keys:
            file.unlink()
