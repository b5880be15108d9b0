"""Several questions over one shared prompt, trained in one sequence without seeing each other.

A reader's prompt is mostly passages; questions about the same passages differ only at its end. The
shared beginning is put once, then each question's own end and answer as a branch that attends to
the beginning and to itself:

    shared  q1 a1  q2 a2            positions restart after the shared part for every branch
    ■■■■■■                          so that the loss is exactly that of the unpacked examples
    ■■■■■■  ■■■
    ■■■■■■       ■■■

Source of the idea: shared-prefix packing, as in Hydragen (arXiv 2402.05099) for decoding; here for
training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch

from acclimate.errors import SettingsError

IGNORED = -100  # the label of a token that is not learnt, as in torch.nn.functional.cross_entropy


@dataclass(frozen=True, slots=True)
class Belief:
    """A teacher's distribution over one token: its likeliest `tokens` with their `shares`, the
    likeliest first. What the shares lack of 1 is all other tokens'."""

    tokens: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one prompt and of the answer to learn, the end-of-turn token included; `taught`
    is what a teacher holds at the first tokens of the answer."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    taught: tuple[Belief, ...] = ()


@dataclass(frozen=True, slots=True)
class Targets:
    """What a teacher holds at each of T labelled tokens: its likeliest `tokens` [T, k] with their
    `shares` [T, k]; what these lack of 1 is the rest's. `weight` is that of the sequence's loss."""

    tokens: torch.Tensor
    shares: torch.Tensor
    weight: float = 1.0

    def to(self, device: torch.device) -> Targets:
        """The same on a device."""
        return Targets(self.tokens.to(device), self.shares.to(device), self.weight)


@dataclass(frozen=True, slots=True)
class Packed:
    """One training sequence of L tokens: `tokens`, `positions`, `branches` and `labels`, each [L].

    `branches` is 0 for the shared part and i + 1 for example i. `labels[t]` is the token that
    follows token t in its own branch where that token belongs to an answer, else IGNORED. With
    `targets` the labels only say where there is something to learn.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    branches: torch.Tensor
    labels: torch.Tensor
    targets: Targets | None = None

    @property
    def answers(self) -> int:
        """How many tokens are learnt; of a weighted sequence, as many as it counts for."""
        count = int((self.labels != IGNORED).sum())
        return count if self.targets is None else math.ceil(count * self.targets.weight)

    def to(self, device: torch.device) -> Packed:
        """The same on a device."""
        return Packed(
            self.tokens.to(device),
            self.positions.to(device),
            self.branches.to(device),
            self.labels.to(device),
            None if self.targets is None else self.targets.to(device),
        )

    def mask(self) -> torch.Tensor:
        """[L, L] bool: whether the row's token sees the column's."""
        length = len(self.tokens)
        earlier = torch.ones(length, length, dtype=torch.bool, device=self.tokens.device).tril()
        return earlier & ((self.branches == 0) | (self.branches[:, None] == self.branches))


def pack(examples: Sequence[Example], max_tokens: int) -> Packed:
    """Pack examples over the longest beginning that their prompts share.

    Raises SettingsError for an example without an answer, or where the whole exceeds `max_tokens`.
    """
    if not examples or not all(example.prompt and example.answer for example in examples):
        raise SettingsError(
            "an example has an empty prompt or answer.", hint="Every pair needs both texts."
        )
    firsts = zip(*(example.prompt[:-1] for example in examples), strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, firsts))
    tokens = list(examples[0].prompt[:shared])
    positions, branches, labels = list(range(shared)), [0] * shared, [IGNORED] * shared
    for branch, example in enumerate(examples, start=1):
        own = example.prompt[shared:]
        tokens += [*own, *example.answer]
        positions += range(shared, shared + len(own) + len(example.answer))
        branches += [branch] * (len(own) + len(example.answer))
        labels += [IGNORED] * (len(own) - 1) + list(example.answer) + [IGNORED]
    if len(tokens) > max_tokens:
        raise SettingsError(
            f"a packed example has {len(tokens)} tokens; {max_tokens} are allowed.",
            hint="Show fewer or shorter passages, or raise max_tokens.",
        )
    return Packed(
        torch.tensor(tokens),
        torch.tensor(positions),
        torch.tensor(branches),
        torch.tensor(labels),
        _targets(examples),
    )


def _targets(examples: Sequence[Example]) -> Targets | None:
    """What is taught of the examples' answers; a token of which nothing is taught is certain. None
    where nothing is taught of any."""
    if not any(example.taught for example in examples):
        return None
    held = [
        (*example.taught, *map(certain, example.answer[len(example.taught) :]))
        for example in examples
    ]
    return as_targets([belief for some in held for belief in some])


def certain(token: int) -> Belief:
    """No doubt at all."""
    return Belief((token,), (1.0,))


def as_targets(beliefs: Sequence[Belief], weight: float = 1.0) -> Targets:
    """Beliefs of T tokens as rows of one width, filled up with shares of 0."""
    width = max(len(one.tokens) for one in beliefs)
    tokens = [[*one.tokens, *[0] * (width - len(one.tokens))] for one in beliefs]
    shares = [[*one.shares, *[0.0] * (width - len(one.shares))] for one in beliefs]
    return Targets(torch.tensor(tokens), torch.tensor(shares), weight)
