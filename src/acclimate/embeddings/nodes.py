"""Pieces of OpenVINO graphs that encoders share: constants, and layers over named tensors.

Shapes: any leading dimensions, then H, the hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from openvino import Node
from openvino import opset15 as ops
from openvino.op import Constant

from acclimate.embeddings.weights import FloatArray
from acclimate.errors import ModelError

GELUS = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
ACTIVATIONS = (*GELUS, "relu", "silu", "tanh")


def constant(array: FloatArray) -> Node:
    """A constant that shares the array's memory."""
    return Constant(np.ascontiguousarray(array), shared_memory=True)


def ints(*values: int) -> Node:
    """A constant list of int64."""
    return ops.constant(np.array(values, np.int64))


def index(value: int) -> Node:
    """A constant int64."""
    return ops.constant(np.array(value, np.int64))


def activate(x: Node, activation: str) -> Node:
    """One of `ACTIVATIONS`. Raises ModelError for another."""
    if activation in GELUS:
        return ops.gelu(x, GELUS[activation])
    if activation == "silu":
        return ops.swish(x)
    if activation in ("relu", "tanh"):
        return ops.relu(x) if activation == "relu" else ops.tanh(x)
    raise ModelError(f"the activation '{activation}' is not one of {list(ACTIVATIONS)}.")


def linear(x: Node, weight: FloatArray, bias: FloatArray | None = None) -> Node:
    """x Wᵀ + b, [… , H] to [… , O] by a weight [O, H]."""
    product = ops.matmul(x, constant(weight), False, True)
    return product if bias is None else ops.add(product, constant(bias))


def normalise(x: Node, weight: FloatArray, bias: FloatArray | None, epsilon: float) -> Node:
    """LayerNorm over H (Ba et al. 2016, arXiv 1607.06450)."""
    centred = ops.mvn(x, ints(-1), True, epsilon, "inside_sqrt")
    scaled = ops.multiply(centred, constant(weight))
    return scaled if bias is None else ops.add(scaled, constant(bias))


class Tensors:
    """A checkpoint's tensors by their names below `root`'s family prefix: a bare encoder's lack
    it, a classifier's have it. `root` is the full name of a tensor that each checkpoint has."""

    def __init__(self, weights: Mapping[str, FloatArray], root: str) -> None:
        self._weights = weights
        self.prefix = next((name.removesuffix(root) for name in weights if name.endswith(root)), "")

    def find(self, *names: str) -> FloatArray | None:
        """The first of `names` that there is."""
        found = (self._weights.get(self.prefix + name) for name in names)
        return next((tensor for tensor in found if tensor is not None), None)

    def get(self, *names: str) -> FloatArray:
        """As `find`. Raises ModelError where there is none."""
        if (found := self.find(*names)) is None:
            raise ModelError(
                f"the weights lack the tensor '{self.prefix}{names[0]}'.",
                hint="Fetch the model again.",
            )
        return found

    def linear(self, x: Node, name: str, *, biased: bool = True) -> Node:
        """The linear layer `name`; without `biased` it may lack a bias."""
        get = self.get if biased else self.find
        return linear(x, self.get(f"{name}.weight"), get(f"{name}.bias"))

    def normalise(self, x: Node, name: str, epsilon: float, *, biased: bool = True) -> Node:
        """The LayerNorm `name`; the first checkpoints said gamma and beta."""
        get = self.get if biased else self.find
        weight, bias = (
            self.get(f"{name}.weight", f"{name}.gamma"),
            get(f"{name}.bias", f"{name}.beta"),
        )
        return normalise(x, weight, bias, epsilon)
