"""Cross-encoders: one number that says how well a passage answers a question, read together.

Nogueira and Cho 2019, arXiv 1901.04085. Any sequence-classification checkpoint of the BERT, RoBERTa,
DistilBERT and ModernBERT families runs from its safetensors without PyTorch, and so does a bare
encoder of them with its head in layers beside it; others run from their ONNX export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from openvino import Model
from openvino import opset15 as ops

from acclimate.embeddings.base import Scores
from acclimate.embeddings.bert import IDS, MASK, TYPES, pool_tokens
from acclimate.embeddings.encoder import SAFETENSORS, build_encoder, read_onnx, weights_file
from acclimate.embeddings.files import read_json
from acclimate.embeddings.layers import Layer, apply_layers
from acclimate.embeddings.nodes import Tensors, activate, linear
from acclimate.embeddings.openvino import Precision
from acclimate.embeddings.pairs import PairEncoder
from acclimate.embeddings.spec import position_offset, read_layers, read_pooling
from acclimate.embeddings.tuned import depth, merge, read_tuned
from acclimate.embeddings.weights import FloatArray, read_weights
from acclimate.errors import ModelError

_MAX_TOKENS = 512
_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class _Head:
    """What a family puts between the pooled vector and the labels: a dense layer, its activation,
    a norm ("": none), and the labels."""

    dense: str
    activation: str
    labels: str
    norm: str = ""


_BERT = _Head("pooler.dense", "tanh", "classifier")
_ROBERTA = _Head("classifier.dense", "tanh", "classifier.out_proj")
_HEADS = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": _Head("pre_classifier", "relu", "classifier"),
    "modernbert": _Head("head.dense", "gelu", "classifier", "head.norm"),
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
    file = weights_file(folder)
    if file.name != SAFETENSORS:
        return _load_onnx(file)
    tensors = read_weights(file)
    if adapter:
        tuned, merged = read_tuned(adapter), merge(tensors, adapter)
        deep = {"num_hidden_layers": depth(merged)} if tuned and tuned.under else {}
        return classifier({**config, **deep}, merged, str(adapter))
    if (layers := read_layers(folder)) != ():
        return _layered(folder, config, tensors, layers)
    return classifier(config, tensors, str(folder))


def _layered(
    folder: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, FloatArray],
    layers: Sequence[Layer],
) -> Model:
    """A bare encoder, its pooled vector, and the layers after it, the last of which makes the
    logits."""
    model = build_encoder(config, weights, types=True)
    mask = next(node for node in model.get_parameters() if node.get_friendly_name() == MASK)
    tokens = model.output(0).get_node().input_value(0)
    pooled, real = pool_tokens(tokens, mask, read_pooling(folder))
    logits = apply_layers(ops.divide(pooled, real), folder, layers)
    _require_labels(logits.get_output_partial_shape(0)[1].get_length(), str(folder))
    return Model([ops.result(logits)], model.get_parameters(), "cross-encoder")


def classifier(config: Mapping[str, Any], weights: Mapping[str, FloatArray], origin: str) -> Model:
    """input_ids, attention_mask, token_type_ids [B, S] to logits [B, labels], 1 or 2 labels."""
    model = build_encoder(config, weights, types=True)
    head = _HEADS[str(config["model_type"])]
    tensors = Tensors(weights, f"{head.dense}.weight")
    if (
        f"{tensors.prefix}{head.dense}.weight" not in weights
        or f"{head.labels}.weight" not in weights
    ):
        raise ModelError(
            f"{origin} is no sequence classifier: it lacks '{head.labels}.weight' or "
            f"'{head.dense}.weight'.",
            hint="Use a cross-encoder's checkpoint.",
        )
    mask = next(node for node in model.get_parameters() if node.get_friendly_name() == MASK)
    tokens = model.output(0).get_node().input_value(0)
    pooled, real = pool_tokens(tokens, mask, str(config.get("classifier_pooling", "cls")))
    hidden = tensors.linear(ops.divide(pooled, real), head.dense, biased=bool(not head.norm))
    hidden = activate(hidden, str(config.get("classifier_activation", head.activation)))
    if head.norm:
        epsilon = float(config.get("norm_eps", _EPSILON))
        hidden = tensors.normalise(hidden, head.norm, epsilon, biased=False)
    logits = linear(hidden, weights[f"{head.labels}.weight"], weights[f"{head.labels}.bias"])
    _require_labels(logits.get_output_partial_shape(0)[1].get_length(), origin)
    return Model([ops.result(logits)], model.get_parameters(), "cross-encoder")


def _require_labels(labels: int, origin: str) -> None:
    if labels not in (1, 2):
        raise ModelError(f"{origin} has {labels} labels; a cross-encoder for ranking has 1 or 2.")


def _load_onnx(file: Path) -> Model:
    model = read_onnx(file)
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
