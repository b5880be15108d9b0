"""Tokens to text as they come: stop tokens, stop strings that are never shown in part, readers who
have had enough."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from acclimate.models.base import OnText
from acclimate.types import Completion

Decode = Callable[[int], str]
"""The text that a token adds to those before it; "" while a character is not complete."""


class TextStream:
    """One answer while it is written. `finish` is "" as long as it goes on."""

    def __init__(
        self,
        decode: Decode,
        stop_ids: Collection[int],
        stops: Sequence[str],
        on_text: OnText | None,
    ) -> None:
        self._decode, self._stop_ids, self._stops, self._on_text = decode, stop_ids, stops, on_text
        self._text, self._sent, self._tokens = "", 0, 0
        self.finish: Literal["", "stop", "cancelled"] = ""

    def take(self, token: int) -> None:
        """Take the next token; what follows the end is ignored."""
        if self.finish:
            return
        self._tokens += 1
        if token in self._stop_ids:
            self.finish = "stop"
            return
        self._text += self._decode(token)
        for stop in self._stops:
            if (place := self._text.find(stop)) >= 0:
                self._text, self.finish = self._text[:place], "stop"
        held = max((_overlap(self._text, stop) for stop in self._stops), default=0)
        self._send(len(self._text) - (0 if self.finish else held))

    def end(self) -> None:
        """Send what was held back in case a stop string began there."""
        if self.finish != "cancelled":
            self._send(len(self._text))

    def completion(self, prompt_tokens: int, max_tokens: int) -> Completion:
        """The finished text."""
        if self.finish == "cancelled":
            return Completion(self._text[: self._sent], prompt_tokens, self._tokens, "cancelled")
        stopped = self.finish or self._tokens < max_tokens
        return Completion(self._text, prompt_tokens, self._tokens, "stop" if stopped else "length")

    def _send(self, end: int) -> None:
        piece, self._sent = self._text[self._sent : end], max(end, self._sent)
        if piece and self._on_text is not None and not self._on_text(piece):
            self.finish = "cancelled"


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next(
        (n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0
    )
