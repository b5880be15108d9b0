"""Attention of a packed sequence: every token looks at the shared beginning and back along its own
branch.

On a CPU the way back of PyTorch's fused kernel takes four times as long as the matrix products
below, so these train there; other devices have the kernel. The heads that share a key head stand as
rows of one product. Scores are float32: bfloat16 would round one of 32 by up to 0.125.

Letters: L tokens, p virtual tokens before them, n heads over g key heads (m each), d head width; a
block has R queries and sees K keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from acclimate.tuning.spans import Spans
from acclimate.tuning.varlen import fits_kernel, flash, in_one_call

# most queries of a block: a long span's early queries are not multiplied with its late keys
ROWS = 256
# most queries of short spans that make a block together: what they do not see of each other costs
# less than a block for each
TOGETHER = 128
KEPT = (
    1 << 22
)  # most probabilities of a layer that are kept for the way back (8 MB) rather than computed again


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, spans: Spans) -> torch.Tensor:
    """q: [L, n, d]; k, v: [p + L, g, d], virtual tokens first → [L, n · d]."""
    if q.device.type == "cpu":
        return _products(q, k, v, spans)
    return in_one_call(q, k, v, spans, flash) if fits_kernel(q) else fused(q, k, v, spans)


def fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, spans: Spans) -> torch.Tensor:
    """`attend` by PyTorch's kernel, a span at a time."""
    virtual, parts = len(k) - len(q), []
    for start, end, seen in spans.each(virtual):
        keys, values = (
            torch.cat([one[:seen], one[virtual + start : virtual + end]]).transpose(0, 1)
            for one in (k, v)
        )
        mask = (
            torch.ones(end - start, keys.shape[1], dtype=torch.bool, device=q.device).tril(seen)
            if seen
            else None
        )
        part = F.scaled_dot_product_attention(
            q[None, start:end].transpose(1, 2), keys[None], values[None],
            attn_mask=mask, is_causal=mask is None, enable_gqa=True,
        )  # fmt: skip
        parts.append(part[0].transpose(0, 1).flatten(1))
    return torch.cat(parts)


