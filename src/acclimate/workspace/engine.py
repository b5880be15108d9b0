"""The language model that `[model]` names, and the adapter and template of a recipe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Literal

from acclimate.errors import SettingsError, nearest
from acclimate.files.places import under
from acclimate.models.adapters import OWN_TEMPLATE, is_tuned, require_base_model, served_by
from acclimate.models.base import Engine
from acclimate.models.choice import choose
from acclimate.models.entries import ModelKind
from acclimate.models.store import LocalModel, cache_folder
from acclimate.prompting.recipes import PARTS, Recipe
from acclimate.prompting.templates import Template, load_template, parse_template
from acclimate.settings_sections import ModelSettings
from acclimate.workspace.layout import Layout
from acclimate.workspace.shelf import Shelf, stamp

FindModel = Callable[[str, ModelKind], LocalModel]
"""A model's files by its name, fetched where they are not here yet."""

log = logging.getLogger(__name__)
Use = Literal["reader", "writer"]
_SHIPPED: dict[tuple[str, Use], str] = {
    ("smollm2-135m-instruct", "reader"): "smollm2-135m-reader",
    ("smollm2-135m-instruct", "writer"): "smollm2-135m-writer",
}


def load_engine(
    chosen: ModelSettings,
    adapter: Path | None,
    find_model: FindModel,
    shelf: Shelf | None = None,
) -> Engine:
    """The model with this adapter, from the `shelf` where it may be shared.

    Raises SettingsError where a server's model would have to wear one, and ModelError for an
    adapter of another base.
    """
    if chosen.engine == "openai":
        if adapter is not None:
            raise SettingsError(
                f"the adapter '{adapter.name}' cannot be applied to a model behind a server.",
                hint="Load it into the server and name it as the model, or use another [model] "
                "engine.",
            )
        from acclimate.models.http import HTTPEngine  # each engine's packages load only where used

        return HTTPEngine(
            chosen.name,
            base_url=chosen.base_url,
            api_key_env=chosen.api_key_env,
            context_tokens=chosen.context_tokens,
            timeout_s=chosen.timeout_s,
        )
    model = find_model(chosen.name, "language")
    log.info("loading %s", model.name)
    if adapter is not None:
        require_base_model(adapter, model.name)
    kind = choose(model.weights, adapter) if chosen.engine == "auto" else chosen.engine
    # Virtual tokens can be put before a prompt by that engine only.
    if adapter is not None and served_by(adapter) == "transformers":
        kind = "transformers"
    if shelf is None or kind == "llamacpp":  # which shares the weights by itself
        return _load_here(kind, chosen, model, adapter)
    worn = (adapter.resolve(), stamp(adapter)) if adapter is not None else None
    whole = (model.name, model.weights, model.sha256, chosen.context_tokens)
    return shelf.take(
        ("language", kind, whole, worn), lambda: _load_here(kind, chosen, model, adapter)
    )


def _load_here(kind: str, chosen: ModelSettings, model: LocalModel, adapter: Path | None) -> Engine:
    if kind == "transformers":
        from acclimate.models.transformers import TransformersEngine

        return TransformersEngine(
            model.weights, adapter=adapter, context_tokens=chosen.context_tokens
        )
    if kind == "llamacpp":
        from acclimate.models.llamacpp import LlamaCppEngine

        local: type[LlamaCppEngine | OpenVINOEngine] = LlamaCppEngine
    else:
        from acclimate.models.openvino import OpenVINOEngine

        local = OpenVINOEngine
    return local(
        model.weights,
        cache_folder() / kind,
        adapter=adapter,
        sha256=model.sha256,
        context_tokens=chosen.context_tokens,
        name=model.name,
    )


def adapter_of(chosen: ModelSettings, layout: Layout, recipe: Recipe) -> Path | None:
    """See `Workspace.adapter`."""
    if recipe.adapter:
        folder = tuned_folder(layout, recipe)
        if not is_tuned(folder):
            _require_method(layout, recipe)
            raise SettingsError(
                f"the recipe '{recipe.name}' needs the adapter '{recipe.adapter_name}', which is "
                f"not trained yet.",
                hint=f"acclimate tune {recipe.adapter_name}",
            )
        return folder
    if chosen.adapter == "none" or (chosen.adapter == "auto" and not recipe.reads):
        return None
    if chosen.adapter != "auto":
        folder = under(layout.folder, chosen.adapter)
        if not is_tuned(folder):
            raise SettingsError(
                f"'model.adapter' = '{chosen.adapter}': {folder} is not a PEFT adapter folder."
            )
        return folder
    return shipped_adapter(chosen, "reader")


def _require_method(layout: Layout, recipe: Recipe) -> None:
    """Raises SettingsError for a recipe whose adapter is neither there nor one that a method would
    make."""
    from acclimate.tuning.methods import METHODS  # needed only to say what is wrong

    if recipe.adapter in METHODS:
        return
    trained = [folder.name.removesuffix("+rag") for folder in layout.trained_adapters()]
    made = f"; adapters here: {', '.join(dict.fromkeys(trained))}" if trained else ""
    hint = nearest(recipe.adapter, [*PARTS, *trained, *METHODS])
    raise SettingsError(f"there is no recipe or adapter '{recipe.name}'{made}.", hint=hint)


def shipped_adapter(chosen: ModelSettings, use: Use) -> Path | None:
    """The adapter that ships for what `[model]` names; None where there is none, or another or none
    is asked for."""
    shipped = _SHIPPED.get((chosen.name, use))
    if shipped is None or chosen.engine == "openai" or chosen.adapter != "auto":
        return None
    return Path(str(resources.files("acclimate") / "adapters" / shipped))


def tuned_folder(layout: Layout, recipe: Recipe) -> Path:
    """Where `acclimate tune` puts the adapter of a recipe."""
    return layout.adapters / recipe.adapter_name


def template_of(layout: Layout, recipe: Recipe) -> Template:
    """A recipe's template; an adapter that was trained on other prompts is asked by its own."""
    if recipe.adapter and recipe.name == recipe.adapter_name:
        own = tuned_folder(layout, recipe) / OWN_TEMPLATE
        if own.is_file():
            return parse_template(recipe.adapter_name, own.read_text(encoding="utf-8"))
    return load_template(recipe.template, layout.templates)
