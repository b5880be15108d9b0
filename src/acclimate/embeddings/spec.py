"""How a model expects its texts (prefixes, pooling, length), which the weights do not tell."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from acclimate.embeddings.files import read_json
from acclimate.embeddings.known import known
from acclimate.embeddings.layers import Layer, read_layer
from acclimate.errors import ModelError

Pooling = Literal["mean", "cls"]
_POOLING_KEYS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}
_PASSAGES = ("document", "passage", "corpus")  # names of prompts, as sentence-transformers looks
_DEFAULT_MAX_TOKENS = 512
# Families that count positions from the padding id + 1; BERT counts from 0.
_OFFSET = ("roberta", "camembert", "mpnet")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """What to do around a model's forward pass.

    `pooling` makes one vector of the token vectors; `max_tokens` counts special tokens; the
    prefixes are put before each query and passage as they are (models trained with "query: " need
    the space). `dimensions` keeps the first so many of a vector's components (None: all). `layers`
    come between the pooling and the vector's scaling to length 1.
    """

    pooling: Pooling = "mean"
    max_tokens: int = _DEFAULT_MAX_TOKENS
    query_prefix: str = ""
    passage_prefix: str = ""
    dimensions: int | None = None
    layers: tuple[Layer, ...] = ()

    def shortened(self, dimensions: int | None) -> EmbedderSpec:
        """This spec with vectors of so many components."""
        return replace(self, dimensions=dimensions)

    def fingerprint(self, weights: str) -> str:
        """Identifies the vector space of the weights with hash `weights` under this spec: 64 hex
        digits."""
        said = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        content = json.dumps(
            {"weights": weights, "long texts": "mean of windows", **said}, sort_keys=True
        )
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user says of a model, before its files and what is known of it: None leaves it to
    those. `layers` are folders of the model's; () uses none."""

    query_prefix: str | None = None
    passage_prefix: str | None = None
    pooling: Pooling | None = None
    layers: tuple[str, ...] | None = None


NO_WISHES = Wishes()


def read_spec(
    folder: Path, name: str = "", wishes: Wishes = NO_WISHES, *, runs_here: bool = True
) -> EmbedderSpec:
    """The spec of the model `name` (a hub id, a catalogue name, or "" for the folder's) in the
    sentence-transformers layout.

    The prefixes are those of `wishes`, else of the model's own prompts, else of the table in
    known.py; where none of them says anything there is none, and the log has a warning. Files that
    are absent leave the defaults: mean pooling, the smaller of the model's positions and
    `max_seq_length`. Raises ModelError for what would give other vectors than the model's
    authors': a pooling other than mean or cls, or layers that are not supported; not so without
    `runs_here`, where a library pools by the folder's own files.
    """
    name = folder.name if not name or Path(name).exists() else name.partition(":")[0]
    query, passage = _prefixes(folder, name, wishes)
    config = cast("dict[str, Any]", read_json(folder / "config.json") or {})
    limits = cast("dict[str, Any]", read_json(folder / "sentence_bert_config.json") or {})
    positions = int(config.get("max_position_embeddings", _DEFAULT_MAX_TOKENS)) - position_offset(
        config
    )
    spec = EmbedderSpec(
        max_tokens=min(positions, int(limits.get("max_seq_length") or positions)),
        query_prefix=query,
        passage_prefix=passage,
    )
    if not runs_here:
        return spec
    pooling = wishes.pooling or read_pooling(folder, name, prefixed=bool(query or passage))
    return replace(spec, pooling=pooling, layers=read_layers(folder, wishes.layers))


def read_layers(folder: Path, chosen: tuple[str, ...] | None = None) -> tuple[Layer, ...]:
    """The layers over the pooled vector that modules.json names, or those in the folders `chosen`.

    Raises ModelError for one that is not supported.
    """
    modules = cast("list[dict[str, str]]", read_json(folder / "modules.json") or [])
    kinds = {one.get("path", ""): one.get("type", "").rpartition(".")[2] for one in modules}
    if chosen is not None:
        return tuple(read_layer(folder, path, kinds.get(path, "Dense")) for path in chosen)
    around = {"Transformer", "Pooling", "Normalize"}
    return tuple(
        read_layer(folder, path, kind) for path, kind in kinds.items() if kind not in around
    )


def position_offset(config: dict[str, Any]) -> int:
    """Rows of the position table before the first token's: RoBERTa and its kin count from the
    padding id + 1, BERT from 0."""
    family = str(config.get("model_type"))
    counted = any(name in family for name in _OFFSET)
    return int(config.get("pad_token_id", 1)) + 1 if counted else 0


def _prefixes(folder: Path, name: str, wishes: Wishes) -> tuple[str, str]:
    """What is put before questions and before passages."""
    told = cast(
        "dict[str, Any]", read_json(folder / "config_sentence_transformers.json") or {}
    ).get("prompts")
    row, prompts = known(name), told or {}
    passages = [str(prompts[one]) for one in _PASSAGES if prompts.get(one)]
    if wishes.query_prefix is not None or wishes.passage_prefix is not None:
        own = (str(prompts.get("query") or ""), *passages, "")[:2]
        query, passage = wishes.query_prefix, wishes.passage_prefix
        return own[0] if query is None else query, own[1] if passage is None else passage
    if prompts.get("query") or passages:
        return str(prompts.get("query") or ""), (*passages, "")[0]
    if row is not None:
        return row.query, row.passage
    if "query" not in prompts:
        log.warning(
            "%s does not say what it wants before questions and passages, so nothing is put there. "
            "Look into its model card and set [embedder] query_prefix and passage_prefix "
            '("" says that it wants nothing).',
            name,
        )
    return "", ""


def read_pooling(folder: Path, name: str = "", *, prefixed: bool = False) -> Pooling:
    """How the model in `folder` makes one vector of its tokens': as its files say, else as is
    known of the model `name`, else the mean. Raises ModelError for another than mean or cls, and
    for one that leaves the prefix out where there is one."""
    modules = cast("list[dict[str, str]]", read_json(folder / "modules.json") or [])
    paths = [
        module.get("path", "") for module in modules if module.get("type", "").endswith("Pooling")
    ]
    file = folder / (paths[0] if paths else "1_Pooling") / "config.json"
    config = cast("dict[str, Any] | None", read_json(file))
    if config is None:
        row = known(name or folder.name)
        return row.pooling if row is not None and row.pooling else "mean"
    if (mode := config.get("pooling_mode")) is not None:  # since sentence-transformers 5.5
        modes = mode if isinstance(mode, list) else [mode]
        chosen = [f"pooling_mode_{one}_token{'' if one == 'cls' else 's'}" for one in modes]
    else:
        chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if len(chosen) != 1 or chosen[0] not in _POOLING_KEYS:
        raise ModelError(
            f"{file} asks for {chosen or 'no pooling'}; one of {list(_POOLING_KEYS)} is supported.",
            hint='Set [embedder] engine = "sentence-transformers", or use another model.',
        )
    if prefixed and not config.get("include_prompt", True):
        raise ModelError(
            f"{file} leaves the prefix out of the pooling, which is not supported.",
            hint='Set [embedder] engine = "sentence-transformers", or use another model.',
        )
    return _POOLING_KEYS[chosen[0]]
