"""Fitting passages to a token budget, by a policy that the answer's usage tells.

drop-lowest leaves out the lowest ranked; compress shows of each passage the sentences in a row that
share most with the question; map-reduce asks about parts of the passages first (`groups`); refuse
raises. Nothing is cut inside a sentence, and what is shown of a passage is always a span of its
document.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from acclimate.errors import PromptTooLongError
from acclimate.prompting.citations import sentences
from acclimate.text.folding import matched
from acclimate.types import Chunk, Hit, Message, Prompt, Span

Overflow = Literal["drop-lowest", "compress", "map-reduce", "refuse"]
Render = Callable[[Sequence[Hit]], tuple[Message, ...]]
Count = Callable[[Sequence[Message]], int]
_BISECTIONS = 7  # of the share that is shown of each passage: to less than one per cent
_WORD = re.compile(r"\w+")


def fit(
    hits: Sequence[Hit],
    render: Render,
    count: Count,
    limit: int,
    overflow: Overflow,
    question: str = "",
) -> Prompt:
    """The prompt with `hits` within `limit` tokens; where they do not all fit, as `overflow` says.

    map-reduce fits here as compress does: it is for what is left after the parts were asked about.
    Raises PromptTooLongError for "refuse", and where not even one passage fits.
    """

    def attempt(
        shown: Sequence[Hit], dropped: Sequence[Hit] = (), policy: str = "", cut: int = 0
    ) -> Prompt:
        messages = render(shown)
        return Prompt(messages, count(messages), tuple(shown), tuple(dropped), policy, cut)

    prompt = attempt(hits)
    if prompt.tokens <= limit:
        return prompt
    if overflow in ("compress", "map-reduce") and hits:
        if (fits := _compress(hits, attempt, limit, question)) is not None:
            return fits
        hits = [shorten(hit, question, 0.0) for hit in hits]
    if (
        overflow != "refuse"
        and hits
        and (least := attempt(hits[:1], hits[1:], "drop-lowest")).tokens <= limit
    ):
        fits, exceeds = least, len(hits)
        while len(fits.passages) + 1 < exceeds:  # halving: whole documents can be thousands
            middle = (len(fits.passages) + exceeds) // 2
            tried = attempt(hits[:middle], hits[middle:], "drop-lowest")
            fits, exceeds = (tried, exceeds) if tried.tokens <= limit else (fits, middle)
        return fits
    prompt = prompt if overflow == "refuse" or not hits else least
    raise PromptTooLongError(
        f"the prompt has {prompt.tokens} tokens with {len(prompt.passages)} passages; {limit} fit.",
        hint="Lower [retrieval] k, [chunking] max_tokens or [model] max_tokens in acclimate.toml, "
        "set [answer] "
        "overflow, or use a model with a longer context.",
    )


def groups(hits: Sequence[Hit], render: Render, count: Count, limit: int) -> list[Prompt]:
    """Prompts that show all of `hits` together, each within `limit` tokens; a passage that does not
    fit alone is shown in several parts. Raises PromptTooLongError where not one sentence of it
    fits."""
    left, prompts = list(hits), []
    while left:
        try:
            prompt = fit(left, render, count, limit, "drop-lowest")
        except PromptTooLongError:
            spans = sentences(left[0].chunk.text)
            if len(spans) < 2:
                raise
            middle = spans[len(spans) // 2].start
            whole = Span(0, len(left[0].chunk.text))
            left[:1] = [_part(left[0], Span(0, middle)), _part(left[0], Span(middle, whole.end))]
            continue
        prompts.append(prompt)
        left = list(prompt.dropped)
    return prompts


def shorten(hit: Hit, question: str, share: float) -> Hit:
    """The passage's sentences in a row that hold most of the question's words, of at most `share`
    of its characters, and one sentence at least. Words count the more, the fewer sentences hold
    them."""
    text = hit.chunk.text
    spans = sentences(text)
    if len(spans) < 2 or share >= 1:
        return hit
    wanted = _stems(question)
    held = [wanted & _stems(text[span.start : span.end]) for span in spans]
    seen = Counter(word for words in held for word in words)
    worth = [sum(math.log(1 + len(spans) / seen[word]) for word in words) for words in held]
    totals = [0.0, *itertools.accumulate(worth)]
    most, end, best = share * len(text), 0, (-1.0, 0, 1)
    for start, span in enumerate(spans):
        end = max(end, start + 1)
        while end < len(spans) and spans[end].end - span.start <= most:
            end += 1
        if (total := totals[end] - totals[start]) > best[0] + 1e-9:
            best = (total, start, end)
    return _part(hit, Span(spans[best[1]].start, spans[best[2] - 1].end))


def _stems(text: str) -> set[str]:
    """Words by their beginnings, so that "weigh" meets "weighs"."""
    return {word[:5] for word in _WORD.findall(matched(text))}


def _compress(
    hits: Sequence[Hit], attempt: Callable[..., Prompt], limit: int, question: str
) -> Prompt | None:
    """All passages, each as long as fits; None where not even one sentence of each does."""
    best, low, high = None, 0.0, 1.0
    for share in [0.0, *[math.nan] * _BISECTIONS]:
        tried = (low + high) / 2 if math.isnan(share) else share
        shown = [shorten(hit, question, tried) for hit in hits]
        cut = sum(short.chunk != hit.chunk for short, hit in zip(shown, hits, strict=True))
        prompt = attempt(shown, (), "compress", cut)
        if prompt.tokens <= limit:
            best, low = prompt, tried
        elif best is None:
            return None
        else:
            high = tried
    return best


def _part(hit: Hit, span: Span) -> Hit:
    chunk: Chunk = hit.chunk
    start, end = chunk.start + span.start, chunk.start + span.end
    part = replace(
        chunk,
        start=start,
        end=end,
        text=chunk.text[span.start : span.end],
        page=chunk.page_at(start),
        breaks=tuple(place for place in chunk.breaks if start < place < end),
    )
    return replace(hit, chunk=part)
