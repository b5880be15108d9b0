"""Layers between the pooled vector of an encoder and its output, as sentence-transformers keeps
them: `modules.json` names their folders in order, each with a config.json and its weights.

Embedders have them (a `Dense` to more dimensions), and so have rerankers whose checkpoint is a
bare encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from openvino import Node
from openvino import opset15 as ops

from acclimate.embeddings.files import file_sha256, read_json
from acclimate.embeddings.nodes import activate, linear, normalise
from acclimate.embeddings.weights import read_weights
from acclimate.errors import ModelError

WEIGHTS = "model.safetensors"
_EPSILON = 1e-5  # PyTorch's LayerNorm
# By the class that config.json names; of none, sentence-transformers takes tanh.
_ACTIVATIONS = {
    "Identity": "",
    "Tanh": "tanh",
    "GELU": "gelu",
    "ReLU": "relu",
    "SiLU": "silu",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: `path` is its folder in the model's, `sha256` its weights'; `activation` is ""
    for none; with `residual` its input is added to its output."""

    path: str
    kind: Literal["Dense", "LayerNorm"]
    sha256: str
    activation: str = ""
    residual: bool = False


def read_layer(folder: Path, path: str, kind: str) -> Layer:
    """The layer in `folder`/`path`. Raises ModelError for a kind or activation that is not
    supported, and where its files are missing."""
    if kind not in ("Dense", "LayerNorm"):
        raise ModelError(
            f"{folder} has a '{kind}' module, which is neither Transformer, Pooling, Dense, "
            f"LayerNorm nor Normalize.",
            hint='Set [embedder] engine = "sentence-transformers", or use another model.',
        )
    config = cast("dict[str, Any] | None", read_json(folder / path / "config.json"))
    weights = folder / path / WEIGHTS
    if config is None or not weights.is_file():
        raise ModelError(
            f"{folder / path} lacks config.json or {WEIGHTS}.", hint="Fetch the model again."
        )
    if kind == "LayerNorm":
        return Layer(path, "LayerNorm", file_sha256(weights))
    named = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if (activation := named.rpartition(".")[2]) not in _ACTIVATIONS:
        raise ModelError(
            f"{folder / path} has the activation '{named}', which is not one of "
            f"{list(_ACTIVATIONS)}.",
            hint='Set [embedder] engine = "sentence-transformers", or use another model.',
        )
    sha256, residual = file_sha256(weights), bool(config.get("use_residual"))
    return Layer(path, "Dense", sha256, _ACTIVATIONS[activation], residual)


def apply_layers(x: Node, folder: Path, layers: Sequence[Layer]) -> Node:
    """[B, H] through each layer to [B, O]."""
    for layer in layers:
        x = _apply(x, folder / layer.path / WEIGHTS, layer)
    return x


def _apply(x: Node, file: Path, layer: Layer) -> Node:
    tensors = read_weights(file)
    root = "norm" if layer.kind == "LayerNorm" else "linear"
    weight, bias = tensors.get(f"{root}.weight"), tensors.get(f"{root}.bias")
    reads = int(x.get_output_partial_shape(0)[1].get_length())
    if weight is None or weight.shape[-1] != reads:
        raise ModelError(
            f"{file} has no '{root}.weight' for vectors of {reads}.", hint="Fetch the model again."
        )
    if layer.kind == "LayerNorm":
        return normalise(x, weight, bias, _EPSILON)
    out = linear(x, weight, bias)
    if layer.activation:
        out = activate(out, layer.activation)
    if not layer.residual:
        return out
    wider = tensors.get("residual.weight")  # there where the sizes differ
    return ops.add(out, x if wider is None else linear(x, wider))
