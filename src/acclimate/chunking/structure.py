"""Chunks that follow a document's structure: whole paragraphs, items and tables under one
heading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acclimate.chunking.base import TokenSpans
from acclimate.chunking.cuts import Counter, heading_paths, make_chunk
from acclimate.text.hidden import HIDDEN
from acclimate.types import Chunk, Document, Span

# A section that fills less than this share of a chunk is joined with the next: very short chunks
# rank badly.
_SMALL_SECTION = 0.5
_TABLE_HEAD = re.compile(r"\|[^\n]*\n\|[\s:|-]+(?=\n)")
_HEAD_SHARE = 0.4  # of the limit: a longer header is not repeated


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that is not cut further, with the headings above it.

    `opens` is the level of a heading, else 0; `header` is the header row of the table that the span
    continues.
    """

    span: Span
    headings: tuple[str, ...]
    opens: int = 0
    header: str = ""


class StructureChunker:
    """Joins elements up to `max_tokens`; a longer one is cut at row or sentence ends, then words,
    then characters.

    A chunk that goes on with a table carries its header row in `Chunk.header`. `join` lets short
    sections share one; without it every heading begins one. `tokens` gives the token spans of a
    text; `tokenizer` names it.
    """

    def __init__(
        self, tokens: TokenSpans, max_tokens: int, tokenizer: str = "", *, join: bool = True
    ) -> None:
        self._tokens, self._max_tokens, self._join = tokens, max_tokens, join
        self._fingerprint = f"{'structure' if join else 'sections'}/2/{max_tokens}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        chunks: list[Chunk] = []
        group: list[_Unit] = []
        messages = {element.start for element in document.elements if element.kind == "message"}
        for unit in self._units(document, counter):
            if group and (unit.span.start in messages or not self._joins(group, unit, counter)):
                chunks += self._close(document, group, counter)
                group = []
            group.append(unit)
        return chunks + self._close(document, group, counter)

    def _limit(self, header: str) -> int:
        return self._max_tokens - len(self._tokens(header)) if header else self._max_tokens

    def _joins(self, group: Sequence[_Unit], unit: _Unit, counter: Counter) -> bool:
        start = group[0].span.start
        if (HIDDEN in unit.headings) != (HIDDEN in group[-1].headings):
            return False
        if unit.header or counter.count(Span(start, unit.span.end)) > self._limit(group[0].header):
            return False
        if not unit.opens or all(member.opens for member in group):
            return True
        return (
            self._join
            and counter.count(Span(start, group[-1].span.end)) < _SMALL_SECTION * self._max_tokens
        )

    def _close(self, document: Document, group: Sequence[_Unit], counter: Counter) -> list[Chunk]:
        if not group:
            return []
        span, header = Span(group[0].span.start, group[-1].span.end), group[0].header
        pieces = counter.within(span, self._limit(header))
        return [make_chunk(document, piece, group[0].headings, header) for piece in pieces]

    def _units(self, document: Document, counter: Counter) -> Iterator[_Unit]:
        for span, headings, opens in heading_paths(document):
            head = _TABLE_HEAD.match(document.text, span.start, span.end)
            header = (
                head[0] if head is not None and not counter.fits(span, self._max_tokens) else ""
            )
            if len(self._tokens(header)) > _HEAD_SHARE * self._max_tokens:
                header = ""
            for number, piece in enumerate(counter.within(span, self._limit(header))):
                yield _Unit(piece, headings, opens, header if number else "")
