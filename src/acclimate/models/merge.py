"""Rewriting GGUF files: adapters merged into their base, and tensors that OpenVINO cannot read
exactly made readable.

Why merge: OpenVINO GenAI can apply an adapter while it runs, but a GGUF model silently ignores it,
loading takes four times as long and decoding twice (docs/decisions has the table); one merged model
per adapter also keeps the prefix cache of one adapter from ever being reused under another.
Matrices that change are kept as Q8_0 (8 bits, one half-precision scale for every 32 weights),
vectors as F32.

Source: Hu et al., arXiv 2106.09685, section 4.1 ("no additional inference latency").
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import gguf
import numpy as np

from acclimate.errors import ModelError
from acclimate.models.adapters import (
    Changes,
    Weights,
    layers_of,
    read_base,
    read_changes,
    require_layers,
    served_by,
)
from acclimate.models.gguf import GGUFFile

# Read by OpenVINO GenAI 2026.4 without loss; everything else is requantised. Not Q4_1 and Q4_K: it
# rounds the offset of each block of 32 weights to whole steps (docs/decisions has what that does to
# answers).
_READABLE = {"F16", "BF16", "Q4_0", "Q8_0"}
Precision = Literal["Q8_0", "F16"]
_ANOTHER = "Use an adapter that was trained for this base model."


def needs_rewrite(file: Path) -> bool:
    """Whether the file holds tensors of a type that OpenVINO cannot read as they are (Q4_1, Q4_K,
    Q5_0, Q6_K, IQ…)."""
    return not all(_readable(tensor) for tensor in GGUFFile(file).tensors)


def _readable(tensor: gguf.ReaderTensor) -> bool:
    """Of 32 bits, vectors only."""
    return tensor.tensor_type.name in _READABLE or (
        tensor.tensor_type.name == "F32" and len(tensor.shape) == 1
    )


def rewrite(
    file: Path,
    target: Path,
    adapter: Path | None = None,
    precision: Precision = "Q8_0",
    *,
    for_genai: bool = True,
) -> None:
    """Copy `file` to `target` with a tuned folder merged in (what of it can be), changed and
    unreadable tensors in `precision`.

    OpenVINO GenAI puts the rows of Llama's query and key weights in the network's order, but takes
    their biases as they stand; other programs have both in the file's. Raises ModelError where a
    tensor of the adapter has no place in the model, or is of another shape.
    """
    reader = GGUFFile(file)
    heads = Heads.of(reader)
    steps = mergeable(adapter, heads) if adapter else []
    if not for_genai:
        steps = [_in_file_order(step, heads) for step in steps]
    writer = gguf.GGUFWriter(target, arch="")
    _copy_fields(reader, writer)
    names = {tensor.name for tensor in reader.tensors}
    added = _biases_of_layers_without(steps, names)
    placed = {*names, *added}
    left = {name for step in steps for name in (*step.weights, *step.biases)} - placed
    if left:
        raise _unfit(adapter, file, f"its update for '{min(left)}' has no place there.")
    for tensor in reader.tensors:
        changed = [step for step in steps if tensor.name in step.weights | step.also | step.biases]
        if not changed and _readable(tensor):
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        for step in changed:
            change = (step.weights | step.also).get(tensor.name)
            try:
                weights = change(weights) if change else weights + step.biases[tensor.name]
            except (ModelError, ValueError) as error:
                raise _unfit(adapter, file, f"in '{tensor.name}' {error}") from error
        _add(writer, tensor.name, weights, precision)
    for name, values in added.items():
        _add(writer, name, values, precision)
    finish(writer)


def _biases_of_layers_without(steps: list[Changes], names: set[str]) -> dict[str, Weights]:
    """The biases of layers that had none; the first step's, where several have one."""
    return {
        name: values
        for step in reversed(steps)
        for name, values in step.biases.items()
        if name not in names and name.replace(".bias", ".weight") in names
    }


def _unfit(adapter: Path | None, file: Path, why: str) -> ModelError:
    """The error that names both."""
    base = read_base(adapter) if adapter else ""
    trained = f", which was trained for '{base}'," if base else ""
    name = adapter.name if adapter else "the adapter"
    return ModelError(f"{name}{trained} does not fit {file.name}: {why}", hint=_ANOTHER)


def _in_file_order(step: Changes, heads: Heads) -> Changes:
    biases = {
        name: heads.order(name.removesuffix(".bias"), values)
        for name, values in step.biases.items()
    }
    return replace(step, biases=biases)


def finish(writer: gguf.GGUFWriter) -> None:
    """Put all that a writer holds on the disk."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def mergeable(adapter: Path, heads: Heads) -> list[Changes]:
    """The changes of a folder and of the one that it stands on, that one first; without parts of
    the graph."""
    folders = [folder for folder in layers_of(adapter) if served_by(folder) != "graph"]
    for folder in folders:
        require_layers(folder, heads.blocks)
    return [read_changes(folder, heads.order) for folder in folders]


def _add(writer: gguf.GGUFWriter, name: str, weights: Weights, precision: Precision) -> None:
    kinds = gguf.GGMLQuantizationType
    if weights.ndim == 1:
        kind = kinds.F32
    elif weights.shape[-1] % 32 == 0:  # whole blocks only
        kind = kinds[precision]
    else:
        kind = kinds.F16
    writer.add_tensor(name, gguf.quants.quantize(weights.astype(np.float32), kind), raw_dtype=kind)


class Heads:
    """Attention heads, for the order in which llama.cpp keeps the rows of query and key, and the
    number of blocks."""

    def __init__(self, query: int, key: int, *, permuted: bool, blocks: int = 0) -> None:
        self.query, self.key, self.permuted, self.blocks = query, key, permuted, blocks

    @classmethod
    def of(cls, reader: gguf.GGUFReader) -> Heads:
        """Those of a GGUF file."""

        def number(key: str) -> int:
            field = reader.get_field(f"{architecture}.{key}")
            if field is None:
                raise ModelError(
                    f"the model lacks the field '{architecture}.{key}'.",
                    hint="Use a complete GGUF file.",
                )
            return int(field.contents())

        field = reader.get_field("general.architecture")
        architecture = str(field.contents()) if field else ""
        query = number("attention.head_count")
        key, blocks = number("attention.head_count_kv"), number("block_count")
        return cls(query, key, permuted=architecture == "llama", blocks=blocks)

    def order(self, name: str, weights: Weights) -> Weights:
        """Rows [out, …] as in the file: for Llama, each head's two halves of the rotary pairs
        interleaved."""
        heads = {"attn_q": self.query, "attn_k": self.key}.get(name.rsplit(".", 1)[-1])
        if heads is None or not self.permuted:
            return weights
        rows, *rest = weights.shape
        return (
            weights.reshape(heads, 2, rows // heads // 2, *rest)
            .swapaxes(1, 2)
            .reshape(weights.shape)
        )


def _copy_fields(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for field in reader.fields.values():
        if field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, inner)
