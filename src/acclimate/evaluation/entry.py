"""What a comparison runs: its entries, its estimate, and the progress protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from acclimate.evaluation.memory import peak_mb
from acclimate.types import Answer, Question

AnswerQuestion = Callable[[Question], Answer]
Documents = Literal[
    "",
    "unread",
    "searched",
    "learnt",
    "learnt in part",
    "learnt and searched",
    "learnt in part, searched",
]
"""How a recipe knows the documents that are asked about: from nowhere, from its search, from its
training. "": not known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe that can be run, or another system's answers.

    `prepare` loads what it needs and gives the function that answers; `key` stands for everything
    that its answers depend on (equal keys, equal answers). `prepare_s`, `disk_mb` and `prices`
    (money for a million tokens of prompt and of answer) go to its row. `parallel` answers may be
    asked for at once; above 1 the function must be safe to call from several threads. Answers that
    are `given`, by a file, are neither kept nor measured here. `documents` says how it knows those
    that are asked about. An adapter that was trained with several `seed`s is an entry for each: the
    one that is served, and after it others that are runs `of` it, by its name. `peak_mb` tells the
    memory of what answers (None: the system does not say).
    """

    recipe: str
    prepare: Callable[[], AnswerQuestion]
    key: str
    prepare_s: float = 0.0
    disk_mb: float = 0.0
    prices: tuple[float, float] | None = None
    group: str = ""
    required: bool = True
    parallel: int = 1
    given: bool = False
    documents: Documents = ""
    seed: int | None = None
    of: str = ""
    peak_mb: Callable[[], float | None] = peak_mb


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left to do: answers not cached yet, seconds, tokens and money (None: no prices) by
    recipe; and in words what so many questions can tell."""

    questions: int
    answers: Mapping[str, int]
    seconds: Mapping[str, float]
    tokens: Mapping[str, float]
    cost: float | None
    tells: str = ""


class ComparisonProgress(Protocol):
    """Receives the progress of a running comparison."""

    def preparing(self, recipe: str) -> None:
        """A recipe's models are being loaded."""

    def estimated(self, estimate: Estimate) -> None:
        """The probes are done; nothing else has been run yet."""

    def answered(self, recipe: str, done: int, total: int) -> None:
        """A recipe has so many of its answers."""


class NoProgress:
    """A `ComparisonProgress` for callers that want none."""

    def preparing(self, recipe: str) -> None:
        """See `ComparisonProgress`."""

    def estimated(self, estimate: Estimate) -> None:
        """See `ComparisonProgress`."""

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `ComparisonProgress`."""
