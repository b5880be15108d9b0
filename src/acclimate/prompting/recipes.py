"""Recipes: named ways of answering a question, composed of parts joined by `+`, like `rag`,
`rag+cot` or `lora+rag`.

What a model sees (nothing, passages, documents), how it is led to its answer (examples, reasoning,
a vote), and the adapter that it wears are independent of each other, so each part says one of these
and the order does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from acclimate.errors import SettingsError
from acclimate.types import Style

Context = Literal["nothing", "passages", "documents", "either"]
Shown = Literal["none", "nearest", "fixed", "bootstrapped"]
Reasoning = Literal["none", "inline", "two-stage"]
_ADAPTER = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A runnable combination.

    `context` is what the prompt shows (either: documents where all of them fit, else passages);
    `shown`, which solved examples it shows; `reasoning`, whether the model writes its reasoning
    first (inline: in one text that ends with a line "Answer: …"; two-stage: the answer is asked for
    afterwards, Kojima et al., arXiv 2205.11916); `vote`, whether the majority of several sampled
    answers counts (Wang et al., arXiv 2203.11171); `adapter` names a tuned adapter of the project
    ("" for the one in acclimate.toml); `extracts`, whether the extractor marks the answer in the
    passages and no language model is asked; `style`, how long the answer is (auto: as
    acclimate.toml says).
    """

    name: str
    context: Context = "nothing"
    shown: Shown = "none"
    reasoning: Reasoning = "none"
    vote: bool = False
    adapter: str = ""
    extracts: bool = False
    style: Style = "auto"

    @property
    def few_shot(self) -> bool:
        """Whether the prompt shows solved examples."""
        return self.shown != "none"

    @property
    def plain(self) -> Recipe:
        """The recipe without its examples."""
        name = "+".join(part for part in self.name.split("+") if not part.startswith("few-shot"))
        return replace(self, name=name or "zero-shot", shown="none")

    @property
    def reads(self) -> bool:
        """Whether the prompt shows numbered texts of the documents."""
        return self.context != "nothing"

    @property
    def adapter_name(self) -> str:
        """The adapter's name in the project: one that is trained on passages is another than one
        that is not."""
        return f"{self.adapter}+rag" if self.adapter and self.reads else self.adapter

    def check_json(self) -> None:
        """Raises SettingsError where the recipe cannot answer in JSON."""
        if self.extracts or self.reasoning != "none" or self.few_shot:
            raise SettingsError(
                f"the recipe '{self.name}' cannot answer by a schema: JSON holds no reasoning, "
                f"and neither solved "
                "examples nor marked passages are JSON.",
                hint="Use 'rag', 'stuffing' or 'zero-shot'.",
            )

    def check_full(self) -> None:
        """Raises SettingsError where the recipe cannot answer in style full."""
        if not self.reads or self.reasoning != "none" or self.few_shot:
            raise SettingsError(
                f"the recipe '{self.name}' has no full answers: each sentence needs a source among "
                "the passages, and solved examples and reasoning lead to short answers.",
                hint="Use 'rag+full', 'stuffing+full' or 'extract+full'.",
            )

    def in_style(self, style: Style) -> Recipe:
        """The recipe with another style; its name stays. Raises SettingsError where it cannot."""
        if style == "full":
            self.check_full()
        return replace(self, style=style)

    @property
    def template(self) -> str:
        """The name of its prompt template."""
        if self.reasoning == "two-stage":
            return "zero-shot-cot"
        base = {"nothing": "zero-shot", "documents": "stuffing"}.get(self.context, "rag")
        if self.reasoning != "none":
            return {"nothing": "cot"}.get(self.context, f"{base}-cot")
        return f"{base}-full" if self.style == "full" else base


PARTS = {
    "zero-shot": "ask the model alone, without the documents",
    "rag": "search the documents, answer from the passages found, cite them",
    "extract": "mark the answer in the passages found, exactly as it stands there, without the "
    "language model",
    "stuffing": "put whole documents into the prompt, all of them where they fit, else the most "
    "relevant",
    "auto": "stuffing where all documents fit what the model reads well, else rag; the answer "
    "tells why",
    "few-shot": "show solved questions of the train split before the question, those nearest to it",
    "few-shot-fixed": "show the same solved questions always: those that `acclimate optimise` "
    "chose, else the first",
    "few-shot-bootstrapped": "show train questions that the model solves by itself, in its own "
    "words",
    "cot": "reason step by step before the answer",
    "zero-shot-cot": "reason step by step, then ask for the answer (two calls)",
    "self-consistency": "sample several reasoned answers and take the majority",
    "short": "answer with the exact words and no more",
    "full": "answer in sentences, a list or steps, each with its source",
}
"""What each part means, for help texts; any other part names an adapter."""

