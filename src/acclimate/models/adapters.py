"""The changes that a tuned folder makes to its base, read with NumPy: PEFT's adapters that merge
into weights, and whole models.

    LoRA       W' = W + s · B A                     arXiv 2106.09685      DoRA   W' = m ∘ V / ‖V‖, V = W + s · B A
    (IA)³      W' = l ∘ W, or W ∘ l where it scales inputs                arXiv 2205.05638
    BitFit     b' = b + bias                        LN_TUNING  the trained norm instead of the base's
    model.safetensors                               every weight instead of the base's

Bottleneck adapters, prefixes and virtual tokens cannot be merged: `served_by` says what can run
them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import ModelError
from acclimate.models.foreign_adapters import (
    by_pattern,
    is_local,
    plain_name,
    read_config,
    require_numbers,
    require_plain,
    require_safetensors,
)

Weights = NDArray[np.float32]
Order = Callable[[str, Weights], Weights]
"""Rows [out, …] of a layer, given by its GGUF name, as the file keeps them."""
_PROJECTIONS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}
_TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_MERGED = ("LORA", "IA3", "BITFIT", "LN_TUNING")
OWN_TEMPLATE = "prompt.txt"
"""In an adapter's folder: the template that it was trained on, where that is not its recipe's."""
_PREFIX = "base_model.model."
_ANOTHER = "Use an adapter that was trained for this base model."


@dataclass(frozen=True, slots=True)
class Changes:
    """By GGUF tensor name: what tensors become, `also` those that not every model has, and `biases`
    [out] to add, their rows in the order of the network."""

    weights: dict[str, Callable[[Weights], Weights]] = field(default_factory=dict)
    also: dict[str, Callable[[Weights], Weights]] = field(default_factory=dict)
    biases: dict[str, Weights] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Factors:
    """A LoRA's part for one layer [out, in]: A [r, in], B [out, r], the scale s, and DoRA's
    magnitude [out] or None."""

    a: Weights
    b: Weights
    scale: float
    magnitude: Weights | None


def is_tuned(folder: Path) -> bool:
    """Whether the folder holds a PEFT adapter or a whole tuned model."""
    return (folder / "adapter_config.json").is_file() or (folder / "model.safetensors").is_file()


def weights_file(folder: Path) -> Path:
    """The file that holds what was trained."""
    whole = folder / "model.safetensors"
    return whole if whole.is_file() else folder / "adapter_model.safetensors"


def layers_of(folder: Path) -> list[Path]:
    """The folder, after the adapter that it stands on where there is one."""
    under = folder / "under"
    return [under, folder] if is_tuned(under) else [folder]


def served_by(folder: Path) -> Literal["merged", "graph", "transformers"]:
    """How an adapter can be served: merged into weights, as a part of OpenVINO's graph, or by
    Transformers only."""
    if (folder / "model.safetensors").is_file():
        return "merged"
    kind = read_config(folder).get("peft_type")
    if kind in _MERGED:
        return "merged"
    return "graph" if kind == "BOTTLENECK" else "transformers"


def read_changes(folder: Path, order: Order) -> Changes:
    """What an adapter does to its base. Raises ModelError where it is of a kind that cannot be
    merged, or damaged."""
    if (folder / "model.safetensors").is_file():
        return _replacements(read_tensors(folder / "model.safetensors"), order)
    config = _require_kind(folder, _MERGED)
    kind = config["peft_type"]
    tensors = read_tensors(folder / "adapter_model.safetensors")
    bare = {name.removeprefix(_PREFIX): values for name, values in tensors.items()}
    if kind == "LORA":
        return Changes(weights=_lora(_factors(folder, config, bare), order))
    if kind == "LN_TUNING":
        norms = _stripped(bare, ".ln_tuning_layers.weight")
        return _replacements({f"{layer}.weight": values for layer, values in norms.items()}, order)
    if kind == "BITFIT":
        biases = _stripped(bare, ".bitfit_bias")
        return Changes(biases={f"{_name(layer)}.bias": values for layer, values in biases.items()})
    scales = {_name(layer): values for layer, values in _stripped(bare, ".ia3_l").items()}
    # Those of outputs are columns [out, 1], whose rows are kept as the layer's; those of inputs are
    # rows [1, in].
    ready = {
        name: order(name, values) if values.shape[1] == 1 else values
        for name, values in scales.items()
    }
    return Changes(
        weights={f"{name}.weight": _times(values) for name, values in ready.items()},
        also={
            f"{name}.bias": _times(values[:, 0])
            for name, values in ready.items()
            if values.shape[1] == 1
        },
    )


def _require_kind(folder: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """The configuration of a folder of one of these kinds, without parts that are not
    understood."""
    config = read_config(folder)
    if config["peft_type"] not in kinds:
        raise ModelError(
            f"{folder.name} is a {config['peft_type']} adapter, not {' or '.join(kinds)}.",
            hint='Use [model] engine = "transformers".',
        )
    header, _ = _header(weights_file(folder))
    require_plain(folder, config, list(header))
    return config


def read_lora(folder: Path) -> dict[str, Factors]:
    """The factors of a LoRA folder, by the layer's GGUF name. Raises ModelError where it is damaged
    or another kind."""
    config = _require_kind(folder, ("LORA",))
    return _factors(folder, config, read_tensors(folder / "adapter_model.safetensors"))


def require_layers(folder: Path, blocks: int) -> None:
    """Raises ModelError where a LoRA folder lacks layers that its configuration names, in a model
    of so many `blocks`.

    PEFT only warns of those, and leaves them as they were. Other kinds pass.
    """
    if (folder / "model.safetensors").is_file() or read_config(folder).get("peft_type") != "LORA":
        return
    config, found = read_config(folder), set(read_lora(folder))
    targets, chosen = config.get("target_modules"), config.get("layers_to_transform")
    # What a regular expression should match is not known here.
    if not isinstance(targets, list) or chosen is not None:
        return
    named = [name for path, name in _PROJECTIONS.items() if path.rpartition(".")[2] in targets]
    wanted = [f"blk.{block}.{name}" for block in range(blocks) for name in named]
    absent = [name for name in wanted if name not in found]
    if absent:
        raise ModelError(
            f"{folder.name} lacks {len(absent)} of the {blocks * len(named)} layers that its "
            f"configuration names, "
            f"the first is {absent[0]}.",
            hint="Its file is cut, or it is for a smaller model. " + _ANOTHER,
        )


def _lora(factors: dict[str, Factors], order: Order) -> dict[str, Callable[[Weights], Weights]]:
    changes = {}
    for name, one in factors.items():
        magnitude = None if one.magnitude is None else order(name, one.magnitude)
        changes[f"{name}.weight"] = _plus(order(name, one.scale * (one.b @ one.a)), magnitude)
    return changes


def _factors(
    folder: Path, config: dict[str, Any], tensors: dict[str, Weights]
) -> dict[str, Factors]:
    require_numbers(folder, config)
    parts: dict[str, dict[str, Weights]] = {}
    for key, values in tensors.items():
        layer, _, rest = key.removeprefix(_PREFIX).partition(".lora_")
        parts.setdefault(layer, {})[rest.removesuffix(".weight")] = values
    wanted = {"A", "B"} | ({"magnitude_vector"} if config.get("use_dora") else set())
    found = {}
    for layer, part in parts.items():
        if set(part) != wanted:
            raise ModelError(
                f"the adapter's tensors for '{layer}' are {sorted(part)}, not {sorted(wanted)}.",
                hint="Save the adapter again by PEFT's save_pretrained.",
            )
        rank = by_pattern(config.get("rank_pattern"), layer, config["r"])
        if not len(part["A"]) == part["B"].shape[1] == rank:
            raise ModelError(
                f"the adapter's tensors for '{layer}' have the ranks {len(part['A'])} and "
                f"{part['B'].shape[1]}; "
                f"its configuration says {rank:g}.",
                hint="Its adapter_config.json is of another adapter, or its file is damaged.",
            )
        alpha = by_pattern(config.get("alpha_pattern"), layer, config["lora_alpha"])
        scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        found[_name(layer)] = Factors(part["A"], part["B"], scale, part.get("magnitude_vector"))
    return found


def _plus(update: Weights, magnitude: Weights | None) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        _same_shape(weights, update)
        total = weights + update
        if magnitude is None:
            return total
        scaled: Weights = total * (magnitude / np.linalg.norm(total, axis=1))[:, None]
        return scaled

    return change


def _times(scale: Weights) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        if scale.size not in weights.shape:
            _same_shape(weights, scale)
        return weights * scale

    return change


def _instead(values: Weights) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        _same_shape(weights, values)
        return values

    return change


def _same_shape(weights: Weights, other: Weights) -> None:
    if weights.shape != other.shape:
        raise ModelError(
            f"the adapter's update for a tensor {weights.shape} is {other.shape}.", hint=_ANOTHER
        )


def _replacements(tensors: dict[str, Weights], order: Order) -> Changes:
    """Weights, and biases that the base has as well, instead of its own."""
    changes = {}
    for key, values in tensors.items():
        layer, _, kind = key.rpartition(".")
        name = _name(layer)
        changes[f"{name}.{kind}"] = _instead(order(name, values))
    return Changes(weights=changes)


def _stripped(tensors: dict[str, Weights], end: str) -> dict[str, Weights]:
    if odd := [name for name in tensors if not name.endswith(end)]:
        raise ModelError(f"the adapter's tensor '{odd[0]}' is not one of its method.")
    return {name.removesuffix(end): values for name, values in tensors.items()}


def _name(layer: str) -> str:
    """The GGUF name of a layer. Raises ModelError for one that has none."""
    if layer in _TOP:
        return _TOP[layer]
    number, _, inner = layer.removeprefix("model.layers.").partition(".")
    if inner not in _PROJECTIONS or not number.isdigit():
        raise ModelError(f"the adapter changes '{layer}', which is no known layer.", hint=_ANOTHER)
    return f"blk.{number}.{_PROJECTIONS[inner]}"


def read_base(folder: Path) -> str:
    """The name of the model that it was trained for; "" where it does not say."""
    header, _ = _header(weights_file(folder))
    named = str(header.get("__metadata__", {}).get("base_model", ""))
    if not named and (folder / "adapter_config.json").is_file():
        named = str(read_config(folder).get("base_model_name_or_path") or "")
    return named


def require_base_model(adapter: Path, model: str) -> None:
    """Raises ModelError where an adapter says that it was trained for another model.

    Names are compared without organisation, file type and quantisation; a folder's path says
    nothing, and shapes decide when the adapter is merged.
    """
    trained_for = read_base(adapter)
    if not trained_for or not model or is_local(trained_for):
        return
    if plain_name(trained_for) != plain_name(model):
        raise ModelError(
            f"{adapter.name} was trained for '{trained_for}'; the model is '{model}'.",
            hint=f'Use [model] name = "{trained_for}", or train again. If it is the same model '
            f"under another name, "
            "write that into the adapter's adapter_config.json as base_model_name_or_path.",
        )


def require_keys(folder: Path, wanted: set[str]) -> None:
    """Raises ModelError where the folder's tensors are not exactly those that the model wants."""
    header, _ = _header(weights_file(folder))
    if odd := sorted((header.keys() - {"__metadata__"}) ^ wanted):
        raise ModelError(
            f"{folder.name} does not fit the model: {len(odd)} tensors are missing or strange, "
            f"the first is {odd[0]}.",
            hint=_ANOTHER,
        )


