"""A project's own questions as training cases, and the adapter that comes of them, checked where it will be served."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from acclimate.answer import Answerer
from acclimate.errors import EngineError, MissingExtraError, SettingsError
from acclimate.evaluation.metrics import f1
from acclimate.models.base import Engine
from acclimate.models.store import cache_folder
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.questioning import write_learnt
from acclimate.tuning.methods import METHODS, Method
from acclimate.types import Hit, Question

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.project import Project
    from acclimate.tuning.attached import Attached
    from acclimate.tuning.cases import Case
    from acclimate.tuning.run import Trained
    from acclimate.tuning.trainer import OnStep

_PIECE = 300  # words of raw text in one case
_CHECKED = 8  # dev cases that the served adapter must answer as the trained network does
_SCORED = 6  # dev cases that are answered at each checkpoint
_SCORED_TOKENS = 24
_VARIANTS = 3  # orders of the passages of each question


@dataclass(frozen=True, slots=True)
class Teacher:
    """A stronger model whose answers are learnt: its name, and the address of its server (None: it runs here)."""

    name: str
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned adapter: how it was trained, what serves it, and how many of the checked answers are the same there."""

    recipe: str
    trained: Trained
    engine: str
    same: int
    checked: int


def tune_recipe(
    project: Project, name: str, minutes: float, rate: float | None, teacher: Teacher | None, on_step: OnStep | None
) -> Tuned:
    """See `Project.tune`."""
    recipe, method = _tunable(project, name, teacher)
    try:
        from acclimate.tuning.run import Job, greedy, train
        from acclimate.tuning.trainer import TrainSettings
    except ImportError as error:
        raise MissingExtraError("acclimate tune", "tune") from error

    # The prompts are those of the recipe without its adapter, which is not there yet.
    answerer = project.answerer("rag" if recipe.reads else "zero-shot")
    learnt, dev = _cases(project, answerer, method, teacher)
    model = project.local_model(project.settings.model.name, "language")
    folder = project.folder / ".acclimate" / "adapters" / f"{recipe.adapter_name}.training"
    start = project.adapter(replace(recipe, adapter=""))
    job = Job(model.weights, model.name, learnt, dev, folder, method, start, rate)
    settings = TrainSettings(minutes=minutes, checkpoint_minutes=max(0.5, minutes / 5))
    project.keep_only(None)
    asked = dev[:: max(1, len(dev) // _CHECKED)][:_CHECKED]

    def score(attached: Attached) -> float:
        shares = [
            f1(greedy(attached, model.weights, case.messages, _SCORED_TOKENS), [case.answer])
            for case in asked[:_SCORED]
        ]
        return sum(shares) / len(shares)

    trained, trainer = train(job, settings, on_step=on_step, score=score if asked and asked[0].messages else None)
    if trainer.world.rank:
        raise SystemExit(0)  # the first of several processes serves what they trained together
    final = _place(project, recipe, trained)
    if method.data != "documents":
        write_learnt(final.folder, [question for question in project.questions() if question.split == "train"])
    limit = answerer.generation.max_tokens
    asked = [case for case in asked if case.messages]
    expected = [greedy(trainer.attached, model.weights, case.messages, limit) for case in asked]
    engine = project.engine(recipe.name)
    served = [engine.generate(case.messages, answerer.generation).text for case in asked]
    same = sum(a.strip() == b.strip() for a, b in zip(expected, served, strict=True))
    if 2 * same < len(asked):
        shutil.move(final.folder, folder / "refused")
        raise EngineError(
            f"the adapter answers {len(asked) - same} of {len(asked)} questions otherwise where it is served "
            "than where it was trained, so it is not used.",
            hint=f"Report this as a bug; it is in {folder / 'refused'}.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    return Tuned(recipe.adapter_name, final, type(engine).__name__.removesuffix("Engine"), same, len(asked))


def _tunable(project: Project, name: str, teacher: Teacher | None) -> tuple[Recipe, Method]:
    """The recipe and its method. Raises SettingsError for what cannot be tuned."""
    recipe = find_recipe(name)
    if recipe.adapter not in METHODS or recipe.name not in (recipe.adapter_name, f"rag+{recipe.adapter}"):
        raise SettingsError(
            f"there is no way to tune '{name}'.", hint=f"METHOD or METHOD+rag; methods: {', '.join(METHODS)}."
        )
    if project.settings.model.engine == "openai":
        raise SettingsError("a model behind a server cannot be tuned.", hint='Set [model] engine = "openvino".')
    method = METHODS[recipe.adapter]
    if (method.data == "teacher") != (teacher is not None):
        need = "needs a stronger model to learn from" if teacher is None else "learns from no other model"
        raise SettingsError(f"'{name}' {need}.", hint="acclimate tune distill --teacher NAME [--teacher-url ADDRESS]")
    if method.data == "documents" and recipe.reads:
        raise SettingsError(f"'{name}': raw text is learnt without passages.", hint=f"acclimate tune {method.name}")
    return recipe, method


def _cases(
    project: Project, answerer: Answerer, method: Method, teacher: Teacher | None
) -> tuple[list[Case], list[Case]]:
    """What a method learns, and what is watched meanwhile."""
    from acclimate.tuning.cases import require_apart

    if method.data == "documents":
        texts = _raw_cases(project)
        return texts[len(texts) // 20 + 1 :] or texts, texts[: len(texts) // 20 + 1]
    splits = {split: [q for q in project.questions() if q.split == split] for split in ("train", "dev", "test")}
    require_apart(splits["train"], [*splits["dev"], *splits["test"]])
    learnt = make_cases(answerer, splits["train"], random.Random(0))  # noqa: S311
    dev = make_cases(answerer, splits["dev"] or splits["train"], random.Random(1))  # noqa: S311
    if teacher is not None:
        with closing(_teacher_engine(project, teacher)) as engine:
            learnt = [replace(case, answer=engine.generate(case.messages, answerer.generation).text) for case in learnt]
        learnt = [case for case in learnt if case.answer.strip()]
    return learnt, dev


def _raw_cases(project: Project) -> list[Case]:
    """The documents' text, in pieces of some hundred words, shuffled."""
    from acclimate.tuning.cases import Case

    record, pieces = project.library.record, []
    for path in sorted(record.files()):
        document = record.document(path)
        words = document.text.split(" ") if document else []
        pieces += [Case((), " ".join(words[at : at + _PIECE]), path) for at in range(0, len(words), _PIECE)]
    kept = [piece for piece in pieces if len(piece.answer.split()) > 2]
    random.Random(0).shuffle(kept)  # noqa: S311
    return kept


def _teacher_engine(project: Project, teacher: Teacher) -> Engine:
    chosen = project.settings.model
    if teacher.base_url is not None:
        from acclimate.models.http import HTTPEngine

        return HTTPEngine(
            teacher.name, base_url=teacher.base_url, api_key_env=chosen.api_key_env, timeout_s=chosen.timeout_s
        )
    from acclimate.models.openvino import OpenVINOEngine

    model = project.local_model(teacher.name, "language")
    return OpenVINOEngine(model.weights, cache_folder() / "openvino", sha256=model.sha256, name=model.name)


def _place(project: Project, recipe: Recipe, trained: Trained) -> Trained:
    """Put the finished adapter where recipes look for it, in place of an older one."""
    target = project.folder / ".acclimate" / "adapters" / recipe.adapter_name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(trained.folder, target)
    return replace(trained, folder=target)


def make_cases(answerer: Answerer, questions: Sequence[Question], rng: random.Random) -> list[Case]:
    """Cases for a recipe: closed-book ones as they are, else RAFT.

    That is: the passages as retrieval finds them, the one with the evidence among distractors, in several orders; and
    again without it, with the refusal as the answer. Source: Zhang et al., "RAFT", arXiv 2403.10131, section 3.
    """
    from acclimate.tuning.cases import Case

    if not answerer.recipe.reads:
        return [
            Case(answerer.prompt(one.question, ()).messages, one.answers[0] if one.answerable else REFUSAL, one.id)
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
        shown = rng.sample([holding[0], *others[: answerer.k - 1]], min(answerer.k, 1 + len(others)))
        place = shown.index(holding[0]) + 1
        cases.append(_case(answerer, question, shown, f"{question.answers[0]} [{place}]"))
    text = " ".join(hit.chunk.text for hit in others).casefold()
    if others and not any(answer.casefold() in text for answer in question.answers):
        cases.append(_case(answerer, question, others, REFUSAL))
    return cases


def _case(answerer: Answerer, question: Question, shown: Sequence[Hit], answer: str) -> Case:
    from acclimate.tuning.cases import Case

    return Case(answerer.prompt(question.question, shown).messages, answer, question.id)
