"""What runs a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from acclimate.types import Message

OnText = Callable[[str], bool]
"""Called with each new piece of text; return False to stop the generation."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How to generate.

    `max_tokens` bounds the new tokens; `temperature` 0 is greedy; `top_p` in (0, 1]; `stop` strings end the text and
    are not part of it; `seed` makes sampling repeatable where the engine can (None: no seed).
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The text a model wrote, its token counts, and why it ended: a stop token, `max_tokens`, or `on_text`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: Literal["stop", "length", "cancelled"]


class Engine(Protocol):
    """A language model that answers chat messages. Safe to call from several threads; calls may queue."""

    @property
    def name(self) -> str:
        """The model's name, for reports; includes the adapter where one is loaded."""

    @property
    def context_tokens(self) -> int:
        """Most tokens that prompt and answer may have together."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt as it will be sent: the model's own tokenizer and chat template, exactly."""

    def generate(self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None) -> Completion:
        """Answer `messages`; the pieces given to `on_text` concatenate to `Completion.text`.

        Raises PromptTooLongError when prompt plus `max_tokens` exceed `context_tokens` (never truncates), and
        EngineError when the model fails.
        """

    def close(self) -> None:
        """Free the model. A second call does nothing."""
