"""What a search tries: one choice at a time around a recipe, and then the choices together that were
good alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from acclimate.errors import SettingsError
from acclimate.evaluation.comparison import Metric
from acclimate.prompting.recipes import STYLES, find_recipe
from acclimate.settings import Settings
from acclimate.workflows.entries import (
    OWN,
    Wanted,
    read_entry,
    require_model,
    settings_of,
    shown_model,
)
from acclimate.workspace.workspace import Workspace

AS_IT_IS = "as it is"
Kind = Literal["retrieval", "chunking", "style", "prompt", "model"]
# One choice at a time, and some that often help together. A wider net needs more questions than
# people have.
_RETRIEVAL: tuple[Mapping[str, Any], ...] = (
    {"k": 2},
    {"k": 6},
    {"k": 8},
    {"method": "dense"},
    {"method": "text"},
    {"dense_weight": 0.5},
    {"fusion": "rrf"},
    {"neighbours": 1, "k": 3},
    {"diversity": 0.3},
    {"method": "text", "k": 2},
    {"dense_weight": 0.5, "k": 2},
)
_CHUNKING: tuple[Mapping[str, Any], ...] = (
    {"max_tokens": 100},
    {"max_tokens": 400},
    {"method": "sections"},
    {"method": "parent-child"},
)
_PROMPTS = ("few-shot", "cot")
# Exact match and F1 compare with short references: by them a style would be chosen for its length.
_TELLS_STYLES = ("facts", "full", "complete")
_TOGETHER = 6  # candidates of several choices, at most


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to do differently: settings of [retrieval] or [chunking], parts of the recipe's
    name, or a model."""

    kind: Kind
    settings: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""
    model: str = OWN


@dataclass(frozen=True, slots=True)
class SearchCandidate:
    """A recipe with a model, settings and chunks that differ from the project's by its
    `choices`."""

    wanted: Wanted
    choices: tuple[Choice, ...] = ()

    @property
    def name(self) -> str:
        """Its recipe and what is different."""
        parts = [self.wanted.recipe.name]
        for one in self.choices:
            before = "chunking." if one.kind == "chunking" else ""
            parts += [f"{before}{name}={value}" for name, value in one.settings.items()]
        if self.wanted.model != OWN:
            parts.append(f"@{shown_model(self.wanted.model)}")
        return " ".join(parts)

    @property
    def chunking(self) -> Mapping[str, Any]:
        """What differs in [chunking]."""
        found = [one.settings for one in self.choices if one.kind == "chunking"]
        return found[0] if found else {}

    def settings(self, own: Settings) -> Settings:
        """The project's settings with the candidate's. Raises SettingsError for values that do not
        go together."""
        chosen = settings_of(own, self.wanted)
        if not self.chunking:
            return chosen
        return chosen.model_copy(
            update={"chunking": own.chunking.model_copy(update=dict(self.chunking))}
        )


def candidates(
    workspace: Workspace,
    recipe: str,
    metric: Metric = "f1",
    models: Sequence[str] = (),
    *,
    chunking: bool = True,
) -> dict[str, SearchCandidate]:
    """One choice at a time around a recipe, by name; the project as it is comes first.

    Raises SettingsError for a recipe that reads no documents, and for a model that is none.
    """
    base, _ = read_entry(recipe)
    if not base.recipe.reads:
        raise SettingsError(
            f"'{recipe}' retrieves nothing to search for.", hint="Search around rag."
        )
    found = {AS_IT_IS: SearchCandidate(base)}
    for choice in _choices(workspace, base, metric, models, chunking=chunking):
        one = with_choices(base, [choice])
        if one is not None:
            found[one.name] = one
    return found


def together(
    base: Wanted, tried: Mapping[str, SearchCandidate], means: Mapping[str, float]
) -> dict[str, SearchCandidate]:
    """The best choice of each kind with those of other kinds, all together first; of choices that
    were better alone than the project as it is, by their `means` on the same questions."""
    best: dict[Kind, Choice] = {}
    for name in sorted(means, key=lambda name: -means[name]):
        if name == AS_IT_IS or means[name] <= means[AS_IT_IS]:
            continue
        (choice,) = tried[name].choices
        best.setdefault(choice.kind, choice)
    found: dict[str, SearchCandidate] = {}
    for count in range(len(best), 1, -1):
        for some in itertools.combinations(best.values(), count):
            one = with_choices(base, some)
            if one is not None and len(found) < _TOGETHER:
                found[one.name] = one
    return found


def with_choices(base: Wanted, choices: Sequence[Choice]) -> SearchCandidate | None:
    """The candidate that makes these choices; None where its recipe cannot be."""
    parts = base.recipe.name.split("+")
    changed = {section: dict(values) for section, values in base.changed.items()}
    model = base.model
    for one in choices:
        if one.kind == "style":
            parts = [part for part in parts if part not in STYLES]
        if one.part:
            parts.append(one.part)
        if one.kind == "retrieval":
            changed["retrieval"] = changed.get("retrieval", {}) | dict(one.settings)
        if one.kind == "model":
            model = one.model
    try:
        recipe = find_recipe("+".join(parts))
    except SettingsError:  # the parts contradict each other
        return None
    return SearchCandidate(
        replace(base, recipe=recipe, changed=changed, model=model), tuple(choices)
    )


def _choices(
    workspace: Workspace, base: Wanted, metric: Metric, models: Sequence[str], *, chunking: bool
) -> Iterator[Choice]:
    now = settings_of(workspace.settings, base)
    yield from (Choice("retrieval", one) for one in _RETRIEVAL if _differs(now.retrieval, one))
    if chunking:
        yield from (Choice("chunking", one) for one in _CHUNKING if _differs(now.chunking, one))
    solved = any(question.split == "train" for question in workspace.questions())
    yield from (Choice("prompt", part=part) for part in _prompts(base, solved=solved))
    style = base.recipe.style if base.recipe.style != "auto" else now.answer.style
    if metric in _TELLS_STYLES:
        yield from (Choice("style", part=part) for part in STYLES if part != style)
    for model in dict.fromkeys(models):
        require_model(model)
        if model != base.model:
            yield Choice("model", model=model)


def _prompts(base: Wanted, *, solved: bool) -> list[str]:
    """Parts that lead to the answer in another way, where the recipe has none of them."""
    recipe = base.recipe
    if recipe.few_shot or recipe.reasoning != "none" or recipe.extracts:
        return []
    return [part for part in _PROMPTS if solved or part != "few-shot"]


def _differs(now: object, settings: Mapping[str, Any]) -> bool:
    return any(getattr(now, name) != value for name, value in settings.items())
