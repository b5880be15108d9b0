"""Checks adapters made elsewhere for features that merging does not support; each error names the
remedy.

PEFT's configuration has many switches, and its files hold whatever was trained. Each of
`_OBSTACLES` changes what the tensors mean, or trains other parts of the model: merged as a plain
adapter it would be another adapter, silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from acclimate.errors import ModelError

_ELSEWHERE = (
    'Serve it by PEFT: [model] engine = "transformers". Or merge it where it was made '
    "(merge_and_unload, "
    "save_pretrained), convert that to GGUF, and name it as [model] name."
)
_CONVERT = (
    "Where it was made: from safetensors.torch import save_file; "
    "save_file(torch.load('adapter_model.bin', "
    "weights_only=True), 'adapter_model.safetensors')."
)
# Starts that take their product off the base's weights.
_RESIDUAL = (
    "pissa",
    "olora",
    "corda",
    "loftq",
)

Config = Mapping[str, Any]
_OBSTACLES: Mapping[str, Callable[[Any], bool]] = {
    "modules_to_save": bool,
    "trainable_token_indices": bool,
    "target_parameters": bool,
    "layer_replication": bool,
    "megatron_config": bool,
    "lora_bias": bool,
    "fan_in_fan_out": bool,
    "use_qalora": bool,
    "alora_invocation_tokens": bool,
    "bias": lambda value: value not in (None, "none"),
    "init_lora_weights": lambda value: (
        isinstance(value, str) and value.casefold().startswith(_RESIDUAL)
    ),
}
_MEANING = {
    "modules_to_save": "whole layers that were trained beside it ({value})",
    "trainable_token_indices": "embeddings of single tokens that were trained",
    "target_parameters": "updates of parameters that are no layers ({value})",
    "layer_replication": "layers that are repeated",
    "megatron_config": "layers of Megatron",
    "lora_bias": "biases in its matrices",
    "fan_in_fan_out": "weights that are stored transposed (fan_in_fan_out)",
    "use_qalora": "matrices over groups of inputs (QALoRA)",
    "alora_invocation_tokens": "an update that begins at certain tokens (aLoRA)",
    "bias": "biases of the base that were trained (bias = {value})",
    "init_lora_weights": "a start that changed the base's weights ({value}), which it needs as "
    "well",
}
_TENSORS = re.compile(r"\.(lm_head|embed_tokens)\.|lora_embedding_[AB]|modules_to_save")


def read_config(folder: Path) -> dict[str, Any]:
    """PEFT's configuration. Raises ModelError where there is none, or it does not say what kind it
    is of."""
    file = folder / "adapter_config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ModelError(
            f"{folder} holds no readable adapter_config.json: {reason}.",
            hint="Give a PEFT adapter folder, whole.",
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        raise ModelError(
            f"{file} does not say its 'peft_type'.",
            hint="Save the adapter again by PEFT's save_pretrained.",
        )
    return config


def require_safetensors(folder: Path, file: Path) -> None:
    """Raises ModelError where the weights are not there, or are a pickle, which may run code when
    it is opened."""
    if file.is_file():
        return
    if (pickle := folder / "adapter_model.bin").is_file():
        raise ModelError(
            f"{folder.name} holds its weights in {pickle.name}, a pickle, which can run code when "
            f"it is opened.",
            hint=_CONVERT,
        )
    raise ModelError(f"{folder} holds no {file.name}.", hint="Give a PEFT adapter folder, whole.")


def require_plain(folder: Path, config: Config, names: list[str]) -> None:
    """Raises ModelError where the configuration, or a tensor, is of a part that merging would lose
    or get wrong."""
    for key, is_set in _OBSTACLES.items():
        if key in config and is_set(value := config[key]):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            raise ModelError(
                f"{folder.name} has {_MEANING[key].format(value=shown)}.", hint=_ELSEWHERE
            )
    if odd := next((name for name in names if _TENSORS.search(name)), None):
        raise ModelError(
            f"{folder.name} has trained embeddings or a trained head ({odd}).", hint=_ELSEWHERE
        )


def require_numbers(folder: Path, config: Config) -> None:
    """Raises ModelError where a LoRA's configuration lacks its rank or alpha: neither can be
    guessed."""
    for key in ("r", "lora_alpha"):
        value = config.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ModelError(
                f"{folder.name}: '{key}' is {value!r} in adapter_config.json, so its scale is not "
                f"known.",
                hint=f"Write the '{key}' that it was trained with into that file.",
            )


def by_pattern(patterns: object, layer: str, otherwise: float) -> float:
    """The rank or alpha of a layer where `rank_pattern` or `alpha_pattern` gives it one, by PEFT's
    own rule: the first key that is the end of the layer's path, as a regular expression."""
    for key, value in patterns.items() if isinstance(patterns, dict) else ():
        if re.match(rf"(.*\.)?({key})$", layer):
            return float(value)
    return otherwise


def plain_name(name: str) -> str:
    """A model's name without organisation, file type and quantisation, to compare with
    another's."""
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1].casefold().removesuffix(".gguf")
    last = re.sub(
        r"[-_.](?:gguf|i?q\d\w*|b?f16|f32|bnb|unsloth|[48]bit|awq|gptq|int[48])(?=$|[-_.])",
        "",
        last,
    )
    return re.sub(r"[^a-z0-9]", "", last)


def is_local(name: str) -> bool:
    """Whether a base is named by a folder of the machine where the adapter was made, which says
    little."""
    return bool(re.match(r"[./~\\]|[A-Za-z]:", name)) or name.count("/") > 1
