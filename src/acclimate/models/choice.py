"""Which engine runs a model file here, where the user leaves it open: `[model] engine = "auto"`.

The rule is measured (docs/models.md). Where the processor multiplies bfloat16, OpenVINO reads a new
prompt four to six times faster, but it needs several times the file's size in memory and on disk,
because it unpacks the file's weights; llama.cpp keeps the file's own blocks, and reads any file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from acclimate.models.adapters import layers_of, served_by
from acclimate.models.gguf import TOKENIZERS, read_texts
from acclimate.models.llama_model import unfit
from acclimate.system.hardware import computes_bf16
from acclimate.system.platforms import free_memory_gb

Chosen = Literal["openvino", "llamacpp", "transformers"]

_ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})  # of OpenVINO's reader of GGUF files
_UNPACKED_BYTES = 250_000_000
"""The largest file that OpenVINO unpacks unasked on any machine."""
_UNPACKED_BF16_BYTES = 700_000_000
"""The same where the processor multiplies bfloat16: it takes up to four times that much disk."""
_MEMORY = 5.0  # free memory that unpacking wants, in sizes of the file


def choose(model: Path, adapter: Path | None = None) -> Chosen:
    """The engine for a model's main file with this adapter."""
    if model.suffix != ".gguf":
        return "transformers"
    layers = layers_of(adapter) if adapter is not None else []
    if any(served_by(layer) == "transformers" for layer in layers):
        return "transformers"
    if not _openvino_reads(model):
        return "llamacpp"
    if any(unfit(layer) for layer in layers):
        return "openvino"
    return engine_for(model.stat().st_size, bf16=computes_bf16(), free_gb=free_memory_gb())


def engine_for(size: int, *, bf16: bool, free_gb: float | None) -> Chosen:
    """The engine for a file of so many bytes that both read, by whether the processor multiplies
    bfloat16 and by its free memory (None: not known)."""
    if size <= _UNPACKED_BYTES:
        return "openvino"
    roomy = free_gb is not None and free_gb * 1e9 >= _MEMORY * size
    return "openvino" if bf16 and size <= _UNPACKED_BF16_BYTES and roomy else "llamacpp"


def _openvino_reads(model: Path) -> bool:
    pre, kind = "tokenizer.ggml.pre", "tokenizer.ggml.model"
    texts = read_texts(model, ("general.architecture", kind, pre))
    known = texts.get(kind) == "gpt2" and texts.get(pre, "gpt-2") in TOKENIZERS
    return known and texts.get("general.architecture") in _ARCHITECTURES
