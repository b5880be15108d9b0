"""Any family that the fast path (`network.py`) does not walk: logits by Transformers' own forward
pass.

A packed sequence is taken apart into rows, the shared beginning in each of them, padded on the
right. That is right for every causal network, also for recurrent ones, and what it costs is the
padding. Where a family's attention takes a mask, the sequence is computed as it is packed, without
padding; `PACKED` are the families for which that is tested.

Letters: L tokens of the packed sequence, B rows of C columns, T places where a token is learnt, v
words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer

from acclimate.models.virtual import Virtual
from acclimate.tuning.packing import IGNORED, Packed

WALKED = ("llama", "qwen2", "qwen3")
"""Families that the fast path computes layer by layer."""
PACKED = frozenset({"gemma2", "gemma3_text", "granite", "mistral", "olmo2", "phi3", "qwen2_moe"})
PACKED |= {"qwen3_moe", "smollm3"}
"""Families whose attention is given the mask of a packed sequence."""
_SLIDING = "sliding_attention"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the network is called with, and where in its batch the T places are."""

    given: dict[str, Any]
    rows: torch.Tensor
    columns: torch.Tensor


def family(network: nn.Module) -> str:
    """The family by the network's configuration."""
    return str(getattr(network.config, "model_type", type(network).__name__))


def is_walked(network: nn.Module) -> bool:
    """Whether the fast path computes this network: its family, without parts that only a few of the
    family have."""
    config: Any = network.config
    plain = getattr(config, "hidden_act", "silu") in ("silu", "swish")
    slides = _SLIDING in (getattr(config, "layer_types", None) or ())
    return family(network) in WALKED and plain and not slides


def slides(network: nn.Module) -> bool:
    """Whether some layers see the nearest tokens only."""
    config: Any = network.config.get_text_config()  # type: ignore[operator, union-attr]
    kinds = getattr(config, "layer_types", None)
    return bool(getattr(config, "sliding_window", None)) and (not kinds or _SLIDING in kinds)


def is_packed(network: nn.Module) -> bool:
    """Whether sequences are computed as they are packed, without padding."""
    return is_walked(network) or family(network) in PACKED


def answer_logits(
    network: nn.Module,
    packed: Packed,
    virtual: Virtual | None = None,
    *,
    checkpointing: bool = False,
) -> torch.Tensor:
    """[T, v], at each place of `packed` that has a label, in its order. `checkpointing` computes
    each layer again on the way back."""
    if virtual is None and family(network) in PACKED:
        inputs = _as_packed(network, packed)
    else:
        inputs = _padded(network, packed, virtual)
    inside = virtual is not None and bool(
        virtual.keys_values
    )  # such a cache is given up on the way
    _checkpoint(network, on=checkpointing and not inside)
    head: Any = network.get_output_embeddings()  # type: ignore[operator]
    with _only(head, inputs), nn.utils.parametrize.cached():
        output = network(**inputs.given, use_cache=False)
    logits: torch.Tensor = output.logits[0]
    return logits


@contextmanager
def _only(head: nn.Module, inputs: Inputs) -> Iterator[None]:
    """Let the head multiply the T places alone: the vocabulary is the widest matrix of all.

    Whatever the network does to its logits afterwards, a scale or a limit, it does to these.
    """

    def pick(_: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (given[0][inputs.rows, inputs.columns][None],)

    handle = head.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()


def _checkpoint(network: nn.Module, *, on: bool) -> None:
    """Transformers looks whether a layer is in training; the modules inside are not, so that
    nothing is dropped at random."""
    for module in network.modules():
        if isinstance(module, GradientCheckpointingLayer):
            layer: Any = module
            layer.gradient_checkpointing = layer.training = on
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)


def _padded(network: nn.Module, packed: Packed, virtual: Virtual | None) -> Inputs:
    """[B, C]: each branch by itself, after the beginning that it shares."""
    device = packed.tokens.device
    shared = (packed.branches == 0).nonzero()[:, 0]
    own = [(packed.branches == number).nonzero()[:, 0] for number in _numbers(packed)]
    places = [torch.cat([shared, one]) for one in own]
    wide = max(len(one) for one in places)
    ids = torch.zeros(len(places), wide, dtype=torch.long, device=device)
    seen, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, one in enumerate(places):
        ids[row, : len(one)] = packed.tokens[one]
        labels[row, : len(one)] = packed.labels[one]
        seen[row, : len(one)] = 1
    rows, columns = (labels != IGNORED).nonzero(as_tuple=True)
    given, front = _with_virtual(network, ids, seen, virtual)
    return Inputs(given, rows, columns + front)


def _numbers(packed: Packed) -> list[int]:
    return sorted(set(packed.branches.tolist()) - {0})


def _with_virtual(
    network: Any, ids: torch.Tensor, seen: torch.Tensor, virtual: Virtual | None
) -> tuple[dict[str, Any], int]:
    """The inputs with virtual tokens before each row, and how many columns they take."""
    if virtual is None:
        return {"input_ids": ids, "attention_mask": seen}, 0
    count, rows = len(virtual), len(ids)
    mask = torch.cat([seen.new_ones(rows, count), seen], dim=1)
    if virtual.embeddings is None:
        cache = DynamicCache()
        for index, (keys, values) in enumerate(virtual.keys_values):
            shape = (rows, -1, -1, -1)
            cache.update(keys[None].expand(shape), values[None].expand(shape), index)
        return {"input_ids": ids, "attention_mask": mask, "past_key_values": cache}, 0
    shown = network.get_input_embeddings()(ids)
    before = virtual.embeddings.to(shown.dtype)[None].expand(rows, -1, -1)
    return {"inputs_embeds": torch.cat([before, shown], dim=1), "attention_mask": mask}, count


def _as_packed(network: Any, packed: Packed) -> Inputs:
    """[1, L] with the mask of the packed sequence, which every layer takes as it is."""
    config = network.config.get_text_config()
    sees = packed.mask().to(packed.tokens.device)
    window = getattr(config, "sliding_window", None)
    near = sees
    if window:
        near = sees & (packed.positions[:, None] - packed.positions < window)
    kinds = set(getattr(config, "layer_types", None) or ())
    dtype = next(network.parameters()).dtype
    masks = {kind: _additive(near if kind == _SLIDING else sees, dtype) for kind in kinds}
    given = {
        "input_ids": packed.tokens[None],
        "position_ids": packed.positions[None],
        "attention_mask": masks or _additive(near, dtype),
    }
    columns = (packed.labels != IGNORED).nonzero()[:, 0]
    return Inputs(given, torch.zeros_like(columns), columns)


def _additive(sees: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """[1, 1, L, L]: 0 where a token is seen, the least number where not."""
    mask = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
    return mask.masked_fill_(~sees, torch.finfo(dtype).min)[None, None]
