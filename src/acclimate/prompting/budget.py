"""Fitting passages to a token budget. Nothing is ever cut in the middle: a passage is shown whole or dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from acclimate.errors import PromptTooLongError
from acclimate.types import Hit, Message, Prompt

Overflow = Literal["drop-lowest", "refuse"]


def fit(
    hits: Sequence[Hit],
    render: Callable[[Sequence[Hit]], tuple[Message, ...]],
    count: Callable[[Sequence[Message]], int],
    limit: int,
    overflow: Overflow,
) -> Prompt:
    """The prompt with as many of `hits`, best first, as leave it within `limit` tokens.

    Raises PromptTooLongError where `overflow` is "refuse" and they do not all fit, or where not even one fits.
    """
    for shown in range(len(hits), -1, -1):
        if shown == 0 and hits:
            break
        messages = render(hits[:shown])
        tokens = count(messages)
        if tokens <= limit:
            return Prompt(messages, tokens, tuple(hits[:shown]), tuple(hits[shown:]))
        if overflow == "refuse":
            break
    raise PromptTooLongError(
        f"the prompt has {tokens} tokens with {max(shown, 1) if hits else 0} passages; {limit} fit.",
        hint="Lower [retrieval] k, [chunking] max_tokens or [model] max_tokens in acclimate.toml, "
        "or use a model with a longer context.",
    )
