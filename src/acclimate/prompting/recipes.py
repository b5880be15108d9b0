"""The recipes: named ways of answering a question, one table row each."""

from __future__ import annotations

from dataclasses import dataclass

from acclimate.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Recipe:
    """A runnable combination. `retrieves`: its template shows numbered passages; `summary` is for help texts."""

    name: str
    template: str
    retrieves: bool
    summary: str


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("rag", "rag", True, "search the documents, answer from the passages found, cite them"),
        Recipe("zero-shot", "zero-shot", False, "ask the model alone, without the documents"),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe `name`. Raises SettingsError naming the known ones."""
    if name not in RECIPES:
        raise SettingsError(f"there is no recipe '{name}'.", hint=f"Recipes: {', '.join(RECIPES)}.")
    return RECIPES[name]
