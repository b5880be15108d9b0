"""Ways to get from a prompt to an answer: directly, by reasoning first, in two stages, or by a
vote."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from acclimate.prompting.citations import final_words
from acclimate.prompting.recipes import Recipe
from acclimate.prompting.replies import plain
from acclimate.types import Completion, Generation, Message

Generate = Callable[[Sequence[Message], Generation], Completion]
"""One call of the model."""

SAMPLES, TEMPERATURE = 5, 0.7
"""Of a vote. Wang et al. (arXiv 2203.11171) sample at 0.5 to 0.7; five samples give most of what
forty do."""
REASONING_TOKENS = 256
_ANSWER = re.compile(r"^.*\banswer\s*(?:is)?\s*:\s*", re.IGNORECASE | re.DOTALL)
_STAGE_ROOM = 64  # tokens of the turns that the second stage adds


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote: its answer (with citation marks), the reasoning before it, and what all
    calls used."""

    text: str
    reasoning: str
    prompt_tokens: int
    completion_tokens: int
    finish: Literal["stop", "length", "cancelled"]
    calls: int = 1


def reserve(recipe: Recipe, generation: Generation) -> int:
    """Tokens of the window that a prompt must leave free."""
    match recipe.reasoning:
        case "none":
            return generation.max_tokens
        case "inline":
            return REASONING_TOKENS + generation.max_tokens
        case "two-stage":
            return REASONING_TOKENS + _STAGE_ROOM + generation.max_tokens


def write(
    recipe: Recipe, messages: Sequence[Message], ask: Generate, generation: Generation
) -> Written:
    """Lead the model through `messages` as the recipe says.

    For two stages `messages` are all turns, with an empty assistant turn where the reasoning goes.
    """
    if recipe.reasoning == "none":
        return _single(ask(messages, generation))
    if recipe.reasoning == "two-stage":
        return _two_stages(messages, ask, generation)
    longer = replace(generation, max_tokens=REASONING_TOKENS + generation.max_tokens)
    if not recipe.vote:
        return _split(ask(messages, longer))
    first = generation.seed or 0
    return _vote(
        [
            _split(ask(messages, replace(longer, temperature=TEMPERATURE, seed=first + n)))
            for n in range(SAMPLES)
        ]
    )


def _single(done: Completion) -> Written:
    return Written(
        plain(done.text),
        done.reasoning,
        done.prompt_tokens,
        done.completion_tokens,
        done.finish,
        done.calls,
    )


def _split(done: Completion) -> Written:
    """The answer is what follows the last "Answer:", else the last line: small models forget the
    word."""
    match = _ANSWER.match(done.text)
    cut = (
        match.end()
        if match
        else len(done.text.rstrip()) - len(done.text.rstrip().rpartition("\n")[2])
    )
    told = "\n".join(part for part in (done.reasoning, done.text[:cut].strip()) if part)
    return replace(_single(done), text=plain(done.text[cut:].strip()), reasoning=told)


def _two_stages(messages: Sequence[Message], ask: Generate, generation: Generation) -> Written:
    gap = next(index for index, message in enumerate(messages) if message.role == "assistant")
    reasoned = ask(messages[:gap], replace(generation, max_tokens=REASONING_TOKENS))
    if reasoned.finish == "cancelled":
        return _single(reasoned)
    filled = [*messages[:gap], replace(messages[gap], content=reasoned.text), *messages[gap + 1 :]]
    done = ask(filled, generation)
    return Written(
        plain(done.text),
        "\n".join(part for part in (reasoned.reasoning, reasoned.text, done.reasoning) if part),
        reasoned.prompt_tokens + done.prompt_tokens,
        reasoned.completion_tokens + done.completion_tokens,
        done.finish,
        calls=reasoned.calls + done.calls,
    )


def _vote(written: Sequence[Written]) -> Written:
    """The answer that most samples gave, compared by their words; ties go to the earlier."""
    counts = Counter(final_words(one.text) for one in written)
    chosen = max(written, key=lambda one: counts[final_words(one.text)])
    return replace(
        chosen,
        prompt_tokens=sum(one.prompt_tokens for one in written),
        completion_tokens=sum(one.completion_tokens for one in written),
        calls=sum(one.calls for one in written),
    )
