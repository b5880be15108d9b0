"""A base of safetensors whose matrices stay in four bits (NF4) on an NVIDIA GPU, by bitsandbytes.

For GGUF files `quantised.py` keeps the file's own blocks, which is exact; a folder of safetensors
has none, so its matrices are rounded here. Not run on a GPU yet.

Source: Dettmers et al., QLoRA, arXiv 2305.14314, section 3: NF4, the scales quantised again.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from acclimate.errors import ModelError
from acclimate.tuning.lora import targets
from acclimate.tuning.quantised import HeldLinear


class NF4Linear(HeldLinear):
    """A linear layer whose matrix is held by bitsandbytes."""

    packed: torch.Tensor

    def __init__(self, base: nn.Linear, library: Any) -> None:
        bias = None if base.bias is None else base.bias.detach()
        super().__init__((base.out_features, base.in_features), base.weight.dtype, bias)
        self._library = library
        packed, self._state = library.quantize_4bit(
            base.weight.detach(), quant_type="nf4", compress_statistics=True
        )
        self.register_buffer("packed", packed, persistent=False)

    def dequantised(self) -> torch.Tensor:
        """The matrix [out, in]."""
        matrix: torch.Tensor = self._library.dequantize_4bit(self.packed, self._state)
        return matrix


def hold_in_nf4(network: nn.Module, device: torch.device) -> nn.Module:
    """Put NF4 layers in the place of those that a LoRA stands beside, one after the other on their
    way to `device`; embeddings, norms and the head go there as they are.

    Raises ModelError without an NVIDIA GPU, and where bitsandbytes is not installed.
    """
    if device.type != "cuda":
        raise ModelError(
            "safetensors are kept in 4 bits on an NVIDIA GPU only.",
            hint="Take the model's GGUF file (its own blocks are kept), or train `lora`.",
        )
    if find_spec("bitsandbytes") is None:
        raise ModelError(
            "bitsandbytes is not installed, which keeps safetensors in 4 bits.",
            hint="pip install bitsandbytes; or take the model's GGUF file, which needs none.",
        )
    library = import_module("bitsandbytes.functional")
    for name, layer in targets(network):
        parent, _, child = name.rpartition(".")
        if isinstance(layer, nn.Linear):
            held = NF4Linear(layer.to(device), library)
            setattr(network.get_submodule(parent), child, held)
    return network.to(device)
