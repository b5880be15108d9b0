"""Questions on their way into a set, with the place in the documents that each comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from acclimate.questions.writer import QuestionKind
from acclimate.text.folding import matched
from acclimate.text.locating import find_words
from acclimate.types import Chunk, Span

_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")
_STOP = frozenset(
    "a an and any are as at be been by can could did do does for from had has have how if in is "
    "it its may much many "
    "must of on or shall should than that the their there these this those to was were what when "
    "where which who whom "
    "whose why will with would you your".split()
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A drafted question, unchecked. `answer` is "" where unanswerable.

    `chunks` are what it was written from, the one that holds the answer first; `evidence` is the
    span of the first one's document that proves the answer, None where the filters have to find it.
    `writer` says who wrote it.
    """

    question: str
    answer: str
    kind: QuestionKind
    writer: str
    chunks: tuple[Chunk, ...]
    evidence: Span | None = None

    @property
    def documents(self) -> tuple[str, ...]:
        """The documents that an answer needs, the one with the evidence first."""
        return tuple(dict.fromkeys(chunk.document for chunk in self.chunks))


def words(text: str) -> list[str]:
    """Runs of letters and digits in lower case."""
    return _WORD.findall(matched(text))


def content_words(text: str) -> set[str]:
    """Words that carry a meaning: without articles, prepositions and question words."""
    return set(words(text)) - _STOP


def key(text: str) -> str:
    """Equal for texts that differ in case, spacing, punctuation and articles only."""
    return " ".join(word for word in words(text) if word not in ("a", "an", "the"))


def locate(answer: str, text: str) -> Span | None:
    """Where the answer's words stand in the text in order, whatever the case, spacing and
    punctuation between them."""
    return find_words(answer, text)


def sentence_around(text: str, place: Span) -> Span:
    """The sentence, or the line of a table or list, that holds a place; both where it crosses their
    border."""
    edges = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    start = max(edge for edge in edges if edge <= place.start)
    end = min(edge for edge in edges if edge >= place.end)
    body = text[start:end]
    return Span(start + len(body) - len(body.lstrip()), start + len(body.rstrip()))
