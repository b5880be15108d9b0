"""Chunks that follow a document's structure: whole paragraphs, items and tables under one heading."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acclimate.chunking.base import TokenSpans
from acclimate.types import Chunk, Document, Span

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")
_WORD_GAP = re.compile(r"\s+")
# A section that fills less than this share of a chunk is joined with the next: very short chunks rank badly.
_SMALL_SECTION = 0.5


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that is not cut further, with the headings above it; `opens` is the level of a heading, else 0."""

    span: Span
    headings: tuple[str, ...]
    opens: int = 0


class StructureChunker:
    """Joins elements up to `max_tokens`; a longer one is cut at row or sentence ends, then words, then characters.

    `tokens` gives the token spans of a text; `tokenizer` names it in the fingerprint.
    """

    def __init__(self, tokens: TokenSpans, max_tokens: int, tokenizer: str = "") -> None:
        self._tokens, self._max_tokens = tokens, max_tokens
        self._fingerprint = f"structure/1/{max_tokens}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = _Counter(self._tokens, document.text)
        chunks: list[Chunk] = []
        group: list[_Unit] = []
        for unit in self._units(document, counter):
            if group and not self._joins(group, unit, counter):
                chunks += self._close(document, group, counter)
                group = []
            group.append(unit)
        return chunks + self._close(document, group, counter)

    def _joins(self, group: Sequence[_Unit], unit: _Unit, counter: _Counter) -> bool:
        start = group[0].span.start
        if counter.count(Span(start, unit.span.end)) > self._max_tokens:
            return False
        if not unit.opens or all(member.opens for member in group):
            return True
        return counter.count(Span(start, group[-1].span.end)) < _SMALL_SECTION * self._max_tokens

    def _close(self, document: Document, group: Sequence[_Unit], counter: _Counter) -> list[Chunk]:
        """The chunk of a group; a heading without text after it is no chunk, unless it is all there is."""
        if not group:
            return []
        span = Span(group[0].span.start, group[-1].span.end)
        return [
            make_chunk(document, piece, group[0].headings)
            for piece in counter.within(span, self._max_tokens)
            if document.text[piece.start : piece.end].strip()
        ]

    def _units(self, document: Document, counter: _Counter) -> Iterator[_Unit]:
        path: list[tuple[int, str]] = []
        for element in document.elements:
            span = _strip(document.text, Span(element.start, element.end))
            if span.start == span.end or element.kind in ("header", "footer"):
                continue
            opens = max(1, element.level) if element.kind in ("title", "heading") else 0
            if opens:
                path = [(level, text) for level, text in path if level < opens]
            headings = tuple(text for _, text in path)
            for piece in counter.within(span, self._max_tokens):
                yield _Unit(piece, headings, opens)
            if opens:
                path.append((opens, " ".join(document.text[span.start : span.end].strip("# \n").split())[:100]))


class FixedChunker:
    """Windows of `max_tokens` tokens, each beginning `overlap` tokens before the end of the last."""

    def __init__(self, tokens: TokenSpans, max_tokens: int, overlap: int = 0, tokenizer: str = "") -> None:
        self._tokens, self._max_tokens, self._overlap = tokens, max_tokens, min(overlap, max_tokens - 1)
        self._fingerprint = f"fixed/1/{max_tokens}/{self._overlap}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = _Counter(self._tokens, document.text)
        spans, step = counter.spans, self._max_tokens - self._overlap
        chunks: list[Chunk] = []
        for first in range(0, len(spans), step):
            last = min(first + self._max_tokens, len(spans)) - 1
            window = Span(spans[first].start, max(spans[last].end, spans[first].start))
            pieces = counter.within(_strip(document.text, window), self._max_tokens)
            chunks += [make_chunk(document, piece, ()) for piece in pieces]
            if last == len(spans) - 1:
                break
        return chunks


def make_chunk(document: Document, span: Span, headings: tuple[str, ...]) -> Chunk:
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
        headings=headings,
        page=document.page_at(span.start),
    )


class _Counter:
    """Counts tokens of spans of one text, which is tokenised once."""

    def __init__(self, tokens: TokenSpans, text: str) -> None:
        self.spans = tokens(text)
        self._text, self._tokens = text, tokens
        self._starts = [span.start for span in self.spans]

    def count(self, span: Span) -> int:
        """Tokens that begin in `span`."""
        return bisect_left(self._starts, span.end) - bisect_left(self._starts, span.start)

    def within(self, span: Span, limit: int) -> Iterator[Span]:
        """`span` whole where it has at most `limit` tokens, else cut where it hurts least."""
        span = _strip(self._text, span)
        if span.start == span.end:
            return
        if self._fits(span, limit):
            yield span
            return
        for pattern in (_SENTENCE_END, _WORD_GAP):
            if cut := self._last_cut(span, pattern, limit):
                yield from self.within(Span(span.start, cut), limit)
                yield from self.within(Span(cut, span.end), limit)
                return
        # One word longer than the limit: halve it until it fits; a single character always counts as fitting.
        middle = (span.start + span.end) // 2
        if middle == span.start:
            yield span
            return
        yield from self.within(Span(span.start, middle), limit)
        yield from self.within(Span(middle, span.end), limit)

    def _fits(self, span: Span, limit: int) -> bool:
        """By the text's own tokens, and near the limit by tokenising the span alone: a cut can make more of them."""
        count = self.count(span)
        if count > limit:
            return False
        return count < 0.8 * limit or len(self._tokens(self._text[span.start : span.end])) <= limit

    def _last_cut(self, span: Span, pattern: re.Pattern[str], limit: int) -> int | None:
        """The last place for a cut that leaves at most `limit` tokens before it."""
        cuts = [match.end() for match in pattern.finditer(self._text, span.start, span.end)]
        fitting = [cut for cut in cuts if span.start < cut < span.end and self.count(Span(span.start, cut)) <= limit]
        return fitting[-1] if fitting else None


def _strip(text: str, span: Span) -> Span:
    body = text[span.start : span.end]
    start = span.start + len(body) - len(body.lstrip())
    return Span(start, max(start, span.start + len(body.rstrip())))