STYLES: dict[str, Style] = {"short": "short", "full": "full"}
"""The parts that say how long an answer is."""

USUAL = (
    "zero-shot",
    "few-shot",
    "cot",
    "stuffing",
    "rag",
    "extract",
    "rag+few-shot",
    "rag+cot",
    "lora",
    "lora+rag",
)
"""Recipes worth comparing first."""


def find_recipe(name: str) -> Recipe:
    """The recipe `name`. Raises SettingsError for an empty or doubled part, and for parts that
    contradict each other."""
    parts = name.split("+")
    if len(set(parts)) != len(parts):
        raise SettingsError(f"the recipe '{name}' names a part twice.")
    if "extract" in parts and not {"extract", *STYLES}.issuperset(parts):
        raise SettingsError(
            f"the recipe '{name}': extract can only be combined with short or full.",
            hint="Use 'extract' or 'rag'.",
        )
    recipe = Recipe(name)
    for part in parts:
        style = STYLES.get(part)
        recipe = _add(recipe, part) if style is None else _styled(recipe, style)
    if recipe.reasoning == "two-stage" and recipe.reads:
        raise SettingsError(
            f"the recipe '{name}': zero-shot-cot reads no documents.", hint="Use 'rag+cot'."
        )
    if recipe.reasoning != "none" and recipe.shown in ("nearest", "fixed"):
        hint = "Leave few-shot or cot out, or take few-shot-bootstrapped."
        raise SettingsError(f"the recipe '{name}': the examples hold no reasoning.", hint=hint)
    if recipe.reasoning == "two-stage" and recipe.few_shot:
        raise SettingsError(
            f"the recipe '{name}': zero-shot-cot shows no examples.", hint="Use 'cot'."
        )
    if recipe.style == "full":
        recipe.check_full()
    return recipe


def _styled(recipe: Recipe, style: Style) -> Recipe:
    if recipe.style != "auto":
        raise SettingsError(f"the recipe '{recipe.name}' names two styles.", hint="Choose one.")
    return replace(recipe, style=style)


def _add(recipe: Recipe, part: str) -> Recipe:
    match part:
        case "zero-shot":
            return recipe
        case "extract":
            return replace(recipe, context="passages", extracts=True)
        case "rag" | "stuffing" | "auto":
            if recipe.reads:
                raise SettingsError(
                    f"the recipe '{recipe.name}' names two of rag, stuffing, auto.",
                    hint="Choose one.",
                )
            context: dict[str, Context] = {
                "rag": "passages",
                "stuffing": "documents",
                "auto": "either",
            }
            return replace(recipe, context=context[part])
        case "few-shot" | "few-shot-fixed" | "few-shot-bootstrapped":
            if recipe.few_shot:
                raise SettingsError(
                    f"the recipe '{recipe.name}' names two ways of examples.", hint="Choose one."
                )
            shown: dict[str, Shown] = {"few-shot": "nearest", "few-shot-fixed": "fixed"}
            return replace(recipe, shown=shown.get(part, "bootstrapped"))
        case "cot" | "zero-shot-cot" | "self-consistency":
            if recipe.reasoning != "none":
                raise SettingsError(
                    f"the recipe '{recipe.name}' names two ways of reasoning.", hint="Choose one."
                )
            reasoning: Reasoning = "two-stage" if part == "zero-shot-cot" else "inline"
            return replace(recipe, reasoning=reasoning, vote=part == "self-consistency")
    meant = get_close_matches(part, PARTS, n=1, cutoff=0.75)
    if meant or not _ADAPTER.fullmatch(part) or recipe.adapter:
        known = f"Join parts with '+': {', '.join(PARTS)}, and the name of one adapter that `acclimate tune` made."
        raise SettingsError(
            f"there is no recipe '{recipe.name}'.",
            hint=f"Did you mean '{meant[0]}'?" if meant else known,
        )
    return replace(recipe, adapter=part)
