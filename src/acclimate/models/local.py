"""Shared by the engines that read a model file in this process."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from acclimate.errors import PromptTooLongError
from acclimate.models.chat import ChatTemplate
from acclimate.types import Generation, Message


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a model's files say of it: its name, its window in tokens, how it is prompted and which
    tokens end an answer."""

    name: str
    context_tokens: int
    chat: ChatTemplate
    stop_ids: Set[int]


class ChatEngine:
    """What an engine says of itself, from its `_name`, its window `_context` and its `_chat`."""

    _name: str
    _context: int
    _chat: ChatTemplate

    @property
    def name(self) -> str:
        """The model's name and the adapter's."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """See `Engine`."""
        return self._context

    @property
    def prefill(self) -> str:
        """What the chat template writes where the assistant begins to speak."""
        return self._chat.prefill


class LocalEngine(ChatEngine, ABC):
    """An `Engine` over a GGUF chat model, optionally with the folder of an adapter.

    `cache` keeps what is derived from the model; `sha256` is the model file's, read from the file
    where None; `context_tokens` narrows the model's own window. Raises ModelError where the model
    or adapter cannot be used.
    """

    def __init__(
        self,
        model: Path,
        cache: Path,
        *,
        adapter: Path | None = None,
        sha256: str | None = None,
        context_tokens: int | None = None,
        name: str = "",
    ) -> None:
        self._lock = threading.Lock()
        loaded = self._open(model, cache, adapter, sha256)
        self._name = (name or loaded.name) + (f"+{adapter.name}" if adapter else "")
        self._context = min(context_tokens or loaded.context_tokens, loaded.context_tokens)
        self._chat, self._stop_ids = loaded.chat, set(loaded.stop_ids)

    @abstractmethod
    def _open(self, model: Path, cache: Path, adapter: Path | None, sha256: str | None) -> Loaded:
        """Load the model with its adapter, once, when the engine is made."""

    def _encode(self, messages: Sequence[Message], options: Generation) -> list[int]:
        """The prompt's tokens. Raises PromptTooLongError where the answer may not fit after it."""
        ids = self._chat.encode(messages)
        require_room(self._name, len(ids), options.max_tokens, self._context)
        return ids


def require_room(name: str, prompt: int, answer: int, window: int) -> None:
    """Raises PromptTooLongError where a prompt and its longest answer, in tokens, exceed the
    window."""
    if prompt + answer > window:
        raise PromptTooLongError(
            f"the prompt has {prompt} tokens and the answer may have {answer}; {name} has a window "
            f"of {window}.",
            hint="Show fewer passages ([retrieval] k), or use a model with a longer context.",
        )
