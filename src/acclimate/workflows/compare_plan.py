"""Which recipes are worth a comparison's minutes, and which adapters must be trained before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from acclimate.prompting.recipes import find_recipe
from acclimate.tuning.methods import METHODS
from acclimate.workflows.entries import read_entry
from acclimate.workspace.workspace import Workspace

TUNE_MINUTES = 4.0
"""For an adapter that a comparison needs and nobody trained yet."""
DEFAULT = ("zero-shot", "few-shot", "rag")
"""What is compared where nothing is asked for."""
_BY_WORTH = (
    "rag",
    "zero-shot",
    "lora+rag",
    "few-shot",
    "rag+few-shot",
    "rag+cot",
    "lora",
    "cot",
    "stuffing",
)
_TRAINING = 4  # times an adapter's training that a budget must have, before one is trained


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """`recipes` are run in any case, `optional` ones as far as the minutes go; `missing` names the
    adapters that have to be trained first."""

    recipes: tuple[str, ...]
    optional: tuple[str, ...]
    missing: tuple[str, ...]


def plan_comparison(
    workspace: Workspace, recipes: Sequence[str] = (), minutes: float | None = None
) -> ComparisonPlan:
    """The recipes asked for; without any, `DEFAULT`, or as many of the usual ones as fit
    `minutes`."""
    optional = tuple(_usual(workspace, minutes)) if minutes and not recipes else ()
    chosen = tuple(recipes)
    if not chosen and not optional:
        chosen = DEFAULT
    return ComparisonPlan(chosen, optional, missing_adapters(workspace, (*chosen, *optional)))


def missing_adapters(workspace: Workspace, recipes: Sequence[str]) -> tuple[str, ...]:
    """Names to tune before the recipes can run."""
    wanted = (read_entry(name)[0].recipe for name in recipes)
    names = dict.fromkeys(one.adapter_name for one in wanted if one.adapter in METHODS)
    return tuple(name for name in names if not (workspace.layout.adapters / name).is_dir())


def _usual(workspace: Workspace, minutes: float) -> list[str]:
    """Recipes worth the minutes, the most telling first.

    Those that need solved questions or training are among them only where there are questions to
    learn from, and time.
    """
    solved = any(question.split == "train" for question in workspace.questions())
    time = minutes >= _TRAINING * TUNE_MINUTES
    trainable = solved and time and find_spec("torch") is not None
    names = []
    for name in _BY_WORTH:
        recipe = find_recipe(name)
        trained = not recipe.adapter or not missing_adapters(workspace, [name])
        if (trained or trainable) and (solved or not recipe.few_shot):
            names.append(name)
    return names
