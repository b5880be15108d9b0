"""LoRA: a frozen linear layer plus a trainable product of two thin matrices.

    y = W x + (alpha / r) · B A x        A: [r, in], B: [out, r], B starts at zero

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685, section 4.1. The base weights
are kept in bfloat16 and A, B in float32: an update of 1e-5 would vanish in bfloat16's eight bits. Written here rather
than taken from PEFT for speed (PEFT casts the whole input to float32); saved in PEFT's format, which any runtime reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from acclimate.errors import ModelError

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoRALinear(nn.Module):
    """A frozen `base` layer [in → out] with a LoRA of rank r beside it."""

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(requires_grad=False)
        self.scale = alpha / r
        self.lora_A = nn.Parameter(torch.empty(r, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] → [..., out], in the type of x."""
        low = nn.functional.linear(x, self.lora_A.to(x.dtype))
        update = nn.functional.linear(low, self.lora_B.to(x.dtype) * self.scale)
        result: torch.Tensor = self.base(x) + update
        return result


def attach(model: nn.Module, r: int, alpha: float) -> list[nn.Parameter]:
    """Freeze `model` and put a LoRA beside each linear layer named in TARGETS; the parameters to train."""
    model.requires_grad_(requires_grad=False)
    found = [(name, layer) for name, layer in model.named_modules() if name.rsplit(".", 1)[-1] in TARGETS]
    for name, layer in found:
        parent, _, child = name.rpartition(".")
        if not isinstance(layer, nn.Linear):
            raise ModelError(f"'{name}' is a {type(layer).__name__}, not a linear layer.")
        setattr(model.get_submodule(parent), child, LoRALinear(layer, r, alpha))
    if not found:
        raise ModelError(f"the model has none of the layers {', '.join(TARGETS)}.", hint="Use a Llama or Qwen model.")
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def layers(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """The LoRA layers of a model with their names."""
    return ((name, layer) for name, layer in model.named_modules() if isinstance(layer, LoRALinear))


def save_adapter(model: nn.Module, folder: Path, base_model: str) -> None:
    """Write PEFT's `adapter_config.json` and `adapter_model.safetensors` (bfloat16) to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in layers(model):
        for which in ("lora_A", "lora_B"):
            weight = getattr(layer, which).detach().to(torch.bfloat16).contiguous()
            tensors[f"base_model.model.{name}.{which}.weight"] = weight
        r, alpha = layer.lora_A.shape[0], layer.scale * layer.lora_A.shape[0]
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": r,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(TARGETS),
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_adapter(model: nn.Module, folder: Path) -> None:
    """Load `folder`'s weights into attached layers. Raises ModelError where names or shapes do not match exactly."""
    tensors = load_file(folder / "adapter_model.safetensors")
    wanted = {
        f"base_model.model.{name}.{which}.weight": getattr(layer, which)
        for name, layer in layers(model)
        for which in ("lora_A", "lora_B")
    }
    if tensors.keys() != wanted.keys():
        odd = sorted(tensors.keys() ^ wanted.keys())
        raise ModelError(f"{folder} does not fit the model: {len(odd)} tensors differ, the first is {odd[0]}.")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(tensors[name])
