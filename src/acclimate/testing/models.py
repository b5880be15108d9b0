"""A scripted language model for tests, and the contract that every `Engine` must keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from acclimate.errors import PromptTooLongError
from acclimate.models.base import Engine, OnText
from acclimate.types import Completion, Generation, Message


class Heard:
    """An `OnText` that records the pieces and stops the generation after `limit` of them (None:
    never)."""

    def __init__(self, limit: int | None = None) -> None:
        self.pieces: list[str] = []
        self._limit = limit

    def __call__(self, piece: str) -> bool:
        """Take a piece."""
        self.pieces.append(piece)
        return self._limit is None or len(self.pieces) < self._limit

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)


Script = Callable[[Sequence[Message]], str]
_SHORT = [
    Message("system", "Answer in a few words."),
    Message("user", "What is the capital of France?"),
]


class ScriptedEngine:
    """Says what `script` makes of the messages, word by word. Words are its tokens."""

    def __init__(self, script: Script, context_tokens: int = 2048, name: str = "scripted") -> None:
        self._script, self._context, self._name = script, context_tokens, name
        self.prompts: list[tuple[Message, ...]] = []

    @property
    def name(self) -> str:
        """See `Engine`."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """See `Engine`."""
        return self._context

    def count(self, messages: Sequence[Message]) -> int:
        """Words of the messages, and one for each message."""
        return sum(1 + len(message.content.split()) for message in messages)

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`."""
        tokens = self.count(messages)
        if tokens + options.max_tokens > self._context:
            raise PromptTooLongError(
                f"{tokens} + {options.max_tokens} tokens do not fit in {self._context}."
            )
        self.prompts.append(tuple(messages))
        text = self._script(messages)
        for stop in options.stop:
            text = text.split(stop)[0]
        words = text.split(" ")
        sent = ""
        for number, word in enumerate(words[: options.max_tokens]):
            piece = word if number == 0 else f" {word}"
            sent += piece
            if on_text is not None and piece and not on_text(piece):
                return Completion(sent, tokens, number + 1, "cancelled")
        finish = "length" if len(words) > options.max_tokens else "stop"
        return Completion(
            sent,
            tokens,
            min(len(words), options.max_tokens),
            "length" if finish == "length" else "stop",
        )

    def close(self) -> None:
        """See `Engine`."""


def check_engine(engine: Engine, *, counts_exactly: bool = True) -> None:
    """Hold an engine to the contract of `Engine`; raises AssertionError with the rule that it
    breaks.

    `counts_exactly` is False for engines that can only estimate a prompt's tokens.
    """
    options = Generation(max_tokens=12)
    heard = Heard()
    first = engine.generate(_SHORT, options, heard)
    _require(heard.text == first.text, "the pieces concatenate to the text")
    _require(first.completion_tokens <= 12, "max_tokens bounds the answer")
    _require(
        first.finish in ("stop", "length"), "an answer that nobody cancels ends by stop or length"
    )
    _require(engine.generate(_SHORT, options).text == first.text, "temperature 0 is repeatable")
    if counts_exactly:
        _require(engine.count(_SHORT) == first.prompt_tokens, "count() is what is sent")
    _check_length(engine)
    _check_cancel(engine, first.text)
    _check_stop(engine, first.text)
    engine.generate([Message("user", "żółć 中文 🙂 \u202e")], Generation(max_tokens=3))


def _check_length(engine: Engine) -> None:
    one = engine.generate(_SHORT, Generation(max_tokens=1))
    _require(one.completion_tokens <= 1, "max_tokens 1 gives at most one token")
    refused = False
    try:
        engine.generate(
            [Message("user", "word " * engine.context_tokens * 2)], Generation(max_tokens=1)
        )
    except PromptTooLongError:
        refused = True
    _require(refused, "a prompt beyond the window is refused, never cut")


def _check_cancel(engine: Engine, text: str) -> None:
    heard = Heard(limit=1)
    cancelled = engine.generate(_SHORT, Generation(max_tokens=12), heard)
    _require(len(heard.pieces) <= 1, "nothing is sent after on_text returned False")
    _require(heard.text == cancelled.text, "a cancelled text is what was sent")
    _require(not text or cancelled.finish == "cancelled", "a cancelled answer says so")


def _check_stop(engine: Engine, text: str) -> None:
    if len(text) < 4:
        return
    stop, heard = text[2:4], Heard()
    stopped = engine.generate(_SHORT, Generation(max_tokens=12, stop=(stop,)), heard)
    _require(stopped.text == text[: text.index(stop)], "the text ends before a stop string")
    _require(heard.text == stopped.text, "no part of a stop string is sent")
    _require(stopped.finish == "stop", "a stop string ends by stop")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(f"the engine breaks a rule: {rule}.")
