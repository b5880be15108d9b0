"""ModernBERT as an OpenVINO graph, built from weights alone.

Warner et al. 2024, arXiv 2412.13663: pre-norm layers without biases, rotary positions (Su et al.
2021, arXiv 2104.09864), GeGLU (Shazeer 2020, arXiv 2002.05202), and attention that is global in
every third layer and local in the others. Shapes: B texts, S tokens, H hidden size, N heads,
D = H / N, P positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from openvino import Model, Node
from openvino import opset15 as ops

from acclimate.embeddings.nodes import Tensors, activate, constant, index, ints, linear
from acclimate.embeddings.weights import FloatArray
from acclimate.errors import ModelError

IDS, MASK = "input_ids", "attention_mask"
GLOBAL, LOCAL = "full_attention", "sliding_attention"


def build_modernbert(config: Mapping[str, Any], weights: Mapping[str, FloatArray]) -> Model:
    """input_ids, attention_mask [B, S] int64 to token vectors [B, S, H] float32.

    `config` is the model's config.json, of any version of Transformers. Raises ModelError naming
    the setting or tensor that is not supported.
    """
    return _Builder(config, weights).build()


def layer_kinds(config: Mapping[str, Any]) -> list[str]:
    """`GLOBAL` or `LOCAL` for each layer; older files give the distance between global ones."""
    if "layer_types" in config:
        return [str(kind) for kind in config["layer_types"]]
    step = int(config.get("global_attn_every_n_layers", 3))
    layers = range(int(config["num_hidden_layers"]))
    return [LOCAL if layer % step else GLOBAL for layer in layers]


class _Builder:
    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, FloatArray]) -> None:
        try:
            self._hidden, self._heads = (
                int(config["hidden_size"]),
                int(config["num_attention_heads"]),
            )
            self._wide = int(config["intermediate_size"])
            self._kinds = layer_kinds(config)
        except KeyError as error:
            raise ModelError(
                f"config.json lacks {error}.", hint="Fetch the model again."
            ) from error
        self._activation = str(config.get("hidden_activation", "gelu"))
        self._epsilon = float(config.get("norm_eps", 1e-5))
        self._window = int(config.get("local_attention", 128)) // 2
        self._positions = int(config.get("max_position_embeddings", 8192))
        self._thetas = {kind: _theta(config, kind) for kind in set(self._kinds)}
        self._tensors = Tensors(weights, "embeddings.tok_embeddings.weight")

    def build(self) -> Model:
        inputs = [ops.parameter([-1, -1], np.int64, name=name) for name in (IDS, MASK)]
        ids, mask = inputs
        for node in inputs:
            node.output(0).set_names({node.friendly_name})
        length = ops.gather(ops.shape_of(ids), ints(1), index(0))
        real = ops.unsqueeze(ops.convert(mask, "boolean"), ints(1, 2))  # [B, 1, 1, S]
        apart = self._apart(length)
        # Padding sees itself: where a token saw nothing at all, its vector would be no number.
        seen = ops.logical_or(real, ops.equal(apart, index(0)))
        near = ops.less_equal(apart, index(self._window))
        visible = {GLOBAL: real, LOCAL: ops.logical_and(seen, near)}
        turns = {kind: self._turns(theta, length) for kind, theta in self._thetas.items()}
        words = ops.gather(
            constant(self._tensors.get("embeddings.tok_embeddings.weight")), ids, index(0)
        )
        x = self._normalise(words, "embeddings.norm")
        for layer, kind in enumerate(self._kinds):
            x = self._layer(x, layer, visible[kind], turns[kind])
        return Model([ops.result(self._normalise(x, "final_norm"))], inputs, "modernbert")

    def _apart(self, length: Node) -> Node:
        """[S, S]: how many places two tokens are apart."""
        places = ops.range(index(0), ops.squeeze(length, ints(0)), index(1), "i64")
        return ops.abs(ops.subtract(ops.unsqueeze(places, ints(0)), ops.unsqueeze(places, ints(1))))

    def _turns(self, theta: float, length: Node) -> tuple[Node, Node]:
        """cos and sin [S, D / 2] of p θ^(-2i / D). Tables, not computed in the graph: in bfloat16
        a position above 256 would lose its last digits."""
        size = self._hidden // self._heads
        speeds = theta ** (-np.arange(0, size, 2, dtype=np.float64) / size)
        angles = np.arange(self._positions, dtype=np.float64)[:, None] * speeds
        cosine, sine = (
            ops.slice(constant(table.astype(np.float32)), ints(0), length, ints(1), ints(0))
            for table in (np.cos(angles), np.sin(angles))
        )
        return cosine, sine

    def _layer(self, x: Node, layer: int, visible: Node, turns: tuple[Node, Node]) -> Node:
        name = f"layers.{layer}."
        # The first layer's input is normalised already.
        normed = self._normalise(x, f"{name}attn_norm") if layer else x
        query, key, value = (self._split(part) for part in self._parts(normed, f"{name}attn.Wqkv"))
        attended = ops.scaled_dot_product_attention(
            _rotate(query, turns), _rotate(key, turns), value, visible
        )
        joined = ops.reshape(
            ops.transpose(attended, ints(0, 2, 1, 3)), ints(0, 0, self._hidden), True
        )
        x = ops.add(x, self._tensors.linear(joined, f"{name}attn.Wo", biased=False))
        normed = self._normalise(x, f"{name}mlp_norm")
        shown, gate = self._parts(normed, f"{name}mlp.Wi", self._wide)
        gated = ops.multiply(activate(shown, self._activation), gate)
        return ops.add(x, self._tensors.linear(gated, f"{name}mlp.Wo", biased=False))

    def _parts(self, x: Node, name: str, size: int = 0) -> list[Node]:
        """The products with each `size` (0: H) rows of the matrix `name`; see bert.py on why they
        are not fused."""
        size = size or self._hidden
        weight, bias = self._tensors.get(f"{name}.weight"), self._tensors.find(f"{name}.bias")
        return [
            linear(x, weight[at : at + size], None if bias is None else bias[at : at + size])
            for at in range(0, len(weight), size)
        ]

    def _split(self, x: Node) -> Node:
        """[B, S, H] to [B, N, S, D]."""
        shape = ints(0, 0, self._heads, self._hidden // self._heads)
        return ops.transpose(ops.reshape(x, shape, True), ints(0, 2, 1, 3))

    def _normalise(self, x: Node, name: str) -> Node:
        return self._tensors.normalise(x, name, self._epsilon, biased=False)


def _rotate(x: Node, turns: tuple[Node, Node]) -> Node:
    """[B, N, S, D] with each pair (i, i + D / 2) turned by its angle."""
    cosine, sine = turns
    first, second = ops.split(x, index(3), 2).outputs()
    return ops.concat(
        [
            ops.subtract(ops.multiply(first, cosine), ops.multiply(second, sine)),
            ops.add(ops.multiply(second, cosine), ops.multiply(first, sine)),
        ],
        3,
    )


def _theta(config: Mapping[str, Any], kind: str) -> float:
    """The rotary base of a kind of layer, in the old or the new form of config.json."""
    told = (config.get("rope_parameters") or {}).get(kind) or {}
    if (form := told.get("rope_type", "default")) != "default":
        raise ModelError(f"rope_type '{form}' is not supported.")
    if kind not in (GLOBAL, LOCAL):
        raise ModelError(f"a layer of type '{kind}' is not supported.")
    old = ("global_rope_theta", 160_000.0) if kind == GLOBAL else ("local_rope_theta", 10_000.0)
    # A file may leave the local one out: None means that it is the global one.
    found = told.get("rope_theta", config.get(*old))
    return float(found if found is not None else config.get("global_rope_theta", 160_000.0))
