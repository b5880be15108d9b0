"""Solved examples before a question (few-shot)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.types import Hit, Message, Question


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A question with its answer as the model should write it.

    `hits` are the passages that it was answered from; `document` is what it tells of (None: of none
    in particular).
    """

    question: str
    answer: str
    hits: tuple[Hit, ...] = ()
    document: str | None = None


_ONE = TypeAdapter(Demonstration)
Demonstrate = Callable[[str], Sequence[Demonstration]]
"""The demonstrations for a question, the most telling last."""


def with_demonstrations(
    messages: tuple[Message, ...], shown: Sequence[tuple[Message, Demonstration]]
) -> tuple[Message, ...]:
    """`messages` with turns before the last one: each demonstration's own question turn, then its
    answer."""
    turns = [turn for user, one in shown for turn in (user, Message("assistant", one.answer))]
    return (*messages[:-1], *turns, messages[-1])


def fixed(shown: Sequence[Demonstration]) -> Demonstrate:
    """The same demonstrations for every question, less the question itself."""
    return lambda asked: [one for one in shown if one.question.strip() != asked.strip()]


def bootstrap(
    solved: Sequence[Question], attempt: Callable[[Question], Demonstration | None], most: int
) -> list[Demonstration]:
    """The first `most` questions that `attempt` solves, as it solved them; None from it passes one
    over.

    At most one of three is a refusal: a model that is shown refusals refuses. Source: Khattab et
    al., "DSPy", arXiv 2310.03714, BootstrapFewShot.
    """
    found: list[Demonstration] = []
    refusals = 0
    for question in solved:
        if len(found) == most:
            break
        if not question.answerable and refusals >= max(1, most // 3):
            continue
        if (one := attempt(question)) is not None:
            found.append(one)
            refusals += not question.answerable
    return found


def read_demonstrations(file: Path) -> list[Demonstration]:
    """Demonstrations kept as JSON lines. Raises SettingsError naming the line that is none."""
    found = []
    for number, row in jsonlines.read_rows(file):
        try:
            found.append(_ONE.validate_python(row))
        except ValueError as error:
            raise SettingsError(
                f"{file}, line {number} is no demonstration.",
                hint='Write {"question": "…", "answer": "…"}.',
            ) from error
    return found


def write_demonstrations(file: Path, shown: Sequence[Demonstration]) -> None:
    """Keep demonstrations in a file, in place of what was there."""
    jsonlines.write(file, (_ONE.dump_python(one, mode="json") for one in shown))


def nearest(
    solved: Sequence[Question],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    make: Callable[[Question], Demonstration | None],
    shots: int,
) -> Demonstrate:
    """Chooses by embedding similarity, never the question itself; those that `make` gives None for
    are passed over.

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
