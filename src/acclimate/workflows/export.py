"""What a recipe's model learnt, written in the formats that others run and checked with the
project's questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from acclimate.errors import MissingExtraError, SettingsError
from acclimate.models.adapters import require_base_model
from acclimate.models.merge import Precision
from acclimate.models.store import cache_folder
from acclimate.prompting.recipes import find_recipe
from acclimate.tuning.export.export import FORMS, Exported, ExportSource, export
from acclimate.types import Message
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.workspace import Workspace

_ASKED = 4  # questions that an export must answer as it is served


def export_recipe(
    workspace: Workspace, name: str, form: str, target: Path, precision: Precision = "Q8_0"
) -> Exported:
    """Write what the recipe `name` wears to `target` in the format `form`; `precision` is that of
    merged GGUF weights.

    The export must first answer the project's questions as what is served does. Raises
    SettingsError for what cannot be exported so, MissingExtraError, ModelError for an adapter of
    another base, and EngineError, leaving nothing behind, where the export differs from what is
    served.
    """
    recipe = find_recipe(name)
    if workspace.settings.model.engine == "openai":
        raise SettingsError(
            "a model behind a server has no weights here.", hint='Set [model] engine = "openvino".'
        )
    adapter = workspace.adapter(recipe)
    if adapter is None:
        raise SettingsError(f"the recipe '{name}' uses no adapter.", hint="acclimate tune lora+rag")
    model = workspace.local_model(workspace.settings.model.name, "language")
    if model.weights.suffix != ".gguf":
        raise SettingsError(
            f"{model.name} is not a GGUF file; only what was tuned on one can be exported."
        )
    require_base_model(adapter, model.name)
    prompts = _prompts(workspace, recipe.name)
    workspace.keep_only(None)
    try:
        return export(
            ExportSource(model.weights, adapter, cache_folder() / "openvino", precision),
            form,
            target,
            prompts,
        )
    except ImportError as error:
        raise MissingExtraError(f"an export as '{form}'", FORMS[form].extra) from error


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
