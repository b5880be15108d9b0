"""A project's solved questions as demonstrations: the nearest, always the same, or solved by the
model itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from acclimate.answer import Answerer
from acclimate.errors import SettingsError
from acclimate.evaluation.comparison_run import shuffled
from acclimate.evaluation.metrics import normalise
from acclimate.evaluation.quantities import number_match
from acclimate.indexes.filters import Filter
from acclimate.prompting.demonstrations import (
    Demonstrate,
    Demonstration,
    bootstrap,
    fixed,
    nearest,
    read_demonstrations,
    write_demonstrations,
)
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import Recipe
from acclimate.types import Answer, Question
from acclimate.workspace.style import passages_for
from acclimate.workspace.workspace import ALL, Workspace

Attempt = Callable[[Question], Demonstration | None]
OpenAnswerer = Callable[..., Answerer]
"""Opens what answers by the recipe of that name."""


def demonstrate(
    workspace: Workspace,
    recipe: Recipe,
    where: Filter,
    open_answerer: OpenAnswerer,
    shots: int | None = None,
) -> Demonstrate:
    """What a few-shot recipe shows, of the documents that `where` leaves: `shots` examples (None:
    as `[answer]` says).

    Raises SettingsError where there are no solved questions, or the model solves none.
    """
    shots, kept = shots or workspace.settings.answer.shots, chosen_file(workspace, recipe)
    if recipe.shown == "fixed" and kept.is_file():
        return fixed(_seen(workspace, read_demonstrations(kept), where))
    solved = _solved(workspace, where)
    if not solved:
        raise SettingsError(
            f"the recipe '{recipe.name}' shows solved questions, and there are none.",
            hint=f'Mark questions in {workspace.layout.questions} with "split": "train".',
        )
    if recipe.shown == "nearest":
        return nearest(
            solved, workspace.embedder.embed_queries, _by_reference(workspace, recipe, where), shots
        )
    if recipe.shown == "fixed":
        return fixed(bootstrap(solved, _by_reference(workspace, recipe, where), shots))
    return fixed(_seen(workspace, bootstrapped(workspace, recipe, shots, open_answerer), where))


def chosen_file(workspace: Workspace, recipe: Recipe) -> Path:
    """Where `acclimate optimise` writes the demonstrations that it chose for a recipe."""
    return workspace.layout.templates / f"{recipe.template}.demonstrations.jsonl"


def bootstrapped(
    workspace: Workspace, recipe: Recipe, most: int, open_answerer: OpenAnswerer
) -> list[Demonstration]:
    """Train questions that the recipe solves without examples, as it solved them; kept in
    `.acclimate`.

    Raises SettingsError where it solves none.
    """
    solved = shuffled(_solved(workspace, ALL))
    answerer = open_answerer(workspace, recipe.plain.name, style="short")
    depends = [recipe.plain.name, answerer.template.fingerprint, answerer.engine.name, most]
    depends += [
        workspace.settings.model_dump(mode="json"),
        [[one.id, one.question, one.answers] for one in solved],
    ]
    if recipe.reads:
        depends += [workspace.library.record.id, workspace.library.record.generation]
    key = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]
    file = workspace.layout.demonstrations / f"{key}.jsonl"
    if file.is_file():
        return read_demonstrations(file)
    found = bootstrap(
        solved, lambda question: _by_itself(question, answerer.answer(question.question)), most
    )
    if not found:
        raise SettingsError(
            f"the model solves none of {len(solved)} train questions by '{recipe.plain.name}', so "
            f"it can show none.",
            hint="Use few-shot, which shows your own answers.",
        )
    write_demonstrations(file, found)
    return found


def _by_itself(question: Question, answer: Answer) -> Demonstration | None:
    """A right answer as a demonstration, with the passages that it cites."""
    led = (
        f"{answer.reasoning}\nAnswer: "
        if answer.reasoning and not answer.reasoning.endswith(":")
        else answer.reasoning
    )
    if not question.answerable:
        shown = answer.prompt.passages[:1]
        return (
            Demonstration(question.question, led + REFUSAL, shown, question.document)
            if answer.abstained
            else None
        )
    if answer.abstained or not number_match(answer.text, question.answers, normalise):
        return None
    cited = tuple(answer.prompt.passages[citation.number - 1] for citation in answer.citations[:1])
    mark = " [1]" if cited else ""
    return Demonstration(question.question, f"{led}{answer.text}{mark}", cited, question.document)


def _by_reference(workspace: Workspace, recipe: Recipe, where: Filter) -> Attempt:
    """A train question with its reference answer; None where retrieval does not find its
    evidence."""
    retriever = workspace.retriever(where) if recipe.context == "passages" else None

    def solve(question: Question) -> Demonstration | None:
        answer = question.answers[0] if question.answerable else REFUSAL
        if retriever is None:
            return Demonstration(question.question, answer, (), question.document)
        found = retriever.retrieve(question.question, passages_for(workspace, recipe))
        if not question.answerable:
            return Demonstration(question.question, answer, tuple(found[:1]), question.document)
        holding = tuple(
            hit for hit in found if question.evidence and question.evidence in hit.chunk.text
        )[:1]
        return (
            Demonstration(question.question, f"{answer} [1]", holding, question.document)
            if holding
            else None
        )

    return solve


def _solved(workspace: Workspace, where: Filter) -> list[Question]:
    solved = [question for question in workspace.single_questions() if question.split == "train"]
    if where == ALL:
        return solved
    seen = set(workspace.paths(where))  # a solved question tells what its document says
    return [question for question in solved if question.document in seen]


def _seen(
    workspace: Workspace, shown: Sequence[Demonstration], where: Filter
) -> list[Demonstration]:
    """Those that tell of nothing but what `where` leaves."""
    if where == ALL:
        return list(shown)
    seen = set(workspace.paths(where))
    told = [
        (
            one,
            {hit.chunk.document for hit in one.hits} | ({one.document} if one.document else set()),
        )
        for one in shown
    ]
    return [one for one, documents in told if documents <= seen]
