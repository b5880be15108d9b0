"""Tuners that PEFT lacks, registered with it: saved and loaded in PEFT's own format by
`PeftModel.from_pretrained`.

Bottleneck adapters: y + up(relu(down(y))), a residual network of two thin layers behind a sub-layer

    Houlsby    behind attention and feed-forward network       arXiv 1902.00751, section 2.1
    Pfeiffer   behind the feed-forward network only            arXiv 2005.00247, section 3.2.2
    parallel   beside the feed-forward network, scaled         arXiv 2110.04366, section 3.3

BitFit: a bias for every linear layer, also where the model has none (Ben Zaken et al., arXiv
2106.10199).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftConfig, PeftType
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge
from peft.utils import register_peft_method
from torch import nn


def _peft_type(name: str) -> Any:
    """A new member of the enum: PEFT looks methods up there, and has no other way to add one."""
    member = str.__new__(PeftType, name)
    member._name_, member._value_ = name, name
    PeftType._member_map_[name] = PeftType._value2member_map_[name] = member
    PeftType._member_names_.append(name)
    type.__setattr__(PeftType, name, member)
    return member


BOTTLENECK, BITFIT = _peft_type("BOTTLENECK"), _peft_type("BITFIT")


@dataclass
class BottleneckConfig(PeftConfig):
    """`target_modules` get a bottleneck of `r` units each: behind them, or with `parallel` beside
    them times `scaling`."""

    target_modules: list[str] = field(default_factory=lambda: ["o_proj", "down_proj"])
    r: int = 64
    parallel: bool = False
    scaling: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = BOTTLENECK


@dataclass
class BitFitConfig(PeftConfig):
    """`target_modules` get a trainable bias each."""

    target_modules: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = BITFIT


class BottleneckLayer(nn.Module, BaseTunerLayer):
    """A frozen layer [… → h] with a bottleneck of r units; h is the width of the last linear layer
    in it."""

    adapter_layer_names = ("bottleneck_down", "bottleneck_up")
    other_param_names = ("parallel", "scaling")

    def __init__(self, base_layer: nn.Module, adapter_name: str, config: BottleneckConfig) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.bottleneck_down, self.bottleneck_up = nn.ModuleDict(), nn.ModuleDict()
        self.parallel, self.scaling = config.parallel, config.scaling
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        linear = [module for module in base_layer.modules() if isinstance(module, nn.Linear)][-1]
        down = nn.Linear(linear.out_features, config.r)
        up = nn.Linear(config.r, linear.out_features)
        for zero in (up.weight, up.bias, down.bias):
            nn.init.zeros_(zero)
        nn.init.kaiming_uniform_(down.weight, a=math.sqrt(5))
        self.bottleneck_down[adapter_name], self.bottleneck_up[adapter_name] = down, up
        self.to(linear.weight.device, linear.weight.dtype)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] → [..., h], in the type of x."""
        y: torch.Tensor = self.base_layer(x)
        if self.disable_adapters:
            return y
        for name in self.active_adapters:
            down, up = self.bottleneck_down[name], self.bottleneck_up[name]
            inner = nn.functional.relu(_linear(down, x if self.parallel else y))
            y = y + self.scaling * _linear(up, inner)
        return y

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Raises ValueError: there is a non-linearity between the two layers."""
        raise ValueError("a bottleneck adapter cannot be merged into linear layers")

    def unmerge(self) -> None:
        """Nothing is ever merged."""


class BitFitLayer(nn.Module, BaseTunerLayer):
    """A frozen linear layer [in → out] with a bias [out] added to its own, if any."""

    adapter_layer_names = ("bitfit_bias",)

    def __init__(self, base_layer: nn.Linear, adapter_name: str, config: BitFitConfig) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        weight = base_layer.weight
        zeros = torch.zeros(base_layer.out_features, device=weight.device, dtype=weight.dtype)
        self.bitfit_bias = nn.ParameterDict({adapter_name: nn.Parameter(zeros)})
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] → [..., out], in the type of x."""
        y: torch.Tensor = self.base_layer(x)
        if self.disable_adapters or self.merged:
            return y
        for name in self.active_adapters:
            y = y + self.bitfit_bias[name].to(y.dtype)
        return y

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add the biases to the layer's own."""
        for name in check_adapters_to_merge(self, adapter_names) or []:
            own, bias = self.base_layer.bias, self.bitfit_bias[name].data
            self.base_layer.bias = nn.Parameter(
                bias.clone() if own is None else own.data + bias, requires_grad=False
            )
            self.merged_adapters.append(name)

    def unmerge(self) -> None:
        """Take the biases off again."""
        while self.merged_adapters:
            self.base_layer.bias.data -= self.bitfit_bias[self.merged_adapters.pop()].data


def _linear(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return nn.functional.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


class _Tuner(BaseTuner):
    def _create_and_replace(
        self,
        peft_config: PeftConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        make: Any = self.tuner_layer_cls
        self._replace_module(parent, target_name, make(target, adapter_name, peft_config), target)


class BottleneckModel(_Tuner):
    """Puts bottlenecks into a model."""

    prefix = "bottleneck_"
    tuner_layer_cls = BottleneckLayer
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012 - as PEFT declares it


class BitFitModel(_Tuner):
    """Puts biases into a model."""

    prefix = "bitfit_"
    tuner_layer_cls = BitFitLayer
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012


register_peft_method(name="bottleneck", config_cls=BottleneckConfig, model_cls=BottleneckModel)
register_peft_method(name="bitfit", config_cls=BitFitConfig, model_cls=BitFitModel)
