"""How a model wants its texts: what the weights alone do not say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from acclimate.errors import ModelError

Pooling = Literal["mean", "cls"]
_POOLING_KEYS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}
_MODULES = {"Transformer", "Pooling", "Normalize"}
_DEFAULT_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """What to do around a model's forward pass.

    `pooling` makes one vector of the token vectors; `max_tokens` counts special tokens; the
    prefixes are put before each query and passage as they are (models trained with "query: " need
    the space). `dimensions` keeps the first so many of a vector's components (None: all).
    """

    pooling: Pooling = "mean"
    max_tokens: int = _DEFAULT_MAX_TOKENS
    query_prefix: str = ""
    passage_prefix: str = ""
    dimensions: int | None = None

    def shortened(self, dimensions: int | None) -> EmbedderSpec:
        """This spec with vectors of so many components."""
        return replace(self, dimensions=dimensions)

    def fingerprint(self, weights: str) -> str:
        """Identifies the vector space of the weights with hash `weights` under this spec: 64 hex
        digits."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        content = json.dumps(
            {"weights": weights, "long texts": "mean of windows", **said}, sort_keys=True
        )
        return hashlib.sha256(content.encode()).hexdigest()


def read_spec(folder: Path) -> EmbedderSpec:
    """The spec of a model in the sentence-transformers layout, for models that the catalogue does
    not know.

    Files that are absent leave the defaults: mean pooling, no prefixes, the smaller of the model's
    positions and `max_seq_length`. Raises ModelError for what would give other vectors than the
    model's authors': a pooling other than mean or cls, or layers after the pooling.
    """
    modules = cast("list[dict[str, str]]", read_json(folder / "modules.json") or [])
    for module in modules:
        if (kind := module.get("type", "").rpartition(".")[2]) not in _MODULES:
            raise ModelError(
                f"{folder} has a '{kind}' module, which is not one of {sorted(_MODULES)}.",
                hint='Set [embedder] engine = "sentence-transformers", or use another model.',
            )
    config = cast("dict[str, Any]", read_json(folder / "config.json") or {})
    limits = cast("dict[str, Any]", read_json(folder / "sentence_bert_config.json") or {})
    prompts = (
        cast("dict[str, Any]", read_json(folder / "config_sentence_transformers.json") or {}).get(
            "prompts"
        )
        or {}
    )
    positions = int(config.get("max_position_embeddings", _DEFAULT_MAX_TOKENS)) - position_offset(
        config
    )
    return EmbedderSpec(
        pooling=_read_pooling(folder, modules),
        max_tokens=min(positions, int(limits.get("max_seq_length") or positions)),
        query_prefix=str(prompts.get("query") or ""),
        passage_prefix=str(prompts.get("document") or prompts.get("passage") or ""),
    )


def position_offset(config: dict[str, Any]) -> int:
    """Rows of the position table before the first token's: RoBERTa counts from the padding id + 1,
    BERT from 0."""
    return (
        int(config.get("pad_token_id", 1)) + 1 if "roberta" in str(config.get("model_type")) else 0
    )


def read_json(file: Path) -> object | None:
    """The JSON in `file`, None where there is no such file. Raises ModelError where it is
    damaged."""
    if not file.is_file():
        return None
    try:
        return cast("object", json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ModelError(
            f"{file} is damaged: {error}.", hint="Fetch the model again: acclimate models fetch"
        ) from error


def _read_pooling(folder: Path, modules: list[dict[str, str]]) -> Pooling:
    paths = [
        module.get("path", "") for module in modules if module.get("type", "").endswith("Pooling")
    ]
    file = folder / (paths[0] if paths else "1_Pooling") / "config.json"
    config = cast("dict[str, Any]", read_json(file) or {"pooling_mode_mean_tokens": True})
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if len(chosen) != 1 or chosen[0] not in _POOLING_KEYS:
        raise ModelError(
            f"{file} asks for {chosen or 'no pooling'}; one of {list(_POOLING_KEYS)} is supported.",
            hint='Set [embedder] engine = "sentence-transformers", or use another model.',
        )
    return _POOLING_KEYS[chosen[0]]
