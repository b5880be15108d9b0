"""The next token from a model's logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import EngineError
from acclimate.types import Generation

Logits = NDArray[np.float32]


class Sampler:
    """Greedy at temperature 0, else by top-p; repeatable where the options have a seed."""

    def __init__(self, options: Generation) -> None:
        self._temperature, self._top_p = options.temperature, options.top_p
        self._random = np.random.default_rng(options.seed)

    def choose(self, logits: Logits) -> int:
        """The index of the next token. Raises EngineError where the model computed no numbers."""
        likeliest = int(logits.argmax())
        if not np.isfinite(logits[likeliest]):
            raise EngineError(
                "the model computed no finite number for any token.", hint="acclimate models verify"
            )
        if self._temperature <= 0:
            return likeliest
        scaled = (logits.astype(np.float64) - float(logits[likeliest])) / self._temperature
        order = np.argsort(-scaled, kind="stable")
        shares = np.exp(scaled[order])
        shares /= shares.sum()
        # The fewest that have top_p together.
        kept = int(np.searchsorted(shares.cumsum(), self._top_p)) + 1
        shares = shares[:kept] / shares[:kept].sum()
        return int(order[self._random.choice(len(shares), p=shares)])
