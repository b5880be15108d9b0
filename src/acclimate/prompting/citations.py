"""Citation marks like [2] in a model's text, resolved to exact places, only against the passages
shown.

A small model gets the number wrong more often than the words. So a mark is checked: where the
passage it names does not hold the answer's words and another passage shown does, the mark is moved
there; a mark that names no passage is removed; an answer without marks is given one where its words
stand verbatim in a passage.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.refusals import spellings
from acclimate.text.folding import matched
from acclimate.text.locating import find_words
from acclimate.types import Citation, Hit, Span, Style

_MARK = re.compile(r"\s*\[(\d+(?:\s*[,;]\s*\d+)*)\]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model's text with its citations resolved; the fields are those of `Answer`. `by` names what
    gave it, where that is not the recipe's engine."""

    text: str
    marked: str
    abstained: bool
    citations: tuple[Citation, ...]
    links_removed: int = 0
    decision: str = ""
    unsupported: tuple[Span, ...] = ()
    style: Style = "short"
    working: str = ""
    by: str = ""


class CitationStripper:
    """Takes a raw text piece by piece and gives it without its marks: those are checked when it is
    complete."""

    _PARTIAL = re.compile(r"\s*(\[[\d\s,;]*)?$")
    _ANY = re.compile(r"\s*\[[\d\s,;]+\]")

    def __init__(self) -> None:
        self._held = ""

    def __call__(self, piece: str) -> str:
        """What is certain after the next piece; what may still become a mark is held back."""
        text = self._ANY.sub("", self._held + piece)
        match = self._PARTIAL.search(text)
        cut = match.start() if match else len(text)
        self._held = text[cut:]
        return text[:cut]


def is_refusal(text: str) -> bool:
    """Whether the text says that the passages do not hold the answer (or says nothing)."""
    words, refusals = _words(text), _refusals()
    if not words or words.startswith(refusals):
        return True
    # Models that are fond of talking say first that they have looked: the refusal is then a
    # sentence of its own.
    last = sentences(text)[-1]
    return _words(text[last.start : last.end]) in refusals


def _words(text: str) -> str:
    return " ".join(_WORD.findall(matched(text)))


@cache
def _refusals() -> tuple[str, ...]:
    return tuple(_words(one) for one in spellings())


def final_words(text: str) -> str:
    """An answer's words without marks, case and punctuation: equal for answers that say the same in
    the same words."""
    return " ".join(_WORD.findall(matched(_MARK.sub("", text))))


def resolve(raw: str, passages: Sequence[Hit]) -> Resolved:
    """Resolve the marks in a model's text against the passages that it was shown, [1] first."""
    if is_refusal(_MARK.sub("", raw)):
        return Resolved(REFUSAL, REFUSAL, True, ())
    citations: dict[int, Citation] = {}
    marked, claim_start = "", 0
    for match in [*_MARK.finditer(raw), None]:
        claim = raw[claim_start : match.start() if match else len(raw)]
        asked = [int(number) for number in re.findall(r"\d+", match[1])] if match else []
        marked += claim
        if match and _WORD.search(claim):
            cited = _cite(claim, asked, passages)
            citations |= {
                citation.number: citation for citation in cited if citation.number not in citations
            }
            marked += "".join(f" [{citation.number}]" for citation in cited)
        claim_start = match.end() if match else len(raw)
    text = _MARK.sub("", raw).strip()
    if not citations and (found := _cite(text, [], passages)):
        citations = {found[0].number: found[0]}
        marked = f"{marked.rstrip()} [{found[0].number}]"
    return Resolved(text, marked.strip(), False, tuple(citations.values()))


def cite_words(claim: str, passages: Sequence[Hit]) -> list[Citation]:
    """A citation of the first passage that holds these words in order; [] where none does."""
    return _cite(claim, [], passages)


def mark_answer(place: Span, number: int, passages: Sequence[Hit]) -> Resolved:
    """The answer that stands at `place` in the text of passage `number` (from 1), cited there and
    nowhere else."""
    hit = passages[number - 1]
    text = hit.chunk.text[place.start : place.end]
    return Resolved(text, f"{text} [{number}]", False, (_citation(number, hit, place, text),))


def _cite(claim: str, asked: Sequence[int], passages: Sequence[Hit]) -> list[Citation]:
    """Citations for one claim: the passages asked for that hold its words, else the first that
    does, else as asked."""
    shown = [number for number in dict.fromkeys(asked) if 1 <= number <= len(passages)]
    places = {
        number: find_words(claim, hit.chunk.text) for number, hit in enumerate(passages, start=1)
    }
    holding = [number for number in shown if places[number]]
    if not holding:
        holding = [number for number in places if places[number]][:1]
    return [
        _citation(number, passages[number - 1], places[number], claim)
        for number in holding or shown
    ]


def _citation(number: int, hit: Hit, place: Span | None, claim: str) -> Citation:
    chunk = hit.chunk
    span = sentence_around(chunk.text, place) if place else _closest_sentence(claim, chunk.text)
    quote = chunk.text[span.start : span.end]
    return Citation(
        number=number,
        document=chunk.document,
        start=chunk.start + span.start,
        end=chunk.start + span.end,
        quote=quote,
        page=chunk.page_at(chunk.start + span.start),
        headings=chunk.headings,
        verbatim=place is not None,
        also=hit.also,
    )


def sentences(text: str) -> list[Span]:
    """The spans of a text's sentences and lines, without the white space around them."""
    edges = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    spans = []
    for start, end in itertools.pairwise(edges):
        body = text[start:end]
        if body.strip():
            spans.append(Span(start + len(body) - len(body.lstrip()), start + len(body.rstrip())))
    return spans


def sentence_around(text: str, place: Span) -> Span:
    """The sentences (or table rows) that hold `place`."""
    touched = [
        span for span in sentences(text) if span.end > place.start and span.start < place.end
    ]
    return Span(
        min([place.start, *(span.start for span in touched)]),
        max([place.end, *(s.end for s in touched)]),
    )


def _closest_sentence(claim: str, text: str) -> Span:
    """The sentence that shares most words with the claim; the whole text where none shares any."""
    words = set(_WORD.findall(matched(claim)))
    scored = [
        (len(words & set(_WORD.findall(matched(text[s.start : s.end])))), s)
        for s in sentences(text)
    ]
    best = max(scored, key=lambda item: item[0], default=(0, Span(0, len(text))))
    return best[1] if best[0] else Span(0, len(text))
