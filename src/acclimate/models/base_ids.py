"""The hub's name of the weights that a model here was made from: what PEFT, vLLM and a hub's pages
know a base by. A quantised file has another name than those."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from acclimate.models.foreign_adapters import plain_name
from acclimate.models.gguf import read_texts
from acclimate.models.store import LocalModel

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_TOLD = (
    "general.source.huggingface.repository",
    "general.source.repo_url",
    "general.base_model.0.repo_url",
    "general.repo_url",
)


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form 'org/repo'."""
    return bool(_HUB_ID.fullmatch(name))


def base_id(model: LocalModel) -> str:
    """The hub id of a model's unquantised weights; "" where nobody says it.

    By the catalogue, by the hub id that safetensors were fetched from, or by what a GGUF file or a
    folder's config.json says of its source, where that is the same model by its name: a file may
    also name what its model was trained from.
    """
    if model.entry is not None and model.entry.base:
        return model.entry.base
    gguf = model.weights.suffix == ".gguf"
    if not gguf and is_hub_id(model.name):
        return model.name
    told = _told_by_gguf(model.weights) if gguf else _told_by_config(model.folder)
    names = {plain_name(one) for one in (model.name.partition(":")[0], model.weights.stem)}
    found = (one for one in told if is_hub_id(one) and plain_name(one) in names)
    return next(found, "")


def _told_by_gguf(file: Path) -> list[str]:
    texts = read_texts(file, _TOLD)
    return [urlsplit(texts[key]).path.strip("/") for key in _TOLD if key in texts]


def _told_by_config(folder: Path) -> list[str]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return [str(config.get("_name_or_path") or "")]


def name_base(adapter: Path, base: str) -> None:
    """Write a base's hub id into an adapter's adapter_config.json; nothing where there is none, or
    the base is ""."""
    file = adapter / "adapter_config.json"
    if not base or not file.is_file():
        return
    config = json.loads(file.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    part.replace(file)
