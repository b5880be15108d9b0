"""Whether an export computes what is served: the same likeliest tokens, and the same
log-probabilities within rounding.

Wrong scales and adapters without effect are common in runtimes and silent. Both change the
distribution far more than eight-bit weights or bfloat16 do, so a measure of the distribution tells
them even where the answers happen to agree. An answer is compared token by token behind the
reference's own: where each likeliest token is the same, so is the greedy answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.errors import EngineError

LogProbs = NDArray[np.float32]
TOP = 10
"""Likeliest tokens of the reference whose log-probabilities are compared at each place."""
SHARE = 0.25
"""Of the adapter's own effect, the most that an export may differ: half the scale differs by more
(docs/decisions)."""
ROUNDING = 0.35
"""Mean difference that no rounding explains, whatever the adapter's effect."""


class Runtime(Protocol):
    """Something that runs a model. Closed by the caller."""

    name: str

    def top(self, prompt: Sequence[int], answer: Sequence[int]) -> Sequence[Mapping[int, float]]:
        """For each of the n tokens of `answer`: log-probabilities of the likeliest tokens (or all)
        at its place."""

    def close(self) -> None:
        """Free it."""


@dataclass(frozen=True, slots=True)
class ParitySample:
    """Token ids of a prompt and of the reference's greedy answer (its end token too, if it came),
    and for each of the n tokens of the answer the log-probabilities of all v tokens there: [n, v].
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    expected: LogProbs


@dataclass(frozen=True, slots=True)
class Parity:
    """How an export compares with what is served.

    `same` of `answers` greedy answers are equal. `difference` is the mean of |Δ log p| over the
    reference's ten likeliest tokens at each place; `effect` is the same between the model with and
    without what was trained.
    """

    runtime: str
    answers: int
    same: int
    difference: float
    effect: float

    @property
    def holds(self) -> bool:
        """Whether the export may be used."""
        return self.same == self.answers and self.difference <= tolerance(self.effect)


def tolerance(effect: float) -> float:
    """The largest difference that is allowed."""
    return min(ROUNDING, SHARE * effect)


def measure_parity(runtime: Runtime, samples: Sequence[ParitySample], effect: float) -> Parity:
    """Run `samples` and compare. Tokens that the reference holds for equally likely, within twice
    the tolerance, may take each other's place."""
    same, differences = 0, []
    for sample in samples:
        found = runtime.top(sample.prompt, sample.answer)
        differences.append(distance(sample, found))
        likeliest = [max(row, key=lambda token: row[token]) for row in found]
        lost = [
            row.max() - row[token] for row, token in zip(sample.expected, likeliest, strict=True)
        ]
        same += bool(max(lost) <= 2 * tolerance(effect))
    return Parity(runtime.name, len(samples), same, float(np.mean(differences)), effect)


def distance(sample: ParitySample, found: Sequence[Mapping[int, float]]) -> float:
    """Mean |Δ log p| over the reference's TOP likeliest tokens at each place of the answer.

    A token that the runtime does not report counts as the least that it reports. Raises EngineError
    where places are missing.
    """
    if len(found) != len(sample.answer):
        raise EngineError(
            f"{len(found)} places were computed of {len(sample.answer)}.",
            hint="Report this as a bug.",
        )
    differences: list[float] = []
    for expected, row in zip(sample.expected, found, strict=True):
        least = min(row.values())
        likely = np.argsort(expected)[-TOP:]
        differences += [
            abs(float(expected[token]) - row.get(int(token), least)) for token in likely
        ]
    return float(np.mean(differences))


def rows(log_probs: LogProbs, keep: int = 100) -> list[dict[int, float]]:
    """The likeliest tokens of each place of [n, v]."""
    best = np.argsort(log_probs, axis=1)[:, -keep:]
    return [
        {int(token): float(row[token]) for token in chosen}
        for row, chosen in zip(log_probs, best, strict=True)
    ]


def log_softmax(logits: NDArray[np.float32]) -> LogProbs:
    """Of each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: LogProbs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
