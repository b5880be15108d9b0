"""What a network holds at each token of an answer: its likeliest tokens, and the rest's mass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from acclimate.tuning.loss import answer_logits
from acclimate.tuning.packing import Belief, Example, Packed, pack

LIKELIEST = 20
"""Tokens of a distribution that are kept."""
_LEAST = 1e-3  # share from which a token is kept: what is less goes to the rest
_DIGITS = 4
_ROWS = 256  # whose shares are found at once


def beliefs(network: nn.Module, packed: Packed, most: int = LIKELIEST) -> list[Belief]:
    """What `network` holds at each labelled token of a packed sequence, in their order."""
    device = next(network.parameters()).device
    found: list[Belief] = []
    with torch.no_grad():
        logits = answer_logits(network, packed.to(device))
        for start in range(0, len(logits), _ROWS):
            shares = logits[start : start + _ROWS].float().softmax(-1)
            top = shares.topk(min(most, shares.shape[1]), dim=1)
            rows = zip(top.indices.tolist(), top.values.tolist(), strict=True)
            found += [_belief(ids, held) for ids, held in rows]
    return found


def _belief(ids: Sequence[int], shares: Sequence[float]) -> Belief:
    kept = [at for at, share in enumerate(shares) if share >= _LEAST] or [0]
    # Rounded here, so that what is read from a file later is the same.
    held = tuple(round(shares[at], _DIGITS) for at in kept)
    return Belief(tuple(ids[at] for at in kept), held)


def beliefs_of(network: nn.Module, examples: Sequence[Example]) -> list[list[Belief]]:
    """`beliefs` of examples that are read in one sequence: a list for each, one for each token of
    its answer."""
    length = sum(len(one.prompt) + len(one.answer) for one in examples)
    every = beliefs(network, pack(examples, length))
    found, start = [], 0
    for example in examples:
        found.append(every[start : start + len(example.answer)])
        start += len(example.answer)
    return found
