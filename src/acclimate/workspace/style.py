"""How long a recipe's answers are, and how much a model is shown: by its size class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from acclimate.models.entries import SizeClass
from acclimate.models.size import size_class
from acclimate.prompting.recipes import Recipe
from acclimate.types import Style
from acclimate.workspace.workspace import Workspace

Manner = Literal["short", "quoting", "quoted", "written"]
"""short: the exact words; quoting: short, but quoted where a few words do not answer; quoted: full,
by the extractor; written: full, by the model."""

PASSAGES: dict[SizeClass, int] = {"tiny": 4, "small": 6, "medium": 6, "large": 8}
"""Passages that a model of a class is shown, where `[retrieval] k` is not set."""


@dataclass(frozen=True, slots=True)
class Beside:
    """How the extractor reads beside a model that nobody trained to read passages (see
    `workspace.extractor.Limits`). Without `own_words`, what stands in no passage is not
    believed."""

    surer: float
    alone: float
    own_words: bool


_UNTRAINED = Beside(surer=7.0, alone=0.1, own_words=False)
BESIDE: dict[SizeClass, Beside | None] = {
    "tiny": _UNTRAINED,
    "small": _UNTRAINED,
    "medium": Beside(surer=20.0, alone=0.2, own_words=True),
    "large": None,
}
"""By size class. Measured: docs/decisions/prompting.md. Large models read better than the
extractor."""


def class_of(workspace: Workspace) -> SizeClass:
    """The size class of the model that `[model]` names. What a server has is taken for a large
    one."""
    chosen = workspace.settings.model
    if chosen.engine == "openai":
        return "large"
    return size_class(chosen.name, workspace.local_model(chosen.name, "language").weights)


def passages_for(workspace: Workspace, recipe: Recipe) -> int:
    """How many passages a recipe is shown."""
    if workspace.settings.retrieval.k is not None:
        return workspace.settings.retrieval.k
    return PASSAGES["tiny" if recipe.extracts else class_of(workspace)]


def manner_of(workspace: Workspace, recipe: Recipe, style: Style | None = None) -> Manner:
    """How a recipe answers in a style (None: its own, else acclimate.toml's).

    A recipe that shows no passages, or solved examples, or reasons, has short answers only, unless
    full ones are asked for by name: raises SettingsError then.
    """
    asked = style or recipe.style
    if asked == "full":
        recipe.check_full()
    fits = recipe.reads and recipe.reasoning == "none" and not recipe.few_shot
    wanted = workspace.settings.answer.style if asked == "auto" else asked
    if not fits or wanted == "short":
        return "short"
    trained = workspace.adapter(recipe) is not None  # on short answers, all that there are
    tiny = recipe.extracts or trained or class_of(workspace) == "tiny"
    if wanted == "full":
        return "quoted" if tiny else "written"
    if not tiny:
        return "short" if _own_template(workspace, recipe) else "written"
    # An adapter of one's own was trained on answers of one's own, and keeps them.
    own = recipe.extracts or bool(recipe.adapter) or workspace.settings.model.adapter != "auto"
    return "short" if own else "quoting"


def _own_template(workspace: Workspace, recipe: Recipe) -> bool:
    """Whether the user wrote a template for the short answers of a recipe and none for full
    ones."""
    folder = workspace.layout.templates
    short = recipe.in_style("short").template
    full = recipe.in_style("full").template
    return (folder / f"{short}.txt").is_file() and not (folder / f"{full}.txt").is_file()


def beside(workspace: Workspace, recipe: Recipe) -> Beside | None:
    """How the extractor reads beside the model for short answers, where that depends on the
    model's class: it has no adapter, neither the one that ships nor one of the user's own."""
    chosen = workspace.settings
    untrained = chosen.model.adapter in ("auto", "none") and workspace.adapter(recipe) is None
    if chosen.answer.second_reader != "auto" or not untrained:
        return None
    return BESIDE[class_of(workspace)]
