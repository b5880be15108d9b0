"""How near the words of a question stand to a place in a passage.

An extractor goes by the kind of words that are asked for, and may take what is said of something
else: the 14 days of business customers where the question is about private ones. Places that are
right have the question's words around them more often. Measured: docs/decisions/readers.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acclimate.embeddings.extractor import Marked
from acclimate.prompting.citations import sentence_around, sentences
from acclimate.tables.words import STOP, stem
from acclimate.text.folding import matched
from acclimate.types import Span

_WORD = re.compile(r"[^\W_]+")
_REACH = 12.0  # words after which a word of the question counts 1/e
_OUTSIDE = 0.4  # of its weight, where it stands in another sentence or row


@dataclass(frozen=True, slots=True)
class _Token:
    stem: str
    start: int
    end: int


class Nearness:
    """The words of a question in the texts of its passages."""

    def __init__(self, question: str, texts: Sequence[str]) -> None:
        self._texts = texts
        self._read = [_tokens(text) for text in texts]
        asked = {
            one.stem
            for one in _tokens(question)
            if matched(question[one.start : one.end]) not in STOP
        }
        self._weights = self._rarity(asked)

    def of(self, places: Sequence[Marked]) -> list[float]:
        """For each place how near the question's words are, rare words counting more, as a share of
        what the nearest place has: 0 to 1; all 1 where none has a word of the question near."""
        found = [self._near(one) for one in places]
        most = max(found, default=0.0)
        return [one / most if most else 1.0 for one in found]

    def _rarity(self, asked: set[str]) -> Mapping[str, float]:
        """The weight of each word asked for: the fewer sentences hold it, the more."""
        held = [
            {one.stem for one in read if span.start <= one.start and one.end <= span.end}
            for text, read in zip(self._texts, self._read, strict=True)
            for span in sentences(text)
        ]
        return {
            word: math.log((len(held) + 1) / (sum(word in one for one in held) + 0.5))
            for word in asked
        }

    def _near(self, place: Marked) -> float:
        read = self._read[place.passage]
        inside = [at for at, one in enumerate(read) if _within(one, place.span)]
        if not inside:
            return 0.0
        first, last = inside[0], inside[-1]
        around = sentence_around(self._texts[place.passage], place.span)
        near: dict[str, float] = {}
        for at, one in enumerate(read):
            if one.stem in self._weights and not first <= at <= last:
                distance = first - at if at < first else at - last
                share = math.exp(-distance / _REACH) * (1.0 if _within(one, around) else _OUTSIDE)
                near[one.stem] = max(near.get(one.stem, 0.0), share)
        return sum(self._weights[word] * share for word, share in near.items())


def _within(token: _Token, span: Span) -> bool:
    return span.start <= token.start and token.end <= span.end


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(stem(matched(found.group())), found.start(), found.end())
        for found in _WORD.finditer(text)
    ]
