"""Bottleneck adapters as a part of OpenVINO's graph: they have a non-linearity, so no weight can
hold them.

    behind a sub-layer   y + up(relu(down(y)))          y: its output, before it is added to the residual stream
    beside it            y + s · up(relu(down(x)))      x: its normalised input

The graph that OpenVINO GenAI builds from a GGUF file names the additions to the residual stream:
`model.layers.self_attn.add0.layerN` after attention, `add1.layerN` after the feed-forward network.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as op

from acclimate.errors import ModelError
from acclimate.models.adapters import Weights, read_tensors
from acclimate.models.foreign_adapters import read_config

_KEY = re.compile(
    r"base_model\.model\.model\.layers\.(\d+)\.(.+)\.bottleneck_(down|up)\.(weight|bias)"
)
_ADDED_BY = {"self_attn.o_proj": "add0", "mlp.down_proj": "add1", "mlp": "add1"}


def extend(folder: Path, adapter: Path) -> None:
    """Put a bottleneck adapter into the IR in `folder`. Raises ModelError where it does not fit the
    graph exactly."""
    config = read_config(adapter)
    parts = _read_parts(adapter)
    model = ov.Core().read_model(folder / "openvino_model.xml")
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    for (layer, module), part in parts.items():
        if set(part) != {"down.weight", "down.bias", "up.weight", "up.bias"}:
            raise ModelError(
                f"the adapter's tensors for layer {layer}, '{module}' are not complete: "
                f"{sorted(part)}."
            )
        added = nodes.get(f"model.layers.self_attn.{_ADDED_BY.get(module, module)}.layer{layer}")
        if added is None:
            raise ModelError(
                f"the adapter's '{module}' of layer {layer} has no place in the model.",
                hint="Use an adapter that was trained for this base model.",
            )
        _insert(
            added,
            part,
            beside=bool(config.get("parallel")),
            scale=float(config.get("scaling", 1.0)),
        )
    written = folder / "extended"
    written.mkdir()
    ov.save_model(model, written / "openvino_model.xml", compress_to_fp16=False)
    del model, nodes  # the files to replace are mapped
    for file in written.iterdir():
        file.replace(folder / file.name)
    shutil.rmtree(written)


def _read_parts(adapter: Path) -> dict[tuple[int, str], dict[str, Weights]]:
    """Tensors by layer and module."""
    parts: dict[tuple[int, str], dict[str, Weights]] = {}
    for key, values in read_tensors(adapter / "adapter_model.safetensors").items():
        if (match := _KEY.fullmatch(key)) is None:
            raise ModelError(f"the adapter's tensor '{key}' is not one of a bottleneck.")
        parts.setdefault((int(match[1]), match[2]), {})[f"{match[3]}.{match[4]}"] = values
    return parts


def _insert(added: Any, part: dict[str, Weights], *, beside: bool, scale: float) -> None:
    place = next(
        port
        for port in added.inputs()
        if port.get_source_output().get_node().get_type_name() == "MatMul"
    )
    y = place.get_source_output()
    x = _input_of_block(y) if beside else y
    width = y.get_partial_shape()[2]
    if width.is_static and width.get_length() != part["up.weight"].shape[0]:
        raise ModelError(
            f"the adapter is {part['up.weight'].shape[0]} wide, the model {width.get_length()}.",
            hint="Use an adapter that was trained for this base model.",
        )
    inner = op.relu(
        op.add(
            op.matmul(x, _constant(part["down.weight"]), False, True), _constant(part["down.bias"])
        )
    )
    outer = op.add(
        op.matmul(inner, _constant(scale * part["up.weight"]), False, True),
        _constant(scale * part["up.bias"]),
    )
    place.replace_source_output(op.add(y, outer).output(0))


def _input_of_block(y: Any) -> Any:
    """The normalised input of a gated feed-forward network, from its output: down ← gate · up ←
    swish ← MatMul."""
    gated = y.get_node().input_value(0).get_node()
    swish = next(
        value.get_node()
        for value in gated.input_values()
        if value.get_node().get_type_name() == "Swish"
    )
    return swish.input_value(0).get_node().input_value(0)


def _constant(values: Weights) -> Any:
    return op.constant(np.ascontiguousarray(values, dtype=np.float32))
