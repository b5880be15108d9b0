"""The forms that an answer takes, text or JSON: how each is asked for, written, read, and cleared
of links that are not earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from acclimate.prompting.citations import Resolved, resolve
from acclimate.prompting.links import without_links
from acclimate.prompting.recipes import Recipe
from acclimate.prompting.replies import OnText, Speaker, ask
from acclimate.prompting.techniques import Written, reserve, write
from acclimate.types import Generation, Hit, Message


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it was read: its text with citations, the text to show while it streams, and its
    value where it is JSON."""

    resolved: Resolved
    shown: str
    data: Any = None

    @property
    def quotes(self) -> list[str]:
        """The words that the answer cites."""
        return [citation.quote for citation in self.resolved.citations]


class Form(Protocol):
    """Text, or JSON by a schema."""

    @property
    def reserved(self) -> int:
        """Tokens of the window that a prompt must leave free."""

    def ask_for(self, question: str) -> str:
        """The question as it stands in a prompt, with what the form asks for."""

    def write(self, messages: Sequence[Message], engine: Speaker, on_text: OnText) -> Written:
        """Lead the engine to its answer; `on_text` gets what may be shown, as early as it may be.

        Raises EngineError where the model fails, and UnfilledError for JSON that stays wrong.
        """

    def read(self, text: str, passages: Sequence[Hit]) -> Said:
        """Resolve what was written against the passages that were shown."""

    def without_links(self, said: Said, question: str) -> Said:
        """The answer less the links that are not earned, see `acclimate.prompting.links`."""


@dataclass(frozen=True, slots=True)
class TextForm:
    """See `Form`: text, written as the recipe says."""

    recipe: Recipe
    generation: Generation

    @property
    def reserved(self) -> int:
        """See `Form`."""
        return reserve(self.recipe, self.generation)

    def ask_for(self, question: str) -> str:
        """See `Form`."""
        return question

    def write(self, messages: Sequence[Message], engine: Speaker, on_text: OnText) -> Written:
        """See `Form`."""
        if self.recipe.reasoning == "none":
            streamed = partial(ask, engine, on_text=on_text)
            return write(self.recipe, messages, streamed, self.generation)
        written = write(self.recipe, messages, partial(ask, engine), self.generation)
        on_text(written.text)  # the reasoning is not the answer, so it is not streamed as one
        return written

    def read(self, text: str, passages: Sequence[Hit]) -> Said:
        """See `Form`."""
        return Said(resolve(text, passages), text)

    def without_links(self, said: Said, question: str) -> Said:
        """See `Form`."""
        resolved = said.resolved
        if resolved.abstained or resolved.style == "full":  # there each sentence earns its own
            return said
        text, removed = without_links(resolved.text, question, said.quotes)
        marked, _ = without_links(resolved.marked, question, said.quotes)
        shown, _ = without_links(said.shown, question, said.quotes)
        return replace(
            said,
            resolved=replace(resolved, text=text, marked=marked, links_removed=removed),
            shown=shown,
        )
