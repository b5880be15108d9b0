"""What the model says of its own accord, kept while it learns something else.

Before training, the untouched network writes sequences of its own: stories and articles that it is
asked for, questions with their answers from the place where its chat template lets a user speak,
and what follows its first token. While it learns, it is held to its old distribution over them. No
text of others is needed, and what is kept is what was there. Sources: Li and Hoiem, "Learning
without Forgetting", arXiv 1606.09282; questions out of the template alone: Xu et al., "Magpie",
arXiv 2406.08464.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from acclimate.models.chat import ChatFormat
from acclimate.tuning.beliefs import beliefs
from acclimate.tuning.packing import Example, Packed, as_targets, pack
from acclimate.types import Message

_TOGETHER = 32  # sequences that are written at once
_SHORTEST = 16  # tokens: less is no text
_ENOUGH = 384  # texts
_LEAST_SECONDS = 3.0  # of writing: less is no text worth the trouble
SHARE = 0.2
"""The share of training sequences that are the old self's."""
WRITING = 0.05
"""The share of a run's time in which the old self may write, and its texts be read once. Its training
sequences are shorter than others, so with `SHARE` of them it is about a fifth."""
_PACKED = 4  # texts in one training sequence
_COUNTS_AS = 4.0  # sequences of what is learnt: it has few tokens, and these have many
_HEAVIEST = 2.0  # times a token of what is learnt
_FIRST_TURNS = 2  # of writing, however short the time

