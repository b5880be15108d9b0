"""A project's own questions as training cases, and the adapter that comes of them, checked where it will be served."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from acclimate.answer import Answerer
from acclimate.errors import EngineError, MissingExtraError, SettingsError
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import Recipe, find_recipe
from acclimate.questioning import write_learnt
from acclimate.types import Hit, Question

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.project import Project
    from acclimate.tuning.cases import Case
    from acclimate.tuning.run import Trained
    from acclimate.tuning.trainer import OnStep

METHODS = ("lora",)
_CHECKED = 8  # dev cases that the served adapter must answer as the trained network does
_VARIANTS = 3  # orders of the passages of each question


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned adapter: how it was trained, and how many of the checked answers are the same where it is served."""

    recipe: str
    trained: Trained
    same: int
    checked: int


def tune_recipe(project: Project, name: str, minutes: float, rate: float | None, on_step: OnStep | None) -> Tuned:
    """See `Project.tune`."""
    recipe = find_recipe(name)
    if recipe.adapter not in METHODS or recipe.name not in (recipe.adapter_name, f"rag+{recipe.adapter}"):
        raise SettingsError(
            f"there is no way to tune '{name}'.", hint=f"Tunable: {', '.join(f'{m}, {m}+rag' for m in METHODS)}."
        )
    if project.settings.model.engine == "openai":
        raise SettingsError("a model behind a server cannot be tuned.", hint='Set [model] engine = "openvino".')
    try:
        from acclimate.tuning.cases import require_apart
        from acclimate.tuning.run import greedy, train
        from acclimate.tuning.trainer import TrainSettings
    except ImportError as error:
        raise MissingExtraError("acclimate tune", "tune") from error

    splits = {split: [q for q in project.questions() if q.split == split] for split in ("train", "dev", "test")}
    require_apart(splits["train"], [*splits["dev"], *splits["test"]])
    model = project.local_model(project.settings.model.name, "language")
    # The prompts are those of the recipe without its adapter, which is not there yet.
    answerer = project.answerer("rag" if recipe.reads else "zero-shot")
    cases = make_cases(answerer, splits["train"], random.Random(0))  # noqa: S311
    dev = make_cases(answerer, splits["dev"] or splits["train"], random.Random(1))  # noqa: S311
    start = project.adapter(replace(recipe, adapter=""))
    # Going on from an adapter that reads already needs small steps; the reader's own were four times as large.
    settings = TrainSettings(
        minutes=minutes, learning_rate=rate or (2e-4 if start else 1e-3), checkpoint_minutes=max(0.5, minutes / 5)
    )
    project.keep_only(None)
    folder = project.folder / ".acclimate" / "adapters" / f"{recipe.adapter_name}.training"
    trained, trainer = train(model.weights, model.name, cases, dev, folder, settings, start=start, on_step=on_step)
    final = _place(project, recipe, trained)
    write_learnt(final.folder, splits["train"])
    asked = dev[:: max(1, len(dev) // _CHECKED)][:_CHECKED]
    expected = [greedy(trainer, model.weights, case.messages, answerer.generation.max_tokens) for case in asked]
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
    return Tuned(recipe.adapter_name, final, same, len(asked))


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
