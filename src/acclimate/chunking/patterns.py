"""Chunks cut at patterns: a regular expression of the user's, or a ladder of separators."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from acclimate.chunking.base import TokenSpans
from acclimate.chunking.cuts import Counter, make_chunk
from acclimate.errors import SettingsError
from acclimate.types import Chunk, Document, Span

# Each is tried where the one before leaves pieces that are too long.
SEPARATORS = (r"\n\s*\n", r"\n", r"(?<=[.!?])\s+", r"(?<=[,;:])\s+", r"\s+")


class RegexChunker:
    """A new chunk begins wherever `pattern` matches; longer ones are cut at sentence ends.

    Raises SettingsError for a pattern that is not a regular expression.
    """

    def __init__(
        self, tokens: TokenSpans, max_tokens: int, pattern: str, tokenizer: str = ""
    ) -> None:
        self._tokens, self._max_tokens = tokens, max_tokens
        try:
            self._pattern = re.compile(pattern, re.MULTILINE)
        except re.error as error:
            raise SettingsError(
                f"[chunking] pattern = {pattern!r} is not a regular expression: {error}."
            ) from error
        digest = hashlib.sha256(pattern.encode()).hexdigest()[:12]
        self._fingerprint = f"regex/1/{max_tokens}/{digest}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        starts = sorted({0, *(match.start() for match in self._pattern.finditer(document.text))})
        spans = [
            Span(start, end)
            for start, end in zip(starts, [*starts[1:], len(document.text)], strict=True)
        ]
        return [
            make_chunk(document, piece)
            for span in spans
            for piece in counter.within(span, self._max_tokens)
        ]


class RecursiveChunker:
    """Cuts at blank lines, then lines, sentences, clauses and words, and joins the pieces again up
    to `max_tokens`."""

    def __init__(
        self, tokens: TokenSpans, max_tokens: int, overlap: int = 0, tokenizer: str = ""
    ) -> None:
        self._tokens, self._max_tokens, self._overlap = tokens, max_tokens, overlap
        self._fingerprint = f"recursive/1/{max_tokens}/{overlap}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        pieces = self._pieces(document.text, Span(0, len(document.text)), SEPARATORS, counter)
        return [
            make_chunk(document, span)
            for span in counter.packed(pieces, self._max_tokens, self._overlap)
        ]

    def _pieces(
        self, text: str, span: Span, separators: Sequence[str], counter: Counter
    ) -> Iterator[Span]:
        if not separators or counter.fits(span, self._max_tokens):
            yield span
            return
        start = span.start
        for match in re.finditer(separators[0], text[span.start : span.end]):
            end = span.start + match.end()
            yield from self._pieces(text, Span(start, end), separators[1:], counter)
            start = end
        yield from self._pieces(text, Span(start, span.end), separators[1:], counter)
