"""Pairs that tell of the test split are found in whatever wrapping; those that only resemble it are left alone."""

import numpy as np
import pytest

from acclimate.files.rows import Place
from acclimate.tuning.pairs.overlap import overlaps
from acclimate.tuning.pairs.pairs import Pair
from acclimate.types import Message, Question

TEST = [
    Question(
        "t1",
        "What does a Fjell 9 weigh?",
        ("117 kg",),
        "fjell.md",
        "The Fjell 9 weighs 117 kg.",
        True,
        "",
        "test",
    ),
    Question("t2", "Who paints the boats?", (), None, None, False, "", "test"),
]


def embed(texts):
    """Questions about a weight are near each other, all others far from everything."""
    rows = np.zeros((len(texts), 99), np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[0 if "weigh" in text or "heavy" in text else 1 + sum(map(ord, text)) % 98] = 1
    return rows


def pair(prompt, answer, question=None):
    return Pair(Place(7), (Message("user", prompt),), answer, question)


def asked(text, answer="x", document=None, evidence=None):
    question = Question("own", text, (answer,), document, evidence, True, "", "train")
    return pair(text, answer, question)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (pair("what does the Fjell 9 weigh", "no idea"), "asks the test question 't1'"),
        (
            pair("Context: …\nQuestion: What does a Fjell 9 weigh?\nAnswer:", "x"),
            "asks the test question 't1'",
        ),
        (pair("How heavy is it?", "It is 117 kg, I think."), "asks nearly the test question 't1'"),
        (
            pair("Tell me of it.", "Well: the Fjell 9 weighs 117 kg!"),
            "gives evidence and answer of the test question 't1'",
        ),
        (
            asked("How much?", "117 kg", "b.md", "The Fjell 9 weighs 117 kg."),
            "gives evidence and answer",
        ),
        (
            asked("How much?", "117 kg", "b.md", "It weighs 117 kg."),
            "gives nearly evidence and answer of the test question 't1'",
        ),
        (
            asked("Is it green?", "no", "fjell.md"),
            "is about the document of the test question 't1'",
        ),
        (pair("Who paints the boats", "Ann"), "asks the test question 't2'"),
    ],
)
def test_a_pair_that_tells_of_the_test_split_is_found(found, reason):
    (problem,) = overlaps([pair("Is it raining?", "No"), found], TEST, embed)
    assert problem.reason.startswith(reason)
    assert problem.place == Place(7)


@pytest.mark.parametrize(
    "other",
    [
        pair("How heavy is the Fjell 6?", "98 kg"),  # near in meaning, another answer
        pair(
            "How long is it?", "Its 117 kg make it slow."
        ),  # the answer without question or evidence
        pair("Say it.", "The Fjell 9 weighs a lot."),
        asked("Is it green?", "no", "other.md"),
        asked("How much?", "98 kg", "b.md", "It weighs 98 kg."),
    ],
)
def test_a_pair_that_only_resembles_it_is_not(other):
    assert overlaps([other], TEST, embed) == []


def test_without_pairs_or_test_questions_nothing_is_embedded():
    assert overlaps([], TEST, None) == overlaps([pair("a", "b")], [], None) == []
