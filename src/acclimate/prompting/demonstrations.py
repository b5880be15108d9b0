"""Solved examples before a question (few-shot)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.types import Hit, Message, Question


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A question with its answer as the model should write it; `hits` are the passages that it was answered from."""

    question: str
    answer: str
    hits: tuple[Hit, ...] = ()


Demonstrate = Callable[[str], Sequence[Demonstration]]
"""The demonstrations for a question, the most telling last."""


def with_demonstrations(
    messages: tuple[Message, ...], shown: Sequence[tuple[Message, Demonstration]]
) -> tuple[Message, ...]:
    """`messages` with turns before the last one: each demonstration's own question turn, then its answer."""
    turns = [turn for user, one in shown for turn in (user, Message("assistant", one.answer))]
    return (*messages[:-1], *turns, messages[-1])


def nearest(
    solved: Sequence[Question],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    make: Callable[[Question], Demonstration | None],
    shots: int,
) -> Demonstrate:
    """Chooses by embedding similarity, never the question itself; those that `make` gives None for are passed over.

    Source: Liu et al., "What Makes Good In-Context Examples for GPT-3?", arXiv 2101.06804.
    """
    vectors = embed([question.question for question in solved])
    made: dict[int, Demonstration | None] = {}

    def demonstrate(asked: str) -> Sequence[Demonstration]:
        chosen: list[Demonstration] = []
        for index in np.argsort(-(vectors @ embed([asked])[0]), kind="stable").tolist():
            if solved[index].question.strip() == asked.strip():
                continue
            if index not in made:
                made[index] = make(solved[index])
            if (one := made[index]) is not None:
                chosen.append(one)
            if len(chosen) == shots:
                break
        return chosen[::-1]

    return demonstrate
