"""Eight-bit codes of vectors: a quarter of the memory to read, with a bound on the error that keeps
search exact."""

from __future__ import annotations

from dataclasses import dataclass

import numkong
import numpy as np
from numpy.typing import NDArray

from acclimate.indexes.base import Vectors


@dataclass(frozen=True, slots=True)
class Codes:
    """Rows [n, d] as `codes` [n, d] times `scales` [n]; `errors` [n] is each row's distance from
    its code, or more."""

    codes: NDArray[np.int8]
    scales: Vectors
    errors: Vectors

    def bounds(self, query: Vectors) -> tuple[Vectors, Vectors]:
        """The least and the greatest inner product [n] that each row can have with `query` [d].

        |q·r - q'·r'| <= |q| |r - r'| + |q - q'| |r'|, where ' marks what the codes stand for (Cauchy-Schwarz).
        """
        coded = encode(query[None])
        products = np.asarray(
            numkong.dots_packed(self.codes, numkong.dots_pack(coded.codes, dtype="int8"))
        )[:, 0]
        scores = products.astype(np.float32) * (self.scales * coded.scales[0])
        norm = float(np.linalg.norm(query))
        # |r'| <= |r| + its error, and rows are unit vectors up to rounding.
        slack = self.errors * np.float32(norm + coded.errors[0]) + np.float32(
            coded.errors[0] * 1.001 + 1e-6
        )
        return scores - slack, scores + slack


def encode(rows: Vectors) -> Codes:
    """Codes of rows [n, d], each scaled by its largest component."""
    scales = np.maximum(np.abs(rows).max(axis=1), np.float32(1e-20)) / np.float32(127)
    codes = np.rint(rows / scales[:, None]).astype(np.int8)
    errors = np.linalg.norm(rows - codes * scales[:, None], axis=1)
    return Codes(codes, scales.astype(np.float32), (errors * 1.001).astype(np.float32))
