"""Tuned encoders: a small PEFT folder over a base model, merged into its weights when it is loaded.

The folder holds `encoder.json` (target, base, base_sha256, weight), and a LoRA with its head as
PEFT saves them. Merging takes a few milliseconds, costs no latency, and needs no PyTorch. Source:
Hu et al., arXiv 2106.09685, section 4.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from acclimate.embeddings.weights import FloatArray, read_weights
from acclimate.errors import HashMismatchError, ModelError

RECORD, WEIGHTS, LAYERS = "encoder.json", "adapter_model.safetensors", "extractor.safetensors"
EXTRACTOR = "minilm-extractor"  # ships; marks answers, reads beside a model, and reranks
_WRAPPED = "base_model.model."
_FAMILIES = ("bert.", "roberta.", "distilbert.", "model.")


@dataclass(frozen=True, slots=True)
class TunedEncoder:
    """What a tuned folder says of itself.

    `target` is "embedder" or "reranker"; `base` names the model below it, whose weights have the
    SHA-256 `base_sha256`; `weight` is the share of a reranker's score in the order of passages that
    was best on dev questions. `under` names weights that ship with Acclimate and lie between the
    two ("": none), as they were at `under_sha256`.
    """

    target: str
    base: str
    base_sha256: str
    weight: float = 1.0
    under: str = ""
    under_sha256: str = ""


def read_tuned(folder: Path) -> TunedEncoder | None:
    """The record in `folder`; None where it is no tuned encoder. Raises ModelError where the record
    is damaged."""
    file = folder / RECORD
    if not file.is_file():
        return None
    try:
        return TunedEncoder(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{file} is damaged: {error}.", hint="Train it again: acclimate tune --target …"
        ) from error


def write_tuned(folder: Path, tuned: TunedEncoder) -> None:
    """Put the record into `folder`, which makes it a tuned encoder."""
    (folder / RECORD).write_text(json.dumps(asdict(tuned), indent=1) + "\n", encoding="utf-8")


def require_base_encoder(folder: Path, base: str, wanted: str, sha256: str) -> None:
    """Raises HashMismatchError where the base that is here is not the one that was trained on."""
    if wanted != sha256:
        raise HashMismatchError(
            f"{folder} was trained on {base} with the SHA-256 {wanted}, but {sha256} is here.",
            hint=f"acclimate models fetch --again {base}",
        )


def tuned_sha256(folder: Path, base_sha256: str) -> str:
    """Identifies base and adapter together: 64 hex digits."""
    return hashlib.sha256(base_sha256.encode() + (folder / WEIGHTS).read_bytes()).hexdigest()


def merge(base: Mapping[str, FloatArray], folder: Path) -> dict[str, FloatArray]:
    """`base` with the LoRA in `folder` added, W + (alpha / r) B A, and its head put in.

    Raises ModelError where a tensor has no place in the base, or is of another shape.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        scale = float(config["lora_alpha"]) / int(config["r"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder} has no valid adapter_config.json: {error}.", hint="Train it again."
        ) from error
    if (tuned := read_tuned(folder)) and tuned.under:
        if tuned.under_sha256 != under_sha256(tuned.under):
            raise HashMismatchError(
                f"{folder} was trained over the '{tuned.under}' of another version of Acclimate.",
                hint=f"Train it again: acclimate tune --target {tuned.target}",
            )
        base = lay_under(base, tuned.under)
    weights = dict(base)
    tensors = {
        name.removeprefix(_WRAPPED): tensor
        for name, tensor in read_weights(folder / WEIGHTS).items()
    }
    for name, tensor in tensors.items():
        stem, lora, which = name.rpartition(".lora_")
        if not lora:
            weights[_place(name, base) or name] = tensor
        elif which == "A.weight":
            place, b = _place(f"{stem}.weight", base), tensors.get(f"{stem}.lora_B.weight")
            if place is None or b is None or base[place].shape != (b.shape[0], tensor.shape[1]):
                raise ModelError(
                    f"{folder}: '{stem}' does not fit the base model.",
                    hint="Train it for this base.",
                )
            weights[place] = base[place] + np.float32(scale) * (b @ tensor)
    return weights


def shipped(name: str) -> Path:
    """The folder of weights that ship with Acclimate."""
    return Path(str(resources.files("acclimate") / "adapters" / name))


def under_sha256(name: str) -> str:
    """Identifies shipped weights: 64 hex digits, "" for no name."""
    return hashlib.sha256((shipped(name) / LAYERS).read_bytes()).hexdigest() if name else ""


def lay_under(base: Mapping[str, FloatArray], name: str) -> dict[str, FloatArray]:
    """`base` with the layers of the shipped extractor `name` in the place of its own."""
    return read_trained(shipped(name) / LAYERS, base)


def depth(weights: Mapping[str, FloatArray]) -> int:
    """How many layers a BERT's weights have: what ships is deeper than the embedder that it lies
    on."""
    return len(
        {
            name.split("encoder.layer.")[1].split(".")[0]
            for name in weights
            if "encoder.layer." in name
        }
    )


def read_trained(file: Path, base: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The encoder `base` with the tensors in `file` in the place of its own.

    Matrices are kept as eight-bit rows with a float32 scale for each row, `NAME` and `NAME.scale`.
    Raises ModelError where the file is damaged or made for another base.
    """
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{file} cannot be read: {error}.", hint="Install Acclimate again."
        ) from error
    weights = dict(base)
    for name, tensor in tensors.items():
        if name.endswith(".scale"):
            continue
        scale = tensors.get(f"{name}.scale")
        value = (
            tensor.astype(np.float32)
            if scale is None
            else tensor.astype(np.float32) * scale[:, None]
        )
        if name in base and base[name].shape != value.shape:
            raise ModelError(
                f"{file}: '{name}' is {value.shape}, but the base model's is {base[name].shape}."
            )
        weights[name] = np.ascontiguousarray(value)
    return weights


def _place(name: str, base: Mapping[str, FloatArray]) -> str | None:
    """What `base` calls a tensor: checkpoints of bare encoders lack the family's prefix, others
    have it."""
    bare = next(
        (name.removeprefix(family) for family in _FAMILIES if name.startswith(family)), name
    )
    return next(
        (
            found
            for found in (name, bare, *(family + bare for family in _FAMILIES))
            if found in base
        ),
        None,
    )
