"""Which layers of a network a method trains: by name where the fast path knows them, else every
linear layer of the text decoder but the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from acclimate.errors import ModelError
from acclimate.tuning.generic import family
from acclimate.tuning.quantised import HeldLinear

_KERNELS = ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h")
"""Families with fused kernels that read the weight of `out_proj` themselves, so that a layer beside
it would be passed over; PEFT refuses it there."""


def decoder_of(network: nn.Module) -> nn.Module:
    """What reads text: a network that sees pictures has other parts beside it."""
    decoder: nn.Module = network.get_decoder()  # type: ignore[operator]
    return decoder


def linear_layers(network: nn.Module) -> list[tuple[str, nn.Linear | HeldLinear]]:
    """Every linear layer of the decoder that can be trained, by its name in the network. Raises
    ModelError where there is none."""
    inside = {id(module) for module in decoder_of(network).modules()}
    head: Any = network.get_output_embeddings()  # type: ignore[operator]
    found = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | HeldLinear)
        and id(module) in inside
        and module is not head
        if not (name.endswith(".out_proj") and family(network) in _KERNELS)
    ]
    if not found:
        raise ModelError(
            f"the decoder of the '{family(network)}' model has no linear layers to train.",
            hint="Use another model; docs/tuning.md names families that are tested.",
        )
    return found


def norm_names(network: nn.Module) -> list[str]:
    """The last parts of the names of the decoder's norms, for PEFT's `target_modules`."""
    named = decoder_of(network).named_modules()
    found = {name.rsplit(".", 1)[-1] for name, module in named if _is_norm(module)}
    return sorted(found)


def _is_norm(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return "Norm" in type(module).__name__ and weight is not None and weight.ndim == 1


def target_names(network: nn.Module, trained: Sequence[str]) -> list[str]:
    """PEFT's `target_modules` for the layers `trained`: the last parts of their names where these
    name no other layer, else their whole names."""
    ends = {name.rsplit(".", 1)[-1] for name in trained}
    whole = set(trained)
    for name, module in network.named_modules():
        own = any(name == one or name.startswith(f"{one}.") for one in whole)
        if isinstance(module, nn.Linear) and not own and name.rsplit(".", 1)[-1] in ends:
            return sorted(whole)
    return sorted(ends)


def require_names(network: nn.Module, method: str, names: Sequence[str]) -> None:
    """Raises ModelError where the decoder lacks a part that the method needs."""
    there = {name.rsplit(".", 1)[-1] for name, _ in decoder_of(network).named_modules()}
    if absent := [name for name in names if name not in there]:
        raise ModelError(
            f"'{method}' needs parts named {', '.join(names)}; a '{family(network)}' model has no "
            f"{' and no '.join(absent)}.",
            hint="acclimate tune lora",
        )
