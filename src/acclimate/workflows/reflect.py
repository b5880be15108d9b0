"""Instructions that a stronger model proposes, having read how the present one does on train questions.

They are candidates like any other wording: the search on dev tells whether they are better. What is
read and sent are questions of the train split only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.errors import AcclimateError, SettingsError
from acclimate.evaluation.comparison import Metric
from acclimate.evaluation.comparison_run import shuffled
from acclimate.evaluation.metrics import score
from acclimate.files import jsonlines
from acclimate.prompting.recipes import Recipe
from acclimate.prompting.replies import ask
from acclimate.prompting.templates import Template, load_template, parse_template
from acclimate.types import Generation, Question
from acclimate.workflows.entries import model_of, require_model
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.workspace import Workspace

_PROPOSALS = 4
_SHOWN = 6  # questions that each is written from
_TOKENS, _WARMTH = 1500, 0.7
_LONGEST = 3000  # characters of an instruction
_REFUSAL = "Not in the documents"
_RULE = "==="
_SYSTEM = "--- system\n"


@dataclass(frozen=True, slots=True)
class Proposed:
    """Wordings by their names, and what is to be said of proposals that cannot be used."""

    variants: dict[str, tuple[Template, str]]
    notes: tuple[str, ...]


def reflect(workspace: Workspace, recipe: Recipe, text: str, spec: str, metric: Metric) -> Proposed:
    """Ask the model `spec` (a name, or http://HOST/v1#NAME) for other wordings of a template's
    `text`.

    They are kept, so that a search that goes on has the same. Raises SettingsError where there are
    no train questions, and what stands against the model.
    """
    require_model(spec)
    train = shuffled([one for one in workspace.single_questions() if one.split == "train"])
    if not train:
        raise SettingsError(
            "there are no train questions to reflect on.", hint="acclimate questions split"
        )
    file = (
        workspace.layout.optimisations
        / f"reflected-{_key(workspace, recipe, text, spec, train)}.jsonl"
    )
    said = [str(row["said"]) for _, row in jsonlines.read_rows(file)]
    if len(said) < _PROPOSALS:
        said += _ask(workspace, recipe, text, spec, train, metric, file, len(said))
    return _read(recipe.template, text, said)


def _ask(
    workspace: Workspace,
    recipe: Recipe,
    text: str,
    spec: str,
    train: Sequence[Question],
    metric: Metric,
    file: Path,
    known: int,
) -> list[str]:
    """What the model says to each of several groups of questions that were answered."""
    batches = [
        [train[(number * _SHOWN + place) % len(train)] for place in range(min(_SHOWN, len(train)))]
        for number in range(known, _PROPOSALS)
    ]
    told = [_results(workspace, recipe, batch, metric) for batch in batches]
    model = model_of(workspace.settings.model, spec).model_copy(update={"adapter": "none"})
    settings = workspace.settings.model_copy(update={"model": model})
    workspace.keep_only(None)
    found = []
    with workspace.sharing(settings, share_models=False) as asked:
        engine, template = asked.engine("zero-shot"), load_template("reflect")
        for number, results in enumerate(told, start=known):
            messages = template.render({"instruction": instruction_of(text), "results": results})
            options = Generation(max_tokens=_TOKENS, temperature=_WARMTH, seed=number)
            found.append(ask(engine, messages, options).text)
            jsonlines.append(file, {"said": found[-1]})
    return found


def _results(
    workspace: Workspace, recipe: Recipe, batch: Sequence[Question], metric: Metric
) -> str:
    """How the recipe as it is answers some questions, as text."""
    answerer, lines = open_answerer(workspace, recipe.name), []
    for question in batch:
        try:
            answer = answerer.answer(question.question)
        except AcclimateError as error:
            lines.append(f"Question: {question.question}\nIt failed: {error}")
            continue
        points = getattr(score(question, answer, None), metric) or 0.0
        wanted = " / ".join(question.answers) if question.answerable else f"{_REFUSAL}."
        held = any(
            question.evidence and question.evidence in hit.chunk.text
            for hit in answer.prompt.passages
        )
        seen = "\nThe passages that it read held the answer." if held else ""
        lines.append(
            f"Question: {question.question}\nRight: {wanted}\nIt wrote: {answer.marked}\n"
            f"Score: {100 * points:.0f} of 100.{seen}"
        )
    return "\n\n".join(lines)


def _read(name: str, text: str, said: Sequence[str]) -> Proposed:
    variants: dict[str, tuple[Template, str]] = {}
    notes = []
    for number, reply in enumerate(said, start=1):
        wording = reply.rpartition(_RULE)[2].strip()
        reason = _refused(wording, reply, instruction_of(text))
        called = f"{name}.reflected-{number}"
        if reason:
            notes.append(f"{called} was left out: {reason}.")
            continue
        whole = with_instruction(text, wording)
        if whole not in (one for _, one in variants.values()):
            variants[called] = (parse_template(name, whole), whole)
    return Proposed(variants, tuple(notes))


def _refused(wording: str, reply: str, present: str) -> str:
    """Why a proposal cannot be used; "" where it can."""
    if _RULE not in reply or not wording:
        return "the model did not write an instruction after its thoughts"
    if len(wording) > _LONGEST:
        return f"it is longer than {_LONGEST:,} characters"
    if "{{" in wording or any(line.startswith("--- ") for line in wording.split("\n")):
        return "it would change more than the instruction"
    if _REFUSAL in present and _REFUSAL not in wording:
        return f"it lost “{_REFUSAL}.”, by which silence is known"
    if "[2]" in present and "[" not in wording:
        return "it lost the numbers in brackets, by which sources are known"
    return "" if wording != present else "it is the present instruction"


def instruction_of(text: str) -> str:
    """What a template says to the system; "" where it says nothing."""
    turns = parse_template("present", text).turns
    return turns[0].content if turns[0].role == "system" else ""


def with_instruction(text: str, wording: str) -> str:
    """A template's text with another first system turn; all else stays."""
    present = instruction_of(text)
    if not present:
        start = text.index("--- ")
        return f"{text[:start]}{_SYSTEM}{wording}\n{text[start:]}"
    start = text.index(_SYSTEM) + len(_SYSTEM)
    end = text.index("\n--- ", start)
    return f"{text[:start]}{wording}{text[end:]}"


def _key(
    workspace: Workspace, recipe: Recipe, text: str, spec: str, train: Sequence[Question]
) -> str:
    depends: list[Any] = [recipe.name, text, spec, [(one.question, one.answers) for one in train]]
    if recipe.reads:
        record = workspace.library.record
        depends.append([record.id, record.generation])
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]
