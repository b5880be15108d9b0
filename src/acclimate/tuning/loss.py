"""The loss of packed answers: the vocabulary is multiplied only where there is a label, a chunk of
rows at a time.

Logits of 49,152 words for 2,000 tokens take 400 MB in float32, and their gradient as much again.
Here a chunk's logits become the chunk's gradient at once and are gone: peak memory is one chunk's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from acclimate.models.virtual import Virtual
from acclimate.tuning import generic
from acclimate.tuning.by_rows import scaled, summed
from acclimate.tuning.distillation import divergence, plain_divergence
from acclimate.tuning.held_loss import sliced_cross_entropy
from acclimate.tuning.network import hidden_states
from acclimate.tuning.packing import IGNORED, Packed
from acclimate.tuning.quantised import BlockLinear

CHUNK = 256  # rows


class ChunkedCrossEntropy(torch.autograd.Function):
    """Σ over rows of logsumexp(W h) − (W h)[label]; the gradient W'(softmax − one-hot) is found on
    the way."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, rows: int
    ) -> torch.Tensor:
        """hidden: [T, h]; weight: [V, h]; labels: [T] → the sum, float32."""

        def judge(logits: torch.Tensor, some: slice) -> tuple[torch.Tensor, torch.Tensor]:
            wanted = labels[some]
            logs = F.log_softmax(logits, -1, dtype=torch.float32)
            every = torch.arange(len(wanted), device=wanted.device)
            loss = -logs[every, wanted].sum()
            by_logits = logs.exp_()
            by_logits[every, wanted] -= 1
            return loss, by_logits

        return summed(ctx, hidden, weight, rows, judge)

    @staticmethod
    def backward(
        ctx: Any, *grads: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        """What `forward` found, times the gradient of the sum."""
        return *scaled(ctx, grads[0]), None, None


chunked_cross_entropy: Callable[..., torch.Tensor] = ChunkedCrossEntropy.apply


def answer_loss(
    network: nn.Module,
    packed: Packed,
    virtual: Virtual | None = None,
    *,
    checkpointing: bool = False,
) -> torch.Tensor:
    """Sum of the cross-entropy over the answers' tokens, in nats; `packed.answers` is how many they
    are. With `packed.targets`, their divergence from the teacher's distribution instead."""
    labelled = (packed.labels != IGNORED).nonzero()[:, 0]
    labels = packed.labels[labelled]
    if not generic.is_walked(network):
        logits = generic.answer_logits(network, packed, virtual, checkpointing=checkpointing)
        if packed.targets is not None:
            return plain_divergence(logits, packed.targets) * packed.targets.weight
        return F.cross_entropy(logits.float(), labels, reduction="sum")
    hidden = hidden_states(network, packed, virtual, labelled, checkpointing=checkpointing)
    head: Any = network.lm_head
    if (wanted := packed.targets) is not None:
        loss = divergence(hidden, head.weight, wanted.tokens, wanted.shares, CHUNK)
        return loss * wanted.weight
    if isinstance(head, BlockLinear):
        return sliced_cross_entropy(hidden, head, labels).sum()
    return chunked_cross_entropy(hidden, head.weight, labels, CHUNK)


def answer_logits(
    network: nn.Module, packed: Packed, virtual: Virtual | None = None
) -> torch.Tensor:
    """[T, v]: of every word, at each of the T places of `packed` that have a label, in its order;
    for any family. All at once, so for few places or without gradients."""
    if not generic.is_walked(network):
        return generic.answer_logits(network, packed, virtual)
    rows = (packed.labels != IGNORED).nonzero()[:, 0]
    head: Any = network.lm_head
    logits: torch.Tensor = head(hidden_states(network, packed, virtual, rows))
    return logits
