"""The contract of `CrossEncoder` as one check, and one without dependencies for other tests."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from acclimate.embeddings.base import CrossEncoder, Scores

_WORD = re.compile(r"\w+")
_TEXTS = (
    "The notice period is thirty days.",
    "",
    "The cat sat.",
    "naïve café ½ 猫",
    "The cat sat.",
    "a " * 700,
)


class OverlapCrossEncoder:
    """Scores a passage by how many of the question's words stand in it. Counts the texts it read in
    `texts`."""

    name, weight = "overlap", 1.0

    def __init__(self) -> None:
        self.texts = 0

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """See `CrossEncoder`."""
        self.texts += len(texts)
        asked = set(_WORD.findall(question.lower()))
        return np.array(
            [len(asked & set(_WORD.findall(text.lower()))) for text in texts], np.float32
        )


def check_cross_encoder(encoder: CrossEncoder, tolerance: float = 0.05) -> None:
    """Raises AssertionError where it breaks its contract. `tolerance`: how far a batch may move a
    score."""
    question = "How long is the notice period?"
    scores = encoder.scores(question, _TEXTS)
    assert scores.dtype == np.float32, scores.dtype
    assert scores.shape == (len(_TEXTS),), scores.shape
    assert np.isfinite(scores).all()
    assert abs(scores[2] - scores[4]) <= tolerance, "equal texts score alike"
    assert encoder.scores(question, []).shape == (0,)
    for text, score in zip(_TEXTS, scores, strict=True):
        assert abs(encoder.scores(question, [text])[0] - score) <= tolerance, (
            "a score depends on its own pair only"
        )
    backwards = encoder.scores(question, _TEXTS[::-1])[::-1]
    assert np.abs(backwards - scores).max() <= tolerance, "scores are in the order of the texts"
    assert encoder.name