@dataclass(frozen=True, slots=True)
class _Block:
    """Queries `start` to `end`; they see the first `seen` keys and, of those from `first` to
    `last`, the ones of their own span up to themselves. `lengths` are the spans' queries."""

    start: int
    end: int
    seen: int
    first: int
    last: int
    lengths: tuple[int, ...]

    def rows(self, x: torch.Tensor, groups: int) -> torch.Tensor:
        """The block's part of x [L, n, d] as [g, m · R, d]."""
        length, heads, d = self.end - self.start, x.shape[1], x.shape[2]
        split = x[self.start : self.end].reshape(length, groups, heads // groups, d)
        return split.permute(1, 2, 0, 3).reshape(groups, -1, d)

    def put(self, x: torch.Tensor, rows: torch.Tensor) -> None:
        """The opposite of `rows`."""
        groups, length, heads, d = len(rows), self.end - self.start, x.shape[1], x.shape[2]
        split = x[self.start : self.end].view(length, groups, heads // groups, d)
        split.copy_(rows.view(groups, -1, length, d).permute(2, 0, 1, 3))

    def keys(self, x: torch.Tensor) -> torch.Tensor:
        """What the block sees of x [p + L, g, d] as [g, K, d]."""
        return torch.cat([x[: self.seen], x[self.first : self.last]]).transpose(0, 1)

    def add(self, x: torch.Tensor, keys: torch.Tensor) -> None:
        """Add to x [p + L, g, d] what `keys` would take from it."""
        added = keys.transpose(0, 1)
        x[: self.seen] += added[: self.seen]
        x[self.first : self.last] += added[self.seen :]


def _blocks(spans: Spans, virtual: int) -> list[_Block]:
    blocks = []
    for start, end, seen, lengths in _groups(spans, virtual):
        for at in range(start, end, ROWS):
            last = min(at + ROWS, end)
            own = lengths if len(lengths) > 1 else (last - at,)
            blocks.append(_Block(at, last, seen, virtual + start, virtual + last, own))
    return blocks


def _groups(spans: Spans, virtual: int) -> list[tuple[int, int, int, tuple[int, ...]]]:
    """Start, end, seen keys and lengths of spans, neighbours together that are short and see the
    same keys."""
    groups: list[tuple[int, int, int, tuple[int, ...]]] = []
    for start, end, seen in spans.each(virtual):
        first, _, same, lengths = groups[-1] if groups else (start, end, -1, ())
        if same == seen and end - first <= min(TOGETHER, ROWS):
            groups[-1] = (first, end, seen, (*lengths, end - start))
        else:
            groups.append((start, end, seen, (end - start,)))
    return groups


def _probabilities(
    rows: torch.Tensor, keys: torch.Tensor, lengths: tuple[int, ...]
) -> torch.Tensor:
    """Softmax of the scaled scores [g, m · R, K], in the type of `rows`; the last R keys are the
    rows' own tokens, of spans of these `lengths`."""
    later = _later(lengths, rows.shape[1] // sum(lengths), keys.shape[1])
    scores = torch.baddbmm(
        later, rows.float(), keys.float().transpose(1, 2), alpha=rows.shape[-1] ** -0.5
    )
    return torch.softmax(scores, -1).to(rows.dtype)


@lru_cache(maxsize=64)  # the blocks of a sequence come again in every layer
def _later(lengths: tuple[int, ...], heads: int, keys: int) -> torch.Tensor:
    """[heads · R, keys]: −inf for keys of other spans and after the row's own token, else 0."""
    rows = sum(lengths)
    mask, seen, at = torch.full((rows, keys), float("-inf")), keys - rows, 0
    mask[:, :seen] = 0
    for length in lengths:
        own = slice(at, at + length)
        mask[own, seen + at : seen + at + length].triu_(1)
        at += length
    return mask.repeat(heads, 1)


class Products(torch.autograd.Function):
    """`attend` by matrix products. With P the probabilities: dV = Pᵀ dY, dS = P ∘ (dY Vᵀ − rows'
    sums of P ∘ dY Vᵀ)."""

    @staticmethod
    def forward(
        ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, spans: Spans
    ) -> torch.Tensor:
        """As `attend`."""
        blocks, groups = _blocks(spans, len(k) - len(q)), k.shape[1]
        keeps = (
            q.shape[1]
            * sum((one.end - one.start) * (one.seen + one.last - one.first) for one in blocks)
            <= KEPT
        )
        y, kept = torch.empty_like(q, memory_format=torch.contiguous_format), []
        for block in blocks:
            p = _probabilities(block.rows(q, groups), block.keys(k), block.lengths)
            block.put(y, torch.bmm(p, block.keys(v)))
            if keeps:
                kept.append(p)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.blocks = blocks
        return y.flatten(1)

    @staticmethod
    def backward(
        ctx: Any, *grads: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        """The gradients of q, k and v; those of keys are added up in float32."""
        q, k, v, *kept = ctx.saved_tensors
        by_y, groups, scale = grads[0].view(q.shape), k.shape[1], q.shape[-1] ** -0.5
        by_q = torch.empty_like(q, memory_format=torch.contiguous_format)
        by_k, by_v = (torch.zeros(one.shape, dtype=torch.float32) for one in (k, v))
        for at, block in enumerate(ctx.blocks):
            rows, keys, given = block.rows(q, groups), block.keys(k), block.rows(by_y, groups)
            p = kept[at] if kept else _probabilities(rows, keys, block.lengths)
            block.add(by_v, torch.bmm(p.transpose(1, 2), given))
            by_p = torch.bmm(given, block.keys(v).transpose(1, 2))
            by_scores = torch._softmax_backward_data(by_p, p, -1, p.dtype)
            block.put(by_q, torch.bmm(by_scores, keys))
            block.add(by_k, torch.bmm(by_scores.transpose(1, 2), rows))
        return by_q.mul_(scale), by_k.mul_(scale).to(k.dtype), by_v.to(v.dtype), None


_products: Callable[..., torch.Tensor] = Products.apply
