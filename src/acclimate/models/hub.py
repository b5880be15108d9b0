"""Asking a Hugging Face hub, or a mirror of it, which files a repository has, and choosing those
to fetch."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from acclimate.errors import ModelError, nearest
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.encoders import BUILT_FROM_WEIGHTS
from acclimate.models.entries import Hub, ModelEntry, ModelFile, ModelKind, Source
from acclimate.system.proxies import routes

_SAFE = (".gguf", ".safetensors", ".onnx", ".json", ".txt", ".model", ".jinja")
_LANGUAGE_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "model.safetensors.index.json",
)
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_EMBEDDER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
    "preprocessor_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)
_LAYER = re.compile(r"\d+_(Pooling|Dense|LayerNorm)/(config\.json|model\.safetensors)")
_EXPORTS = ("onnx/model.onnx", "model.onnx")
Form = Literal["safetensors", "onnx"]
"""How an embedder's or reranker's weights are kept."""
_SHIPPED: dict[ModelKind, str] = {"reranker": "minilm-extractor"}  # never fetched, but may be meant
_GGUF_PREFERENCE = ("Q4_K_M", "Q4_0", "Q4_1", "Q8_0", "Q5_K_M", "F16")


def open_client() -> httpx.Client:
    """A client that follows the user's proxies."""
    return httpx.Client(
        follow_redirects=True, timeout=httpx.Timeout(30, connect=10), transport=routes(httpx)
    )


def endpoint() -> str:
    """The hub's address; HF_ENDPOINT names a mirror."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def files_of(entry: ModelEntry) -> tuple[tuple[ModelFile, ...], tuple[Source, ...]]:
    """The files and sources of an entry of the catalogue."""
    hub = entry.sources[0]
    if not entry.listed or not isinstance(hub, Hub):
        return entry.files, entry.sources
    pinned = {file.path for file in entry.files}
    names = {name for name in _ask(hub.repo, hub.revision).names if name not in pinned}
    beside = tuple(ModelFile(name, 0, "") for name in _beside(names))
    return entry.files + beside, entry.sources


@dataclass(frozen=True, slots=True)
class _Repository:
    """What the hub says of a repository at a revision."""

    names: frozenset[str]
    revision: str
    family: str | None


def _ask(repo: str, revision: str = "") -> _Repository:
    at = f"/revision/{revision}" if revision else ""
    try:
        with open_client() as client:
            response = client.get(f"{endpoint()}/api/models/{repo}{at}")
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        names = frozenset(str(item["rfilename"]) for item in answer["siblings"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise ModelError(
            f"the hub does not tell the files of '{repo}': {error}.",
            hint="Check the name and the network, or give a local path.",
            retryable=True,
        ) from error
    family = (answer.get("config") or {}).get("model_type")
    return _Repository(names, str(answer.get("sha") or revision or "main"), family)


def ask_hub(
    name: str, kind: ModelKind, form: Form | None
) -> tuple[tuple[ModelFile, ...], tuple[Source, ...]]:
    """Which files to fetch of a hub id; their hashes are recorded at this first fetch and hold ever
    after."""
    repo, _, wanted = name.partition(":")
    if "/" not in repo:
        known = [name for name, entry in CATALOGUE.items() if entry.kind == kind]
        known += [_SHIPPED[kind]] if kind in _SHIPPED else []
        raise ModelError(
            f"there is no model '{name}'.",
            hint=f"{nearest(name, known)} Or give a hub id 'org/repo' or a local path.",
        )
    told = _ask(repo)
    if wanted:
        chosen = [wanted]
    elif kind == "language":
        chosen = _choose_language(repo, told.names, form)
    else:
        chosen = [_choose_weights(repo, told, form), *_beside(told.names)]
    if unsafe := [file for file in chosen if not file.endswith(_SAFE)]:
        raise ModelError(
            f"'{unsafe[0]}' may hold code; only {', '.join(_SAFE)} are loaded.",
            hint="Choose a GGUF file.",
        )
    return tuple(ModelFile(file, 0, "") for file in chosen), (Hub(repo, told.revision),)


def _choose_language(repo: str, names: Collection[str], form: Form | None) -> list[str]:
    """A GGUF file; where there is none, or safetensors are asked for, those with what lies
    beside."""
    whole = ["model.safetensors"] if "model.safetensors" in names else []
    weights = whole or sorted(name for name in names if _SHARD.fullmatch(name))
    if not weights or (form is None and any(name.endswith(".gguf") for name in names)):
        return _choose_gguf(repo, names)
    return [*weights, *(name for name in _LANGUAGE_FILES if name in names)]


def _choose_gguf(repo: str, names: Collection[str]) -> list[str]:
    ggufs = sorted(file for file in names if file.endswith(".gguf"))
    for quality in _GGUF_PREFERENCE:
        if found := [file for file in ggufs if quality.casefold() in file.casefold()]:
            return found[:1]
    raise ModelError(
        f"'{repo}' has neither a GGUF file of a known kind nor model.safetensors.",
        hint="Choose its '-GGUF' repository, or the one with its weights.",
    )


def _choose_weights(repo: str, told: _Repository, form: Form | None) -> str:
    """The safetensors, or an export where the family does not run from weights."""
    exports = [name for name in _EXPORTS if name in told.names]
    weights = ["model.safetensors"] if "model.safetensors" in told.names else []
    if form is not None:
        exports, weights = ([], weights) if form == "safetensors" else (exports, [])
    if weights and exports:
        family = told.family or _family(repo, told.revision)
        return weights[0] if family in BUILT_FROM_WEIGHTS else exports[0]
    if found := [*weights, *exports]:
        return found[0]
    wanted = f"no {form} file" if form else "neither model.safetensors nor an ONNX file"
    raise ModelError(f"'{repo}' has {wanted}.", hint="Pickled weights are not loaded.")


def _family(repo: str, revision: str) -> str | None:
    """`model_type` in config.json, for mirrors of the hub that do not tell it with the files."""
    with open_client() as client:
        response = client.get(f"{endpoint()}/{repo}/resolve/{revision}/config.json")
    try:
        response.raise_for_status()
        told: dict[str, Any] = response.json()
    except (httpx.HTTPError, ValueError):
        return None
    return told.get("model_type")


def _beside(names: Collection[str]) -> list[str]:
    """What an encoder needs beside its weights, of a repository's files."""
    layers = sorted(name for name in names if _LAYER.fullmatch(name))
    return [*(name for name in _EMBEDDER_FILES if name in names), *layers]
