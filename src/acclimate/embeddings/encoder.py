"""Any encoder as an OpenVINO graph, by the family that its config.json names; and which of a
folder's weights are run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from openvino import Core, Model

from acclimate.embeddings import bert
from acclimate.embeddings.bert import build_bert
from acclimate.embeddings.files import read_json
from acclimate.embeddings.modernbert import build_modernbert
from acclimate.embeddings.packed import PACKED, packed_config, read_packed
from acclimate.embeddings.weights import FloatArray, read_weights
from acclimate.errors import ModelError

FAMILIES = (*bert.FAMILIES, "modernbert")
"""The values of `model_type` that are built from weights."""
SAFETENSORS = "model.safetensors"
ONNX_FILES = ("model.onnx", "onnx/model.onnx")


def build_encoder(
    config: Mapping[str, Any], weights: Mapping[str, FloatArray], *, types: bool = False
) -> Model:
    """See `build_bert`; a family that knows no token types has no input for them.

    Raises ModelError for a family that is not known here.
    """
    if (family := str(config.get("model_type"))) not in FAMILIES:
        raise ModelError(
            f"the model's type is '{family}'; without PyTorch these run: {', '.join(FAMILIES)}.",
            hint='Use an ONNX export of it, or set [embedder] engine = "sentence-transformers".',
        )
    if family == "modernbert":
        return build_modernbert(config, weights)
    return build_bert(config, weights, types=types)


def read_config(folder: Path) -> dict[str, Any]:
    """The model's config.json, or what a packed file says in its place; {} where neither is
    there."""
    config = cast("dict[str, Any] | None", read_json(folder / "config.json"))
    if config is None and (folder / PACKED).is_file():
        return packed_config(folder / PACKED)
    return config or {}


def read_tensors(file: Path) -> dict[str, FloatArray]:
    """The weights in a file that is no ONNX export, as float32."""
    return read_packed(file) if file.name == PACKED else read_weights(file)


def weights_file(folder: Path) -> Path:
    """The file in `folder` that is run: its safetensors, or an ONNX export where its family is not
    built from weights, or a packed file. Raises ModelError where there is none."""
    config = cast("dict[str, Any]", read_json(folder / "config.json") or {})
    exports = [folder / name for name in ONNX_FILES if (folder / name).is_file()]
    if (weights := folder / SAFETENSORS).is_file():
        other = config.get("model_type") not in FAMILIES
        return exports[0] if other and exports else weights
    if exports:
        return exports[0]
    if (packed := folder / PACKED).is_file():
        return packed
    raise ModelError(
        f"{folder} has neither {SAFETENSORS} nor {' nor '.join(ONNX_FILES)}.",
        hint="acclimate models fetch",
    )


def read_onnx(file: Path) -> Model:
    """The graph in `file`. Raises ModelError where it cannot be read."""
    try:
        return Core().read_model(file)
    except RuntimeError as error:
        raise ModelError(
            f"{file} cannot be read: {error}.", hint="Fetch the model again."
        ) from error
