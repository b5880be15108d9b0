"""The loss of a head that is dequantised by slices of the vocabulary: neither the head nor the
logits ever exist whole.

As attention is computed block by block (Milakov and Gimelshein, arXiv 1805.02867): the maximum and
the sum of exponentials so far are carried from slice to slice, and with them Σ exp(logit) · W, from
which the gradient follows. So every row of the head is dequantised once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from acclimate.tuning.quantised import BlockLinear

SLICE = 8192  # rows of the head


class SlicedCrossEntropy(torch.autograd.Function):
    """logsumexp(W h) − (W h)[label] of each row. With p the softmax, its gradient is
    Σ over v ≠ label of p_v W_v, plus (p_label − 1) W_label: two terms that cancel are never
    rounded apart."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, head: BlockLinear, labels: torch.Tensor
    ) -> torch.Tensor:
        """hidden: [T, h]; labels: [T] → [T], float32."""
        count = len(hidden)
        like: dict[str, Any] = {"device": hidden.device, "dtype": torch.float32}
        most = torch.full((count, 1), float("-inf"), **like)
        total, own = torch.zeros(count, 1, **like), torch.zeros(count, 1, **like)
        others = torch.zeros(hidden.shape, **like) if ctx.needs_input_grad[0] else None
        for start in range(0, head.out_features, SLICE):
            weight = head.rows(slice(start, start + SLICE))
            logits = (hidden @ weight.T).float()
            at = labels - start
            inside = ((at >= 0) & (at < len(weight))).nonzero()[:, 0]
            own[inside, 0] = logits[inside, at[inside]]
            higher = torch.maximum(most, logits.amax(1, keepdim=True))
            fade = torch.exp(most - higher)
            shares = logits.sub_(higher).exp_()
            total.mul_(fade).add_(shares.sum(1, keepdim=True))
            if others is not None:
                shares[inside, at[inside]] = 0
                others.mul_(fade).add_((shares.to(hidden.dtype) @ weight).float())
            most = higher
        losses = most + total.log() - own
        if others is not None:
            rest = -torch.expm1(-losses) * head.rows(labels).float()
            ctx.save_for_backward(others.div_(total).sub_(rest).to(hidden.dtype))
        result: torch.Tensor = losses[:, 0]
        return result

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """What `forward` found, times the gradient of each row."""
        (by_hidden,) = ctx.saved_tensors
        return by_hidden * grads[0][:, None].to(by_hidden.dtype), None, None


sliced_cross_entropy: Callable[..., torch.Tensor] = SlicedCrossEntropy.apply
