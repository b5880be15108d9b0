"""LoRA on experts that a network keeps as one parameter [experts, out, in] instead of linear layers.

    W' = W + s · B A for each expert     A: [experts · r, in], B: [out, r · experts], in PEFT's order

It is PEFT's `target_parameters`: the same tensors under the same names. The whole update is computed
in each pass, as PEFT does too, which costs the memory of the experts once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from acclimate.tuning.layers import decoder_of


class ExpertLoRA(nn.Module):
    """The update of one such parameter."""

    def __init__(self, weight: torch.Tensor, r: int, scale: float) -> None:
        super().__init__()
        experts, wide, narrow = weight.shape
        self.experts, self.r, self.scale = experts, r, scale
        a = torch.empty(experts * r, narrow)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
        like: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
        self.lora_A = nn.Parameter(a.to(**like))
        self.lora_B = nn.Parameter(torch.zeros(wide, r * experts, **like))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """weight: [experts, out, in] → the same with the update."""
        a = self.lora_A.to(weight.dtype).view(self.experts, self.r, -1)
        b = self.lora_B.to(weight.dtype).view(-1, self.r, self.experts).permute(2, 0, 1)
        return torch.baddbmm(weight, b, a, alpha=self.scale)


def stacked(network: nn.Module) -> list[tuple[str, str, torch.Tensor]]:
    """Parameters of three dimensions in the decoder: the module's name, the parameter's, itself.

    Only those that Transformers keeps as [experts, out, in], as it does in modules named
    `…Experts`.
    """
    inside = {id(module) for module in decoder_of(network).modules()}
    return [
        (name, own, parameter)
        for name, module in network.named_modules()
        if id(module) in inside
        and type(module).__name__.endswith("Experts")
        and not getattr(module, "is_transposed", False)
        for own, parameter in module.named_parameters(recurse=False)
        if parameter.ndim == 3
    ]


def attach(network: nn.Module, r: int, scale: float) -> None:
    """Put a LoRA of rank r on each of them."""
    for name, own, parameter in stacked(network):
        module = network.get_submodule(name)
        parametrize.register_parametrization(module, own, ExpertLoRA(parameter, r, scale))
        module.parametrizations[own].original.requires_grad_(requires_grad=False)  # type: ignore[index, union-attr]


def layers(network: nn.Module) -> Iterator[tuple[str, ExpertLoRA]]:
    """Each update, by its path in PEFT's file: PEFT nests one wrapper in another for each parameter
    of a module, the first innermost."""
    for name, module in network.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        held: Any = module.parametrizations
        updates = [held[own][0] for own in held if isinstance(held[own][0], ExpertLoRA)]
        for place, update in enumerate(updates):
            yield ".".join([name, *["base_layer"] * (len(updates) - 1 - place)]), update


def target_parameters(network: nn.Module) -> list[str]:
    """PEFT's `target_parameters`."""
    names = set()
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module):
            held: Any = module.parametrizations
            own = [one for one in held if isinstance(held[one][0], ExpertLoRA)]
            names |= {f"{'.'.join(name.split('.')[-2:])}.{one}" for one in own}
    return sorted(names)


def merge(network: nn.Module) -> None:
    """Add the updates to the weights, and take them off."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            for own in list(module.parametrizations):  # type: ignore[arg-type]
                if isinstance(module.parametrizations[own][0], ExpertLoRA):  # type: ignore[index]
                    parametrize.remove_parametrizations(module, own, leave_parametrized=True)