def read_tensors(file: Path) -> dict[str, Weights]:
    """All tensors as float32; NumPy has no bfloat16, so those are widened bit by bit.

    Format: 8 bytes of header length, a JSON header, then the data
    (https://github.com/huggingface/safetensors).
    """
    header, first = _header(file)
    content = file.read_bytes()
    header.pop("__metadata__", None)
    types: dict[str, np.dtype[Any]] = {
        "F32": np.dtype("<f4"),
        "F16": np.dtype("<f2"),
        "BF16": np.dtype("<u2"),
    }
    result: dict[str, Weights] = {}
    for name, entry in header.items():
        if entry["dtype"] not in types:
            raise ModelError(
                f"'{name}' in {file.name} is {entry['dtype']}; F32, F16 and BF16 can be read."
            )
        start, end = (first + offset for offset in entry["data_offsets"])
        values = np.frombuffer(content[start:end], types[entry["dtype"]])
        wide = (
            (values.astype(np.uint32) << 16).view(np.float32)
            if entry["dtype"] == "BF16"
            else values
        )
        result[name] = wide.astype(np.float32).reshape(entry["shape"])
    return result


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """The JSON header, and where the data begins."""
    require_safetensors(file.parent, file)
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            return json.loads(opened.read(length)), 8 + length
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file} is not readable: {error}.", hint="Give a PEFT adapter folder."
        ) from error
