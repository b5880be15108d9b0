"""Losses over the whole vocabulary whose logits are there for some rows at a time only.

The gradient is found on the way, so that nothing of a row's logits is kept for the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812

Judge = Callable[[torch.Tensor, slice], tuple[torch.Tensor, torch.Tensor]]
"""From the logits [R, V] of the rows in a slice: their loss, and its gradient by the logits, which
may be written over them."""


def summed(
    ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, rows: int, judge: Judge
) -> torch.Tensor:
    """The sum over all rows of `hidden` [T, h] times `weight` [V, h], float32; what `scaled` needs
    is left in the `ctx` of an autograd function whose first two inputs these are."""
    total = torch.zeros((), device=hidden.device)
    by_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
    by_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
    for start in range(0, len(hidden), rows):
        some = slice(start, start + rows)
        loss, by_logits = judge(F.linear(hidden[some], weight), some)
        total += loss
        if by_hidden is None and by_weight is None:
            continue
        narrow = by_logits.to(hidden.dtype)
        if by_hidden is not None:
            by_hidden[some] = narrow @ weight
        if by_weight is not None:
            by_weight += (narrow.T @ hidden[some]).float()
    ctx.save_for_backward(by_hidden, by_weight if by_weight is None else by_weight.to(weight.dtype))
    return total


def scaled(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """What `summed` found, times the gradient of the sum."""
    by_hidden, by_weight = (
        None if one is None else one * gradient.to(one.dtype) for one in ctx.saved_tensors
    )
    return by_hidden, by_weight
