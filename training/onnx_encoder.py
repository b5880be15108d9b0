"""Writes the weights of a BERT's ONNX export as model.safetensors, under the names that Transformers gives them.

    python -m training.onnx_encoder FOLDER

FOLDER has config.json and onnx/model.onnx: where a model can be had as an export only. An export keeps the names of
biases, norms and embeddings; matrices are transposed and known by the product that they stand in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from openvino import Core
from safetensors.numpy import save_file


def tensors_of(file: Path) -> dict[str, np.ndarray]:
    """The encoder's float tensors; matrices are [out, in]."""
    found: dict[str, np.ndarray] = {}
    for node in Core().read_model(file).get_ops():
        if node.get_type_name() == "Constant" and node.get_friendly_name().startswith(
            ("embeddings.", "encoder.")
        ):
            found[node.get_friendly_name()] = node.data.copy()
        if (
            node.get_type_name() == "MatMul"
            and node.input_value(1).get_node().get_type_name() == "Constant"
        ):
            weight = node.input_value(1).get_node().data
            name = node.get_friendly_name().strip("/").removesuffix("/MatMul").replace("/", ".")
            found[f"{name}.weight"] = (
                weight.copy() if node.get_attributes()["transpose_b"] else weight.T.copy()
            )
    return {
        name: value for name, value in found.items() if value.dtype == np.float32 and value.ndim
    }


def main() -> None:
    """Read the folder, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    save_file(tensors_of(folder / "onnx" / "model.onnx"), folder / "model.safetensors")


if __name__ == "__main__":
    main()
