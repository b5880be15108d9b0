"""Chunks of sentences: as many as fit, or as long as they stay on one subject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from acclimate.chunking.base import Embed, TokenSpans
from acclimate.chunking.cuts import SENTENCE_END, Counter, heading_paths, make_chunk, strip
from acclimate.types import Chunk, Document, Span


def sentences(text: str, span: Span) -> Iterator[Span]:
    """The sentences of a span, by punctuation and line ends."""
    start = span.start
    for match in SENTENCE_END.finditer(text, span.start, span.end):
        piece = strip(text, Span(start, match.end()))
        if piece.start < piece.end:
            yield piece
            start = match.end()
    piece = strip(text, Span(start, span.end))
    if piece.start < piece.end:
        yield piece


class SentenceChunker:
    """Whole sentences up to `max_tokens`, across paragraphs; up to `overlap` tokens of sentences
    are repeated."""

    def __init__(
        self, tokens: TokenSpans, max_tokens: int, overlap: int = 0, tokenizer: str = ""
    ) -> None:
        self._tokens, self._max_tokens, self._overlap = tokens, max_tokens, overlap
        self._fingerprint = f"sentence/1/{max_tokens}/{overlap}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        found = sentences(document.text, Span(0, len(document.text)))
        return [
            make_chunk(document, span)
            for span in counter.packed(found, self._max_tokens, self._overlap)
        ]


class SemanticChunker:
    """Sentences of one section as long as each resembles the last few; a drop in similarity begins
    a new chunk.

    A cut is made where the cosine distance between the sentences before and after is among the
    highest of the document: above `percentile`. `embed` gives vectors of unit length. Source of the
    idea: Greg Kamradt, "5 Levels of Text Splitting", 2024.
    """

    def __init__(
        self,
        tokens: TokenSpans,
        embed: Embed,
        max_tokens: int,
        percentile: float = 80.0,
        tokenizer: str = "",
    ) -> None:
        self._tokens, self._embed, self._max_tokens, self._percentile = (
            tokens,
            embed,
            max_tokens,
            percentile,
        )
        self._fingerprint = f"semantic/1/{max_tokens}/{percentile:g}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        found = [
            (piece, headings)
            for span, headings, _ in heading_paths(document)
            for piece in sentences(document.text, span)
        ]
        cuts = self._cuts(document.text, [piece for piece, _ in found])
        chunks: list[Chunk] = []
        start = 0
        for at in range(1, len(found) + 1):
            if at == len(found) or cuts[at - 1] or found[at][1] != found[at - 1][1]:
                pieces = iter([piece for piece, _ in found[start:at]])
                spans = counter.packed(pieces, self._max_tokens)
                chunks += [make_chunk(document, span, found[start][1]) for span in spans]
                start = at
        return chunks

    def _cuts(self, text: str, pieces: Sequence[Span]) -> list[bool]:
        """For each pair of neighbours, whether to cut between them."""
        if len(pieces) < 2:
            return [False] * len(pieces)
        vectors = np.asarray(
            self._embed([text[piece.start : piece.end] for piece in pieces]), dtype=np.float32
        )
        # Each side is the mean of up to three sentences: one short sentence says little.
        distances = []
        for at in range(1, len(pieces)):
            before, after = (
                vectors[max(0, at - 3) : at].mean(axis=0),
                vectors[at : at + 3].mean(axis=0),
            )
            norm = float(np.linalg.norm(before) * np.linalg.norm(after)) or 1.0
            distances.append(1.0 - float(before @ after) / norm)
        limit = float(np.percentile(distances, self._percentile))
        return [distance > limit for distance in distances]
