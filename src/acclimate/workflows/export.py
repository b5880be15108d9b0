"""Exports a recipe's trained weights to the formats of other programs, checked with the project's
questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from acclimate.errors import MissingExtraError, ModelError, SettingsError
from acclimate.evaluation.comparison import load
from acclimate.models.adapters import require_base_model
from acclimate.models.base_ids import base_id, is_hub_id
from acclimate.models.fetch import offline
from acclimate.models.hub import endpoint
from acclimate.models.merge import Precision
from acclimate.models.store import cache_folder
from acclimate.prompting.recipes import find_recipe
from acclimate.tuning.export.card import Known, write_card
from acclimate.tuning.export.export import FORMS, Exported, ExportSource, export
from acclimate.tuning.export.parity import Parity
from acclimate.types import Message
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.workspace import Workspace

_ASKED = 4  # questions that an export must answer as it is served


@dataclass(frozen=True, slots=True)
class HandOver:
    """What an export is handed over with: `base`, the hub id of the unquantised base (None: what is
    known here); `push`, a hub's repository to upload it to (None: nowhere), private unless
    `public`."""

    base: str | None = None
    push: str | None = None
    public: bool = False


def export_recipe(
    workspace: Workspace,
    name: str,
    form: str,
    target: Path,
    precision: Precision = "Q8_0",
    hand_over: HandOver | None = None,
) -> Exported:
    """Write what the recipe `name` wears to `target` in the format `form`; `precision` is that of
    merged GGUF weights.

    The export must first answer the project's questions as what is served does. Raises
    SettingsError for what cannot be exported so, MissingExtraError, ModelError for an adapter of
    another base, and EngineError, leaving nothing behind, where the export differs from what is
    served; also where a hub does not take it, but then it stays.
    """
    recipe, over = find_recipe(name), hand_over or HandOver()
    if workspace.settings.model.engine == "openai":
        raise SettingsError(
            "a model behind a server has no weights here.", hint='Set [model] engine = "openvino".'
        )
    adapter = workspace.adapter(recipe)
    if adapter is None:
        raise SettingsError(f"the recipe '{name}' uses no adapter.", hint="acclimate tune lora+rag")
    _require_pushable(over)
    model = workspace.local_model(workspace.settings.model.name, "language")
    require_base_model(adapter, model.name)
    prompts = _prompts(workspace, recipe.name)
    base = over.base or base_id(model)
    known = Known(
        name=target.name.removesuffix(".gguf"),
        model=model.name,
        base=base,
        licence=model.entry.licence if model.entry else "",
        recipe=recipe.name,
        adapter=adapter,
        prompt=prompts[0],
        results=_results(workspace, recipe.name),
    )
    workspace.keep_only(None)
    source = ExportSource(
        model.weights, adapter, cache_folder() / "openvino", precision, base, _system(prompts)
    )

    def card(folder: Path, parity: Parity) -> str:
        return write_card(known, form, folder, parity)

    try:
        done = export(source, form, target, prompts, card)
        if over.push is None:
            return done
        from acclimate.tuning.export.push import push

        address = push(target, over.push, card(target, done.parity), endpoint(), public=over.public)
    except ImportError as error:
        raise MissingExtraError(f"an export as '{form}'", FORMS[form].extra) from error
    return replace(done, pushed=address)


def _require_pushable(over: HandOver) -> None:
    """Before anything is computed. Raises SettingsError for a name that is none, ModelError where
    the network is forbidden."""
    if over.base is not None and not is_hub_id(over.base):
        raise SettingsError(f"'{over.base}' is no hub id.", hint="Write it as ORG/NAME.")
    if over.push is None:
        return
    if not is_hub_id(over.push):
        raise SettingsError(f"'{over.push}' is no repository.", hint="Write it as ORG/NAME.")
    if offline():
        raise ModelError(
            "nothing is uploaded, as ACCLIMATE_OFFLINE or HF_HUB_OFFLINE is set.",
            hint="Unset it, or leave --push out.",
        )
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError("uploading to a hub", "tune")


def _system(prompts: Sequence[Sequence[Message]]) -> str:
    """The system message that all prompts begin with, "" where there is none."""
    found = {next((one.content for one in p if one.role == "system"), "") for p in prompts}
    return found.pop() if len(found) == 1 else ""


def _results(workspace: Workspace, recipe: str) -> list[str]:
    """The latest comparison's rows, where the recipe took part, as a table."""
    kept = sorted(workspace.layout.comparisons.glob("*.json"))
    if not kept:
        return []
    comparison = load(kept[-1])
    if recipe not in {row.recipe for row in comparison.rows}:
        return []
    lines = [
        f"{len(comparison.questions)} questions of the split '{comparison.split}', none of which it "
        f"was trained on, compared on {comparison.created[:10]}.",
        "",
        f"| recipe | {comparison.metric} | 95 % |",
        "|---|---|---|",
    ]
    lines += [
        f"| {row.recipe} | {100 * row.interval.mean:.1f} | {100 * row.interval.low:.1f} to "
        f"{100 * row.interval.high:.1f} |"
        for row in comparison.rows
    ]
    return lines


def _prompts(workspace: Workspace, recipe: str) -> list[tuple[Message, ...]]:
    """What the recipe would be asked: the project's questions, else one about each document's
    title."""
    answerer = open_answerer(workspace, recipe)
    asked = [
        question.question for question in workspace.questions() if question.split != "test"
    ] or _about(workspace)
    if not asked:
        raise SettingsError(
            "there is no question to check the export with.",
            hint="acclimate questions make, or acclimate ingest",
        )
    chosen = asked[:: max(1, len(asked) // _ASKED)][:_ASKED]
    return [
        answerer.prompt(one, answerer.retriever.retrieve(one, answerer.k)).messages
        for one in chosen
    ]


def _about(workspace: Workspace) -> Sequence[str]:
    if not workspace.ingested:
        return ()
    record = workspace.library.record
    documents = [record.document(path) for path in sorted(record.files())[:_ASKED]]
    return [
        f"What is said about {document.title or document.path}?"
        for document in documents
        if document
    ]