# Left to itself a model writes what it was trained on most: one for code wrote code and hardly any prose, so prose was
# not held. Going on from a few words of prose it repeated itself; what it writes when asked to is sound.
HOW = (
    "Write a short story about",
    "Explain in a few sentences",
    "Write a newspaper article about",
    "Describe",
)
WHAT = (
    "volcanoes", "a market", "the moon", "bread", "a long journey by train", "football", "winter", "dogs", "a hospital",
    "painting", "the Roman Empire", "a family dinner", "wind", "a dentist", "the sea", "how to plant a tree", "money",
    "a school", "an accident on a road", "the heart", "music", "a king and his daughter", "elections", "coffee",
    "a city at night", "how clocks work", "two brothers", "rain", "the invention of the telephone", "a garden", "sleep",
    "a new neighbour",
)  # fmt: skip
ASKED = (
    "", "What is", "How do I", "Why", "Who was", "When did", "Where can", "Which", "How many", "Can you explain",
    "Tell me", "Write a short", "Is it true that", "Summarise", "What are the", "I have a", "Give me",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Writing:
    """How a network writes: at most `tokens`, ended by one of the token ids `stops`; `temperature`
    0 is greedy."""

    tokens: int = 96
    seed: int = 0
    temperature: float = 1.0
    stops: tuple[int, ...] = ()


def old_self(
    network: nn.Module,
    chat: ChatFormat,
    file: Path,
    seconds: float,
    learnt: float,
    *,
    shelf: Path,
) -> list[Packed]:
    """Training sequences that hold a network to what it is now, before anything is trained.

    Its texts are those on the `shelf`, where every run of this model leaves its own, and as many
    more as are written in about so many `seconds`; of them as many are used as are read in as many
    seconds again, and kept in `file`, so a run that was stopped goes on with the same. [] where the
    time is too short for any. `learnt` is how many tokens a sequence of the others teaches: one of
    these counts as four times that, as far as it has tokens.
    """
    if stopped := file.exists():
        texts = _read(file)
    elif seconds < _LEAST_SECONDS:
        return []
    else:
        texts = _read(shelf)
        if len(texts) < _ENOUGH:
            texts += _write(network, chat, seconds, len(texts))
            _keep(shelf, texts)
        random.Random(0).shuffle(texts)  # noqa: S311 -- some of each kind, where not all are read
    tokens = _PACKED * sum(map(len, texts)) / max(1, len(texts))
    weight = min(_HEAVIEST, _COUNTS_AS * learnt / max(1.0, tokens))
    held = remembered(network, texts, weight, math.inf if stopped else seconds)
    if not stopped:
        _keep(file, texts[: _PACKED * len(held)])
    return held


def _read(file: Path) -> list[list[int]]:
    """Texts as token ids; none where there is no such file."""
    texts: list[list[int]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return texts


def _keep(file: Path, texts: Sequence[Sequence[int]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(texts), encoding="utf-8")
    part.replace(file)


def _write(network: nn.Module, chat: ChatFormat, seconds: float, known: int) -> list[list[int]]:
    """More texts, of each kind in turn, than the `known` ones; some in any case where none are."""
    kinds = _kinds(network, chat)
    texts: list[list[int]] = []
    ends, turn = time.monotonic() + seconds, -(-known // _TOGETHER)
    while (known == 0 and turn < _FIRST_TURNS) or (
        known + len(texts) < _ENOUGH and time.monotonic() < ends
    ):
        kind = kinds[turn % len(kinds)]
        starts = random.Random(turn).choices(kind.starts, k=_TOGETHER)  # noqa: S311
        written = sample(network, starts, Writing(seed=turn, stops=kind.stops))
        texts += [
            kind.kept(start, one[len(start) :])
            for start, one in zip(starts, written, strict=True)
            if len(one) >= len(start) + _SHORTEST
        ]
        turn += 1
    return texts


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of text: what it begins with, at which tokens it ends, and, where it was ordered, the
    token to put in the place of the order."""

    starts: Sequence[Sequence[int]]
    stops: tuple[int, ...] = ()
    instead: int | None = None

    def kept(self, start: Sequence[int], more: Sequence[int]) -> list[int]:
        """What is learnt of a text."""
        if self.instead is None:
            return [*start, *more]
        return [self.instead, *(token for token in more if token not in self.stops)]


def _kinds(network: nn.Module, chat: ChatFormat) -> list[_Kind]:
    """Prose as ordered, twice as much as what users ask and whatever comes."""
    first, user = _first(network, chat), _before_user(chat)
    ends = [at for at, one in chat.tokenizer.get_added_tokens_decoder().items() if one.special]
    orders = [chat.encode([Message("user", f"{how} {what}.")]) for how in HOW for what in WHAT]
    prose = _Kind(orders, tuple(ends), first)
    asked = [[*user, *chat.tokenizer.encode(one, add_special_tokens=False).ids] for one in ASKED]
    return [prose, _Kind(asked if user else [[first]]), prose, prose, _Kind([[first]]), prose]


def sample(network: nn.Module, starts: Sequence[Sequence[int]], how: Writing) -> list[list[int]]:
    """Continuations of `starts` by the network's own distribution, each with its start, up to one of
    `how.stops` or as long as `how.tokens` allow."""
    device = next(network.parameters()).device
    generator = torch.Generator(device=device).manual_seed(how.seed)
    written: list[list[int]] = []
    for at in range(0, len(starts), _TOGETHER):
        some = starts[at : at + _TOGETHER]
        added = _continued(network, some, how, generator)
        written += [[*start, *more] for start, more in zip(some, added, strict=True)]
    return written


def _continued(
    network: Any, starts: Sequence[Sequence[int]], how: Writing, generator: torch.Generator
) -> list[list[int]]:
    """What follows each start, all of them at once; shorter starts are filled up on their left."""
    device, longest = next(network.parameters()).device, max(map(len, starts))
    rows = [[0] * (longest - len(one)) + list(one) for one in starts]
    seen = [[0] * (longest - len(one)) + [1] * len(one) for one in starts]
    inputs, mask = torch.tensor(rows, device=device), torch.tensor(seen, device=device)
    ended, past = torch.zeros(len(rows), dtype=torch.bool, device=device), None
    stops = torch.tensor(how.stops or (-1,), device=device)
    drawn: list[torch.Tensor] = []
    with torch.inference_mode():
        while len(drawn) < how.tokens and not bool(ended.all()):
            places = (mask.cumsum(1) - 1).clamp(min=0)[:, -inputs.shape[1] :]
            output = network(
                input_ids=inputs, attention_mask=mask, position_ids=places,
                past_key_values=past, use_cache=True, logits_to_keep=1,
            )  # fmt: skip
            logits, past = output.logits[:, -1].float(), output.past_key_values
            inputs = _draw(logits, how.temperature, generator)
            drawn.append(inputs[:, 0].masked_fill(ended, -1))
            ended |= torch.isin(inputs[:, 0], stops)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    if not drawn:
        return [[] for _ in starts]
    return [[token for token in row if token >= 0] for row in torch.stack(drawn, 1).tolist()]


def _draw(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """A token for each row [B, V] → [B, 1]; the likeliest at temperature 0."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    # By the sums rather than torch.multinomial, which draws a number for every word of the vocabulary: a third of the
    # time of writing.
    sums = (logits / temperature).softmax(-1).cumsum(-1)
    drawn = torch.rand(len(sums), 1, device=sums.device, generator=generator) * sums[:, -1:]
    return torch.searchsorted(sums, drawn, right=True).clamp(max=sums.shape[1] - 1)


def _first(network: nn.Module, chat: ChatFormat) -> int:
    """The token that a text begins with."""
    config: Any = network.config
    begin = config.bos_token_id
    if isinstance(begin, int):
        return begin
    return chat.encode([Message("user", "a")])[0]


def _before_user(chat: ChatFormat) -> list[int]:
    """The template's tokens up to where a user's words begin; [] where the words are not found."""
    with_one = chat.encode([Message("user", "a")])
    other = chat.encode([Message("user", "b")])
    pairs = zip(with_one, other, strict=False)
    return with_one[: next((at for at, (a, b) in enumerate(pairs) if a != b), 0)]


def remembered(
    network: nn.Module,
    texts: Sequence[Sequence[int]],
    weight: float,
    seconds: float = math.inf,
) -> list[Packed]:
    """Training sequences that hold a network to what it was: the old distribution over all tokens
    of the old self's texts, several in each; of as many as are read in about so many seconds."""
    found: list[Packed] = []
    ends = time.monotonic() + seconds
    for at in range(0, len(texts), _PACKED):
        if found and time.monotonic() > ends:
            break
        some = [Example(tuple(one[:1]), tuple(one[1:])) for one in texts[at : at + _PACKED]]
        packed = pack(some, 1 << 20)
        held = as_targets(beliefs(network, packed), weight)
        found.append(replace(packed, targets=held))
    return found


class WithReplay:
    """A sampler that lets the old self come in between."""

    def __init__(
        self,
        sample: Callable[[random.Random], Packed],
        replay: Sequence[Packed],
        share: float = SHARE,
    ) -> None:
        self._sample, self._replay, self._share = sample, replay, share

    def __call__(self, rng: random.Random) -> Packed:
        """Draws one sequence; equal random states draw equal ones."""
        if self._replay and rng.random() < self._share:
            return rng.choice(self._replay)
        return self._sample(rng)
