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

    def attempt(shown: int) -> Prompt:
        messages = render(hits[:shown])
        return Prompt(messages, count(messages), tuple(hits[:shown]), tuple(hits[shown:]))

    prompt = attempt(len(hits))
    if prompt.tokens <= limit:
        return prompt
    if overflow == "drop-lowest" and hits and (least := attempt(1)).tokens <= limit:
        fits, exceeds = least, len(hits)
        while len(fits.passages) + 1 < exceeds:  # halving: whole documents can be thousands
            middle = attempt((len(fits.passages) + exceeds) // 2)
            fits, exceeds = (middle, exceeds) if middle.tokens <= limit else (fits, len(middle.passages))
        return fits
    prompt = prompt if overflow == "refuse" or not hits else least
    raise PromptTooLongError(
        f"the prompt has {prompt.tokens} tokens with {len(prompt.passages)} passages; {limit} fit.",
        hint="Lower [retrieval] k, [chunking] max_tokens or [model] max_tokens in acclimate.toml, "
        "or use a model with a longer context.",
    )
