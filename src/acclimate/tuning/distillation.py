"""Learning from a distribution instead of a word: a teacher's likeliest tokens and the mass of the
rest.

    KL(p ‖ q) = Σ p log(p / q) over the teacher's k likeliest tokens and, as one more, all others

Its gradient by the student's logits is q − t, where t is p for the k tokens, and for the others
what they hold of the rest's mass by the student's own distribution, so nothing moves among them.
Source of the loss: Hinton et al., arXiv 1503.02531; of the use, a student that knows what the
teacher reads in its prompt: Kujanpää et al., "Knowledge Injection via Prompt Distillation",
arXiv 2412.14964.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812

from acclimate.tuning.by_rows import scaled, summed
from acclimate.tuning.packing import Targets

_TINY = 1e-9


class ChunkedDivergence(torch.autograd.Function):
    """Σ over rows of KL(p ‖ q), a chunk of rows at a time; see `loss.ChunkedCrossEntropy`, which it
    equals where every p is certain."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        tokens: torch.Tensor,
        shares: torch.Tensor,
        rows: int,
    ) -> torch.Tensor:
        """hidden: [T, h]; weight: [V, h]; tokens, shares: [T, k] → the sum, float32."""

        def judge(logits: torch.Tensor, some: slice) -> tuple[torch.Tensor, torch.Tensor]:
            ids, p = tokens[some], shares[some]
            q = F.softmax(logits, -1, dtype=torch.float32)
            held = torch.where(p > 0, q.gather(1, ids), 0)
            rest = (1 - p.sum(1)).clamp(min=0)
            # Summed, not taken from 1: what is left of it may be less than a rounding error.
            others = _left(q, ids, p)
            loss = (p * (p.clamp(min=_TINY) / held.clamp(min=_TINY)).log()).sum()
            loss += (rest * (rest.clamp(min=_TINY) / others.clamp(min=_TINY)).log()).sum()
            kept = 1 - rest / others.clamp(min=_TINY)
            by_logits = (q * kept[:, None]).scatter_add(
                1, ids, torch.where(p > 0, held * (1 - kept[:, None]) - p, 0)
            )
            return loss, by_logits

        return summed(ctx, hidden, weight, rows, judge)

    @staticmethod
    def backward(
        ctx: Any, *grads: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None]:
        """What `forward` found, times the gradient of the sum."""
        return *scaled(ctx, grads[0]), None, None, None


def _left(q: torch.Tensor, ids: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """What a row of q holds besides the tokens that count in p."""
    gone = torch.zeros_like(q).scatter_add(1, ids, (p > 0).float())
    return torch.where(gone > 0, 0, q).sum(1)


divergence: Callable[..., torch.Tensor] = ChunkedDivergence.apply


def plain_divergence(logits: torch.Tensor, targets: Targets) -> torch.Tensor:
    """`divergence` where the logits [T, V] are there already: their sum, float32."""
    logs = F.log_softmax(logits, -1, dtype=torch.float32)
    ids, p = targets.tokens, targets.shares
    kept = torch.where(p > 0, logs.gather(1, ids), 0)
    gone = torch.zeros_like(logs).scatter_add(1, ids, (p > 0).float()) > 0
    others = logs.masked_fill(gone, float("-inf")).logsumexp(-1)
    rest = (1 - p.sum(1)).clamp(min=0)
    total = (p * (p.clamp(min=_TINY).log() - kept)).sum()
    return total + torch.where(rest > 0, rest * (rest.clamp(min=_TINY).log() - others), 0).sum()
