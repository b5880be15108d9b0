"""What the model says of its own accord, kept while it learns something else.

Before training, the untouched network writes sequences of its own: prose from its first token on,
and questions with their answers from the place where its chat template lets a user speak. While it
learns, it is held to its old distribution over them. No text of others is needed, and what is kept
is what was there. Sources: Li and Hoiem, "Learning without Forgetting", arXiv 1606.09282; questions
out of the template alone: Xu et al., "Magpie", arXiv 2406.08464.
"""

from __future__ import annotations

import json
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
_ENOUGH = 192  # texts
_LEAST_SECONDS = 3.0  # of writing: less is no text worth the trouble
SHARE = 0.17
"""The share of training sequences that are the old self's."""
WRITING = 0.05
"""The share of a run's time in which the old self may write; with `SHARE` less than a fifth."""
_PACKED = 4  # texts in one training sequence
_COUNTS_AS = (
    2.0  # sequences of what is learnt: it has few tokens, or many in few, and these have many
)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a network writes: at most `tokens`, ended by one of the token ids `stops`; `temperature`
    0 is greedy."""

    tokens: int = 96
    seed: int = 0
    temperature: float = 1.0
    stops: tuple[int, ...] = ()


def old_self(
    network: nn.Module, chat: ChatFormat, file: Path, seconds: float, learnt: float
) -> list[Packed]:
    """Training sequences that hold a network to what it is now, before anything is trained.

    Its texts are kept in `file`, and those there are used again, so a run that was stopped goes on
    with the same. They are written in about so many `seconds`; [] where that is too few for any.
    `learnt` is how many tokens a sequence of the others teaches: one of these counts as twice that,
    as far as it has tokens.
    """
    if file.exists():
        texts: list[list[int]] = json.loads(file.read_text(encoding="utf-8"))
    elif seconds < _LEAST_SECONDS:
        return []
    else:
        texts = _write(network, chat, seconds)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(texts), encoding="utf-8")
        part.replace(file)
    tokens = _PACKED * sum(map(len, texts)) / max(1, len(texts))
    return remembered(network, texts, min(1.0, _COUNTS_AS * learnt / max(1.0, tokens)))


def _write(network: nn.Module, chat: ChatFormat, seconds: float) -> list[list[int]]:
    """Prose and chat in turn, some of each in any case."""
    starts = [one for one in ([_first(network, chat)], _before_user(chat)) if one]
    texts: list[list[int]] = []
    ends, turn = time.monotonic() + seconds, 0
    while turn < len(starts) or (len(texts) < _ENOUGH and time.monotonic() < ends):
        start = starts[turn % len(starts)]
        texts += sample(network, [start] * _TOGETHER, Writing(seed=turn))
        turn += 1
    return [one for one in texts if len(one) >= _SHORTEST]


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
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)


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


def remembered(network: nn.Module, texts: Sequence[Sequence[int]], weight: float) -> list[Packed]:
    """Training sequences that hold a network to what it was: the old distribution over all tokens
    of the old self's texts, several in each."""
    found = []
    for at in range(0, len(texts), _PACKED):
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
