"""The protocol of engines, which run a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from acclimate.types import Completion, Generation, Message

OnText = Callable[[str], bool]
"""Called with each new piece of text; return False to stop the generation."""


class Engine(Protocol):
    """A language model that answers chat messages. Safe to call from several threads; calls may
    queue."""

    @property
    def name(self) -> str:
        """The model's name, for reports; includes the adapter where one is loaded."""

    @property
    def context_tokens(self) -> int:
        """Most tokens that prompt and answer may have together."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt as it will be sent: the model's own tokenizer and chat template,
        exactly."""

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """Answer `messages`; the pieces given to `on_text` concatenate to `Completion.text`.

        Raises PromptTooLongError when prompt plus `max_tokens` exceed `context_tokens` (never
        truncates), and EngineError when the model fails.
        """

    def close(self) -> None:
        """Free the model. A second call does nothing."""
