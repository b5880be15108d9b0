"""A PEFT LoRA as a GGUF adapter, which llama.cpp and Ollama apply to the base while they run.

Its format has one alpha for all layers, and the runtime computes the scale alpha / r; an alpha of 0
would be read as a scale of 1. So our scale is folded into B, and alpha is written as r: no runtime
can compute another.

Format: https://github.com/ggml-org/llama.cpp/blob/master/convert_lora_to_gguf.py
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from acclimate.errors import ModelError
from acclimate.models.adapters import Factors, Weights, read_lora, require_layers
from acclimate.models.gguf import GGUFFile
from acclimate.models.merge import Heads, finish


def write_gguf_lora(adapter: Path, base: Path, target: Path) -> None:
    """Write the PEFT LoRA folder `adapter`, trained for the GGUF model `base`, as the GGUF adapter
    `target` (float32).

    Raises ModelError where it is no plain LoRA (DoRA has no place in such a file), lacks layers, or
    does not fit.
    """
    reader = GGUFFile(base)
    heads = Heads.of(reader)
    require_layers(adapter, heads.blocks)
    factors = read_lora(adapter)
    shapes = {
        tensor.name: tuple(int(size) for size in reversed(tensor.shape))
        for tensor in reader.tensors
    }
    architecture = reader.get_field("general.architecture")
    writer = gguf.GGUFWriter(target, arch=str(architecture.contents()) if architecture else "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("general.name", adapter.name)
    writer.add_string("adapter.type", "lora")
    rank = len(next(iter(factors.values())).a)
    writer.add_float32("adapter.lora.alpha", float(rank))
    for name, one in factors.items():
        _require_fit(name, one, shapes.get(f"{name}.weight"))
        # llama.cpp computes alpha / r with each layer's own rank.
        b: Weights = heads.order(name, one.b) * np.float32(one.scale * len(one.a) / rank)
        writer.add_tensor(f"{name}.weight.lora_a", np.ascontiguousarray(one.a))
        writer.add_tensor(f"{name}.weight.lora_b", np.ascontiguousarray(b))
    finish(writer)


def _require_fit(name: str, one: Factors, shape: tuple[int, ...] | None) -> None:
    if one.magnitude is not None:
        raise ModelError(
            "a GGUF adapter cannot hold DoRA's magnitudes.", hint="Export it merged: --to gguf"
        )
    own = (len(one.b), one.a.shape[1])
    if own != shape:
        raise ModelError(
            f"the adapter's update for '{name}' is {own}; the model's layer is {shape}.",
            hint="Use an adapter that was trained for this base model.",
        )
