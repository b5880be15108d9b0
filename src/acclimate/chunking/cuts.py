"""Counting tokens of a text's spans, and cutting spans where it hurts least: what every chunker
needs."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from acclimate.chunking.base import TokenSpans
from acclimate.text.hidden import mark_hidden
from acclimate.types import Chunk, Document, Element, Span

SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")
_WORD_GAP = re.compile(r"\s+")


def make_chunk(
    document: Document,
    span: Span,
    headings: tuple[str, ...] = (),
    header: str = "",
    parent: Span | None = None,
) -> Chunk:
    """The chunk of `document` at `span`; its id is a hash of the place and the words."""
    text = document.text[span.start : span.end]
    identity = f"{document.path}\0{span.start}\0{span.end}\0{text}"
    return Chunk(
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        document=document.path,
        start=span.start,
        end=span.end,
        text=text,
        title=document.title,
        headings=mark_hidden(headings, elements_within(document, span), span),
        page=document.page_at(span.start),
        header=header,
        parent=parent,
        breaks=tuple(at for at in document.page_starts if span.start < at < span.end),
    )


def elements_within(document: Document, span: Span) -> Sequence[Element]:
    """The elements of which a part is in `span`."""
    first = bisect_right(document.elements, span.start, key=lambda element: element.end)
    last = bisect_left(document.elements, span.end, key=lambda element: element.start)
    return document.elements[first:last]


def strip(text: str, span: Span) -> Span:
    """`span` without white space at its ends."""
    body = text[span.start : span.end]
    start = span.start + len(body) - len(body.lstrip())
    return Span(start, max(start, span.start + len(body.rstrip())))


def uncovered(document: Document, chunks: Sequence[Chunk]) -> int:
    """Characters of the text, white space left out, that are in no chunk."""
    lost, end = 0, 0
    for chunk in sorted(chunks, key=lambda chunk: chunk.start):
        lost += len("".join(document.text[end : chunk.start].split()))
        end = max(end, chunk.end)
    return lost + len("".join(document.text[end:].split()))


def heading_paths(document: Document) -> Iterator[tuple[Span, tuple[str, ...], int]]:
    """Each element's span, the headings above it, and its own level where it is a heading, else 0.

    The last heading of what its author hid is HIDDEN.
    """
    path: list[tuple[int, str]] = []
    for element in document.elements:
        span = strip(document.text, Span(element.start, element.end))
        if span.start == span.end or element.kind in ("header", "footer"):
            continue
        opens = max(1, element.level) if element.kind in ("title", "heading", "message") else 0
        if opens:
            path = [(level, text) for level, text in path if level < opens]
        yield span, mark_hidden(tuple(text for _, text in path), (element,), span), opens
        if opens:
            path.append(
                (opens, " ".join(document.text[span.start : span.end].strip("# \n").split())[:100])
            )


class Counter:
    """Counts tokens of spans of one text, which is tokenised once."""

    def __init__(self, tokens: TokenSpans, text: str) -> None:
        self.spans = tokens(text)
        self._text, self._tokens = text, tokens
        self._starts = [span.start for span in self.spans]

    def count(self, span: Span) -> int:
        """Tokens that begin in `span`."""
        return bisect_left(self._starts, span.end) - bisect_left(self._starts, span.start)

    def within(self, span: Span, limit: int) -> Iterator[Span]:
        """`span` whole where it has at most `limit` tokens, else cut at sentence ends, then words,
        then characters."""
        left = [span]  # a stack, as a text of a million words must not nest a million calls
        while left:
            span = strip(self._text, left.pop())
            if span.start == span.end:
                continue
            middle = (span.start + span.end) // 2
            if middle == span.start or self.fits(
                span, limit
            ):  # a single character always counts as fitting
                yield span
                continue
            cuts = (self._last_cut(span, pattern, limit) for pattern in (SENTENCE_END, _WORD_GAP))
            # One word longer than the limit is halved until it fits.
            cut = next((cut for cut in cuts if cut), middle)
            left += [Span(cut, span.end), Span(span.start, cut)]

    def fits(self, span: Span, limit: int) -> bool:
        """By the text's own tokens, and near the limit by tokenising the span alone: a cut can make
        more of them."""
        count = self.count(span)
        if count > limit:
            return False
        return count < 0.8 * limit or len(self._tokens(self._text[span.start : span.end])) <= limit

    def packed(self, pieces: Iterator[Span], limit: int, overlap: int = 0) -> Iterator[Span]:
        """Neighbouring pieces joined up to `limit`; a new span repeats whole pieces of at most
        `overlap` tokens."""
        group: list[Span] = []
        for piece in pieces:
            for part in self.within(piece, limit):
                if group and not self.fits(Span(group[0].start, part.end), limit):
                    yield Span(group[0].start, group[-1].end)
                    group = self._repeated(group, part, overlap, limit)
                group.append(part)
        if group:
            yield Span(group[0].start, group[-1].end)

    def _repeated(self, group: list[Span], part: Span, overlap: int, limit: int) -> list[Span]:
        kept: list[Span] = []
        for piece in reversed(group[1:]):
            span = Span(piece.start, group[-1].end)
            if self.count(span) > overlap or not self.fits(Span(piece.start, part.end), limit):
                break
            kept.insert(0, piece)
        return kept

    def _last_cut(self, span: Span, pattern: re.Pattern[str], limit: int) -> int | None:
        """The last place for a cut that leaves at most `limit` tokens before it."""
        best = None
        for match in pattern.finditer(self._text, span.start, span.end):
            cut = match.end()
            if not span.start < cut < span.end:
                continue
            if self.count(Span(span.start, cut)) > limit:
                break
            best = cut
        return best
