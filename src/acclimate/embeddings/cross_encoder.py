"""Cross-encoders: one number that says how well a passage answers a question, read together.

Nogueira and Cho 2019, arXiv 1901.04085. Any sequence-classification checkpoint of the BERT, RoBERTa
and DistilBERT families runs from its safetensors without PyTorch; others from their ONNX export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from openvino import Core, Model, Node
from openvino import opset15 as ops

from acclimate.embeddings.base import Scores
from acclimate.embeddings.bert import IDS, MASK, TYPES, build_bert, constant, index
from acclimate.embeddings.openvino import ONNX_FILES, Precision
from acclimate.embeddings.pairs import PairEncoder
from acclimate.embeddings.spec import position_offset, read_json
from acclimate.embeddings.tuned import depth, merge, read_tuned
from acclimate.embeddings.weights import FloatArray, read_weights
from acclimate.errors import ModelError

_MAX_TOKENS = 512
# What each family puts between the first token's vector and the labels: (dense layer, its
# activation, labels).
_HEADS = {
    "bert": ("pooler.dense", "tanh", "classifier"),
    "roberta": ("classifier.dense", "tanh", "classifier.out_proj"),
    "xlm-roberta": ("classifier.dense", "tanh", "classifier.out_proj"),
    "distilbert": ("pre_classifier", "relu", "classifier"),
}


class OpenVINOCrossEncoder:
    """A `CrossEncoder` over a folder with tokenizer.json and model.safetensors + config.json, or
    model.onnx.

    A checkpoint with one label scores by its logit, one with two by the second's logit less the
    first's. `max_tokens` None is what the model reads, at most 512; `adapter` is a tuned folder
    that is merged in. Raises ModelError where the folder's model is missing, damaged, or no
    sequence classifier.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "",
        max_tokens: int | None = None,
        precision: Precision = "auto",
        threads: int | None = None,
        adapter: Path | None = None,
        weight: float = 1.0,
    ) -> None:
        self._name, self._weight = name or folder.name, weight
        config = cast("dict[str, Any]", read_json(folder / "config.json") or {})
        reads = int(config.get("max_position_embeddings", _MAX_TOKENS)) - position_offset(config)
        limit = min(max_tokens or _MAX_TOKENS, reads)
        self._encoder = PairEncoder(
            _load(folder, config, adapter),
            folder / "tokenizer.json",
            limit,
            precision=precision,
            threads=threads,
        )

    @property
    def name(self) -> str:
        """See `CrossEncoder`."""
        return self._name

    @property
    def weight(self) -> float:
        """See `CrossEncoder`."""
        return self._weight

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """See `CrossEncoder`."""
        return np.array(
            [_score(output.rows[0]) for output in self._encoder.run(question, texts)], np.float32
        )


def _score(logits: Scores) -> float:
    return float(logits[0] if len(logits) == 1 else logits[1] - logits[0])


def _load(folder: Path, config: Mapping[str, Any], adapter: Path | None) -> Model:
    if (weights := folder / "model.safetensors").is_file():
        tensors = read_weights(weights)
        if not adapter:
            return classifier(config, tensors, str(folder))
        tuned, merged = read_tuned(adapter), merge(tensors, adapter)
        deep = {"num_hidden_layers": depth(merged)} if tuned and tuned.under else {}
        return classifier({**config, **deep}, merged, str(adapter))
    for name in ONNX_FILES:
        if (file := folder / name).is_file():
            return _load_onnx(file)
    raise ModelError(
        f"{folder} has neither model.safetensors nor {' nor '.join(ONNX_FILES)}.",
        hint="acclimate models fetch",
    )


def classifier(config: Mapping[str, Any], weights: Mapping[str, FloatArray], origin: str) -> Model:
    """input_ids, attention_mask, token_type_ids [B, S] to logits [B, labels], 1 or 2 labels."""
    model = build_bert(config, weights, types=True)
    dense, activation, labels = _HEADS[str(config["model_type"])]
    prefix = next(
        (n.removesuffix(f"{dense}.weight") for n in weights if n.endswith(f"{dense}.weight")), None
    )
    if prefix is None or f"{labels}.weight" not in weights:
        raise ModelError(
            f"{origin} is no sequence classifier: it lacks '{labels}.weight' or '{dense}.weight'.",
            hint="Use a cross-encoder's checkpoint.",
        )
    first = ops.gather(model.output(0).get_node().input_value(0), index(0), index(1))  # [B, H]
    hidden = _linear(first, weights[f"{prefix}{dense}.weight"], weights[f"{prefix}{dense}.bias"])
    hidden = ops.tanh(hidden) if activation == "tanh" else ops.relu(hidden)
    logits = _linear(hidden, weights[f"{labels}.weight"], weights[f"{labels}.bias"])
    _require_labels(logits.output(0).get_partial_shape()[1].get_length(), origin)
    return Model([ops.result(logits)], model.get_parameters(), "cross-encoder")


def _linear(x: Node, weight: FloatArray, bias: FloatArray) -> Node:
    return ops.add(ops.matmul(x, constant(weight), False, True), constant(bias))


def _require_labels(labels: int, origin: str) -> None:
    if labels not in (1, 2):
        raise ModelError(f"{origin} has {labels} labels; a cross-encoder for ranking has 1 or 2.")


def _load_onnx(file: Path) -> Model:
    try:
        model = Core().read_model(file)
    except RuntimeError as error:
        raise ModelError(
            f"{file} cannot be read: {error}.", hint="Fetch the model again."
        ) from error
    inputs = {node.get_friendly_name() for node in model.get_parameters()}
    shapes = [result.get_output_partial_shape(0) for result in model.get_results()]
    if not {IDS, MASK} <= inputs <= {IDS, MASK, TYPES} or len(shapes) != 1 or len(shapes[0]) != 2:
        raise ModelError(
            f"{file} has the inputs {sorted(inputs)} and outputs of rank "
            f"{[len(shape) for shape in shapes]}; "
            f"{IDS}, {MASK} and one output of logits [B, labels] are needed.",
            hint="Export the model for sequence classification.",
        )
    if shapes[0][1].is_static:
        _require_labels(shapes[0][1].get_length(), str(file))
    return model
