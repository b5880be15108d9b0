"""The forward pass of training: packed sequences without padding, attention only where a token may
look.

A Transformers network of the Llama family (Llama, SmolLM2, Qwen2, Qwen3) is walked layer by layer
with its own modules, so that whatever a method puts in their place takes part. Against
Transformers' own forward (the test compares them): attention costs the sum of the branches' squares
instead of the square of the whole sequence (`attention.py`); the last layer is finished only where
there is a label; norm, rotation and gating are single autograd functions that keep bfloat16 and
save little.

Letters: L tokens of the sequence, h hidden width, n heads, d head width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.utils.checkpoint import checkpoint

from acclimate.errors import ModelError
from acclimate.models.virtual import Virtual
from acclimate.tuning.attention import attend
from acclimate.tuning.generic import WALKED, family, is_walked
from acclimate.tuning.packing import Packed
from acclimate.tuning.spans import Spans

SHARDED = "is_sharded"
"""Attribute of a layer whose weights are spread over processes (`sharding.py`)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Who sees whom, and where they stand: `cos` and `sin` [L, d] rotate queries and keys, `sin`
    with its first half negative."""

    spans: Spans
    cos: torch.Tensor
    sin: torch.Tensor


def require_walked(network: nn.Module) -> None:
    """Raises ModelError for a network that this forward pass does not compute."""
    if not is_walked(network):
        raise ModelError(
            f"a '{family(network)}' model is not computed layer by layer here.",
            hint=f"Families that are: {', '.join(WALKED)}; others by `loss.answer_logits`.",
        )


def hidden_states(
    network: nn.Module,
    packed: Packed,
    virtual: Virtual | None = None,
    rows: torch.Tensor | None = None,
    *,
    checkpointing: bool = False,
) -> torch.Tensor:
    """The last hidden states [L, h] of a packed sequence, normalised; `virtual` tokens come before
    it, unseen in the result. With `rows`, only these, and the last layer is not finished for
    others. `checkpointing` keeps only each layer's input and computes the rest again on the way
    back. Raises ModelError for another family."""
    require_walked(network)
    model: Any = network.model
    x = model.embed_tokens(packed.tokens)
    before = len(virtual) if virtual else 0
    front = 0  # virtual tokens that pass through the layers themselves
    if virtual is not None and virtual.embeddings is not None:
        x, front = torch.cat([virtual.embeddings.to(x.dtype), x]), before
    first = torch.arange(before - front, before, device=x.device)
    positions = torch.cat([first, packed.positions + before])
    layout = _layout(model, packed, positions, front, x.dtype)
    asked = torch.arange(front, len(x), device=x.device) if rows is None else rows + front
    for index, layer in enumerate(model.layers):
        past = virtual.keys_values[index] if virtual and virtual.keys_values else None
        kept = asked if index == len(model.layers) - 1 else None
        # a sharded layer puts itself together when it is called, and calls `run_layer`
        step = layer if getattr(layer, SHARDED, False) else partial(run_layer, layer)
        x = step(x, layout, past, kept, checkpointing=checkpointing)
    return _norm(model.norm, x)


def run_layer(
    layer: Any,
    x: torch.Tensor,
    layout: Layout,
    past: tuple[torch.Tensor, torch.Tensor] | None,
    kept: torch.Tensor | None,
    *,
    checkpointing: bool,
) -> torch.Tensor:
    """x: [L, h] → [L, h], or only the rows `kept`; with `checkpointing` nothing but x is kept for
    the way back."""
    if not checkpointing:
        return _layer(layer, x, layout, past, kept)
    y: torch.Tensor = checkpoint(_layer, layer, x, layout, past, kept, use_reentrant=False)
    return y


def _layout(
    model: Any, packed: Packed, positions: torch.Tensor, front: int, dtype: torch.dtype
) -> Layout:
    counts = torch.unique_consecutive(packed.branches, return_counts=True)[1].tolist()
    own = counts if packed.branches[0] else counts[1:]
    shared = front + len(packed.tokens) - sum(own)
    spans, start = [], shared
    for count in own:
        spans.append((start, start + count))
        start += count
    like = torch.empty(0, dtype=dtype, device=positions.device)
    cos, sin = model.rotary_emb(like, positions[None])
    half = sin.shape[-1] // 2
    return Layout(
        Spans(shared, tuple(spans)),
        cos[0],
        torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1),
    )


def _layer(
    layer: Any,
    x: torch.Tensor,
    layout: Layout,
    past: tuple[torch.Tensor, torch.Tensor] | None,
    kept: torch.Tensor | None,
) -> torch.Tensor:
    """x: [L, h] → [L, h], or only the rows `kept`."""
    attended, block = (
        _attention(layer.self_attn, _norm(layer.input_layernorm, x), layout, past),
        layer.self_attn,
    )
    if kept is not None:
        x, attended = x.index_select(0, kept), attended.index_select(0, kept)
    x = x + block.o_proj(attended)
    normed, mlp = _norm(layer.post_attention_layernorm, x), layer.mlp
    if not hasattr(mlp, "gate_proj"):  # something stands in its place
        y: torch.Tensor = mlp(normed)
        return x + y
    gated: torch.Tensor = mlp.down_proj(_swiglu(mlp.gate_proj(normed), mlp.up_proj(normed)))
    return x + gated


def _norm(norm: Any, x: torch.Tensor) -> torch.Tensor:
    if not hasattr(norm, "variance_epsilon"):  # something stands in its place
        y: torch.Tensor = norm(x)
        return y.to(x.dtype)
    return _rms_norm(x, norm.weight, norm.variance_epsilon)


def _attention(
    block: Any, x: torch.Tensor, layout: Layout, past: tuple[torch.Tensor, torch.Tensor] | None
) -> torch.Tensor:
    """Softmax attention of each branch over the shared beginning and itself. x: [L, h] → [L, n ·
    d]."""
    length, d = len(x), block.head_dim
    q, k, v = (
        project(x).view(length, -1, d) for project in (block.q_proj, block.k_proj, block.v_proj)
    )
    if hasattr(block, "q_norm"):
        q, k = _norm(block.q_norm, q), _norm(block.k_norm, k)
    q, k = (_turn(one, layout.cos, layout.sin) for one in (q, k))
    if past is not None:
        k, v = (
            torch.cat([one.transpose(0, 1).to(k.dtype), two])
            for one, two in zip(past, (k, v), strict=True)
        )
    return attend(q, k, v, layout.spans)


class RMSNorm(torch.autograd.Function):
    """y = w · x / √(mean(x²) + ε) over the last dimension (Zhang and Sennrich, arXiv 1910.07467),
    computed in float32.

    With x̂ the normalised x and g' = w·g: dx = (g' − x̂ · mean(g' · x̂)) / √(mean(x²) + ε).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        """x: [..., h]; weight: [h]."""
        length = torch.linalg.vector_norm(
            x, dim=-1, keepdim=True, dtype=torch.float32
        )  # no float32 copy of x
        scale = torch.rsqrt(length.square() / x.shape[-1] + epsilon)
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """The gradients of x and, where it is trained, of the weight."""
        x, weight, scale = ctx.saved_tensors
        normed = x * scale  # float32
        by_weight = (
            (grads[0] * normed).flatten(0, -2).sum(0).to(weight.dtype)
            if ctx.needs_input_grad[1]
            else None
        )
        wide = grads[0] * weight.float()
        wide.addcmul_(normed, torch.linalg.vecdot(wide, normed)[..., None], value=-1 / x.shape[-1])
        return wide.mul_(scale).to(x.dtype), by_weight, None


class Rotate(torch.autograd.Function):
    """Rotary positions (Su et al., arXiv 2104.09864): x·cos + swap(x)·sin, the halves of each head
    swapped.

    `sin` holds the sign of the swapped half, so that going back is the same with the signs
    reversed.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """x: [L, n, d]; cos, sin: [L, d]."""
        ctx.save_for_backward(cos, sin)
        return _rotate(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """The gradient turned back."""
        cos, sin = ctx.saved_tensors
        return _rotate(grads[0], cos, -sin), None, None


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    cos, sin = cos[:, None], sin[:, None]
    result = x * cos
    result[..., :half].addcmul_(x[..., half:], sin[..., :half])
    result[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return result


class SwiGLU(torch.autograd.Function):
    """silu(g) · u (Shazeer, arXiv 2002.05202); silu(g) is computed again on the way back rather
    than kept."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """gate, up: [..., m]."""
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradients of both."""
        gate, up = ctx.saved_tensors
        by_up = F.silu(gate).mul_(grads[0])
        by_gate = torch.ops.aten.silu_backward(grads[0] * up, gate)
        return by_gate, by_up


_rms_norm: Callable[..., torch.Tensor] = RMSNorm.apply
_turn: Callable[..., torch.Tensor] = Rotate.apply
_swiglu: Callable[..., torch.Tensor] = SwiGLU.apply
