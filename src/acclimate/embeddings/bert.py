"""The BERT encoder as an OpenVINO graph, built from weights alone.

Devlin et al. 2018, arXiv 1810.04805; post-norm Transformer of Vaswani et al. 2017, arXiv
1706.03762. Shapes: B texts, S tokens, H hidden size, N heads, D = H / N, V vocabulary. Padding is
on the right, so positions count from the left. The query, key and value products stay separate:
fused into one they were 3 % slower on the CPU plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from openvino import Model, Node
from openvino import opset15 as ops

from acclimate.embeddings.nodes import ACTIVATIONS, Tensors, activate, constant, index, ints
from acclimate.embeddings.spec import position_offset
from acclimate.embeddings.weights import FloatArray
from acclimate.errors import ModelError

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"


@dataclass(frozen=True, slots=True)
class _Names:
    """What a family calls its tensors (below `layers`.<i>.) and its settings in config.json."""

    layers: str
    query: str
    key: str
    value: str
    attended: str
    attended_norm: str
    wide: str
    narrow: str
    norm: str
    config: tuple[str, str, str, str]  # hidden size, heads, layers, activation


_BERT = _Names(
    layers="encoder.layer",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attended="attention.output.dense",
    attended_norm="attention.output.LayerNorm",
    wide="intermediate.dense",
    narrow="output.dense",
    norm="output.LayerNorm",
    config=("hidden_size", "num_attention_heads", "num_hidden_layers", "hidden_act"),
)
_DISTILBERT = _Names(
    layers="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attended="attention.out_lin",
    attended_norm="sa_layer_norm",
    wide="ffn.lin1",
    narrow="ffn.lin2",
    norm="output_layer_norm",
    config=("dim", "n_heads", "n_layers", "activation"),
)
FAMILIES = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "distilbert": _DISTILBERT,
}


def build_bert(
    config: Mapping[str, Any], weights: Mapping[str, FloatArray], *, types: bool = False
) -> Model:
    """input_ids, attention_mask [B, S] int64 to token vectors [B, S, H] float32.

    With `types` there is a third input, token_type_ids [B, S] int64: 0 in the first text of a pair,
    1 in the second; a family that knows no types ignores it.

    `config` is the model's config.json. Raises ModelError naming the setting or tensor that is not
    supported.
    """
    return _Builder(config, weights).build(types=types)


class _Builder:
    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, FloatArray]) -> None:
        self._names = FAMILIES[str(config["model_type"])]
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise ModelError(
                f"position_embedding_type '{config['position_embedding_type']}' is not supported."
            )
        try:
            hidden, heads, layers, activation = (config[key] for key in self._names.config)
        except KeyError as error:
            raise ModelError(
                f"config.json lacks {error}.", hint="Fetch the model again."
            ) from error
        if activation not in ACTIVATIONS:
            raise ModelError(f"the activation '{activation}' is not one of {list(ACTIVATIONS)}.")
        self._hidden, self._heads, self._layers, self._activation = (
            int(hidden),
            int(heads),
            int(layers),
            activation,
        )
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._offset = position_offset(dict(config))
        self._tensors = Tensors(weights, "embeddings.word_embeddings.weight")

    def build(self, *, types: bool) -> Model:
        names = (IDS, MASK, TYPES) if types else (IDS, MASK)
        inputs = [ops.parameter([-1, -1], np.int64, name=name) for name in names]
        ids, mask = inputs[:2]
        for node in inputs:
            node.output(0).set_names({node.friendly_name})
        # True where attended. Written as (1 - mask) * -1e9, the plugin folds it into bf16
        # arithmetic that loses digits even where nothing is masked: the worst cosine to float32
        # falls from 0.99997 to 0.99976.
        visible = ops.unsqueeze(ops.convert(mask, "boolean"), ints(1, 2))  # [B, 1, 1, S]
        x = self._embed(ids, inputs[2] if types else None)
        for layer in range(self._layers):
            x = self._layer(x, visible, f"{self._names.layers}.{layer}.")
        return Model([ops.result(x)], inputs, "bert")

    def _embed(self, ids: Node, types: Node | None) -> Node:
        """[B, S] to [B, S, H]: word + position + token type (0 where there is no input for it),
        normalised."""
        length = ops.gather(ops.shape_of(ids), ints(1), index(0))
        table = self._tensors.get("embeddings.position_embeddings.weight")[self._offset :]
        kinds = self._tensors.find("embeddings.token_type_embeddings.weight")
        if kinds is not None and types is None:
            table = table + kinds[0]
        places = ops.slice(constant(table), ints(0), length, ints(1), ints(0))
        words = ops.gather(
            constant(self._tensors.get("embeddings.word_embeddings.weight")), ids, index(0)
        )
        if kinds is not None and types is not None and len(kinds) > 1:
            words = ops.add(words, ops.gather(constant(kinds), types, index(0)))
        elif kinds is not None and types is not None:
            words = ops.add(words, constant(kinds[0]))
        return self._normalise(ops.add(words, places), "embeddings.LayerNorm")

    def _layer(self, x: Node, visible: Node, prefix: str) -> Node:
        names = self._names
        query, key, value = (
            self._split(self._linear(x, prefix + n)) for n in (names.query, names.key, names.value)
        )
        # softmax(Q Kᵀ / √D) V.
        attended = ops.scaled_dot_product_attention(query, key, value, visible)
        joined = ops.reshape(
            ops.transpose(attended, ints(0, 2, 1, 3)), ints(0, 0, self._hidden), True
        )
        added = ops.add(self._linear(joined, prefix + names.attended), x)
        x = self._normalise(added, prefix + names.attended_norm)
        wide = self._activate(self._linear(x, prefix + names.wide))
        return self._normalise(
            ops.add(self._linear(wide, prefix + names.narrow), x), prefix + names.norm
        )

    def _split(self, x: Node) -> Node:
        """[B, S, H] to [B, N, S, D]."""
        shape = ints(0, 0, self._heads, self._hidden // self._heads)
        return ops.transpose(ops.reshape(x, shape, True), ints(0, 2, 1, 3))

    def _activate(self, x: Node) -> Node:
        return activate(x, self._activation)

    def _linear(self, x: Node, name: str) -> Node:
        return self._tensors.linear(x, name)

    def _normalise(self, x: Node, name: str) -> Node:
        return self._tensors.normalise(x, name, self._epsilon)


def pool(
    model: Model,
    tokens: Node,
    mask: Node,
    pooling: str,
    dimensions: int | None = None,
    after: Callable[[Node], Node] | None = None,
) -> Model:
    """`model` ending in unit vectors [B, H] instead of `tokens` [B, S, H]; `mask` is [B, S], 1 at
    real tokens. `after` are the layers over what is pooled. With `dimensions` vectors are made of
    the first so many components. Raises ModelError where there are fewer.
    """
    pooled, real = pool_tokens(tokens, mask, pooling)
    if after is not None:  # without, scaling to length 1 undoes any division
        pooled = after(ops.divide(pooled, real))
    if dimensions is not None:
        if dimensions > (whole := pooled.output(0).get_partial_shape()[1].get_length()):
            raise ModelError(f"{dimensions} dimensions are requested of a model with {whole}.")
        pooled = ops.slice(pooled, ints(0), ints(dimensions), ints(1), ints(1))
    return Model(
        [ops.result(ops.normalize_l2(pooled, ints(1), 1e-12, "max"))],
        model.get_parameters(),
        "embedder",
    )


def pool_tokens(tokens: Node, mask: Node, pooling: str) -> tuple[Node, Node]:
    """The first token's vector or the sum over real tokens, [B, H], and of how many it is a sum,
    [B, 1]."""
    if pooling == "cls":
        return ops.gather(tokens, index(0), index(1)), ops.constant(np.ones((1, 1), np.float32))
    visible = ops.unsqueeze(ops.convert(mask, "f32"), ints(2))
    total = ops.reduce_sum(ops.multiply(tokens, visible), ints(1))
    return total, ops.reduce_sum(visible, ints(1))
