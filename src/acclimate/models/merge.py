"""Rewriting GGUF files: a LoRA adapter merged into its base, and tensors that OpenVINO cannot read made readable.

Why merge: OpenVINO GenAI can apply an adapter while it runs, but a GGUF model silently ignores it, loading takes four
times as long and decoding twice (docs/decisions.md has the table); one merged model per adapter also keeps the prefix
cache of one adapter from ever being reused under another.

    W' = dequantise(W) + scale · B A,  kept as Q8_0 (8 bits, one half-precision scale for every 32 weights)

Source: Hu et al., arXiv 2106.09685, section 4.1 ("no additional inference latency").
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from acclimate.errors import ModelError

# Read by OpenVINO GenAI 2026.4 without loss; everything else is requantised.
_READABLE = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "Q4_K"}
_PROJECTIONS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
Weights = NDArray[np.float32]


def needs_rewrite(file: Path) -> bool:
    """Whether the file holds tensors of a type that OpenVINO cannot read (Q5_0, Q6_K, IQ…)."""
    return any(tensor.tensor_type.name not in _READABLE for tensor in gguf.GGUFReader(file).tensors)


def rewrite(file: Path, target: Path, adapter: Path | None = None) -> None:
    """Copy `file` to `target` with a PEFT LoRA folder merged in and unreadable tensors kept as Q8_0.

    Raises ModelError where the adapter is not a plain LoRA, or a tensor of it has no place in the model.
    """
    reader = gguf.GGUFReader(file)
    updates = _read_updates(adapter, _Heads.of(reader)) if adapter else {}
    names = {tensor.name for tensor in reader.tensors}
    if unplaced := sorted(updates.keys() - names):
        raise ModelError(
            f"the adapter's update for '{unplaced[0]}' has no place in {file.name}.",
            hint="Use an adapter that was trained for this base model.",
        )
    writer = gguf.GGUFWriter(target, arch="")
    _copy_fields(reader, writer)
    for tensor in reader.tensors:
        update = updates.pop(tensor.name, None)
        if update is None and tensor.tensor_type.name in _READABLE:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if update is not None:
            if weights.shape != update.shape:
                raise ModelError(
                    f"the adapter's update for '{tensor.name}' is {update.shape}, the model's {weights.shape}.",
                    hint="Use an adapter that was trained for this base model.",
                )
            weights = weights + update
        kind = gguf.GGMLQuantizationType.Q8_0 if weights.shape[-1] % 32 == 0 else gguf.GGMLQuantizationType.F16
        writer.add_tensor(tensor.name, gguf.quants.quantize(weights.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class _Heads:
    """Attention heads, for the order in which llama.cpp keeps the rows of query and key."""

    def __init__(self, query: int, key: int, *, permuted: bool) -> None:
        self.query, self.key, self.permuted = query, key, permuted

    @classmethod
    def of(cls, reader: gguf.GGUFReader) -> _Heads:
        def number(key: str) -> int:
            field = reader.get_field(f"{architecture}.{key}")
            if field is None:
                raise ModelError(f"the model lacks the field '{architecture}.{key}'.", hint="Use a complete GGUF file.")
            return int(field.contents())

        field = reader.get_field("general.architecture")
        architecture = str(field.contents()) if field else ""
        query = number("attention.head_count")
        return cls(query, number("attention.head_count_kv"), permuted=architecture == "llama")

    def order(self, name: str, weights: Weights) -> Weights:
        """Rows as in the file: for Llama, each head's two halves of the rotary pairs interleaved."""
        heads = {"attn_q": self.query, "attn_k": self.key}.get(name)
        if heads is None or not self.permuted:
            return weights
        rows, columns = weights.shape
        return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _read_updates(adapter: Path, heads: _Heads) -> dict[str, Weights]:
    """scale · B A [out, in] by GGUF tensor name."""
    try:
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{adapter} holds no readable adapter_config.json.", hint="Give a PEFT adapter folder."
        ) from error
    unsupported = [key for key in ("use_dora", "alpha_pattern", "rank_pattern", "modules_to_save") if config.get(key)]
    if config.get("peft_type") != "LORA" or unsupported or config.get("bias", "none") != "none":
        raise ModelError(
            f"{adapter.name} is a {config.get('peft_type')} adapter {unsupported or ''}; plain LoRA can be merged.",
            hint='Use [model] engine = "transformers".',
        )
    scale = config["lora_alpha"] / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
    factors = _read_factors(adapter / "adapter_model.safetensors")
    updates = {}
    for layer, pair in factors.items():
        number, _, projection = layer.removeprefix("base_model.model.model.layers.").partition(".")
        if set(pair) != {"A", "B"} or projection not in _PROJECTIONS or not number.isdigit():
            raise ModelError(f"the adapter's tensors for '{layer}' are not a LoRA pair of a known layer.")
        name = _PROJECTIONS[projection]
        updates[f"blk.{number}.{name}.weight"] = heads.order(name, scale * (pair["B"] @ pair["A"]))
    return updates


def _read_factors(file: Path) -> dict[str, dict[str, Weights]]:
    factors: dict[str, dict[str, Weights]] = {}
    for key, values in _tensors(file).items():
        layer, _, rest = key.partition(".lora_")
        factors.setdefault(layer, {})[rest.removesuffix(".weight")] = values
    return factors


def _tensors(file: Path) -> dict[str, Weights]:
    """All tensors as float32; NumPy has no bfloat16, so those are widened bit by bit.

    Format: 8 bytes of header length, a JSON header, then the data (https://github.com/huggingface/safetensors).
    """
    try:
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} is not readable: {error}.", hint="Give a PEFT adapter folder.") from error
    header.pop("__metadata__", None)
    types: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
    result: dict[str, Weights] = {}
    for name, entry in header.items():
        if entry["dtype"] not in types:
            raise ModelError(f"'{name}' in {file.name} is {entry['dtype']}; F32, F16 and BF16 can be read.")
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(content[start:end], types[entry["dtype"]])
        wide = (values.astype(np.uint32) << 16).view(np.float32) if entry["dtype"] == "BF16" else values
        result[name] = wide.astype(np.float32).reshape(entry["shape"])
    return result


def _copy_fields(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for field in reader.fields.values():
        if field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, inner)
