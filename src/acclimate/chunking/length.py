"""Chunks of plain length, in tokens or characters, with overlap."""

from __future__ import annotations

from acclimate.chunking.base import TokenSpans
from acclimate.chunking.cuts import Counter, make_chunk, strip
from acclimate.types import Chunk, Document, Span


class FixedChunker:
    """Windows of `max_tokens` tokens, each beginning `overlap` tokens before the end of the
    last."""

    def __init__(
        self, tokens: TokenSpans, max_tokens: int, overlap: int = 0, tokenizer: str = ""
    ) -> None:
        self._tokens, self._max_tokens, self._overlap = (
            tokens,
            max_tokens,
            min(overlap, max_tokens - 1),
        )
        self._fingerprint = f"fixed/1/{max_tokens}/{self._overlap}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        spans, step = counter.spans, self._max_tokens - self._overlap
        chunks: list[Chunk] = []
        for first in range(0, len(spans), step):
            last = min(first + self._max_tokens, len(spans)) - 1
            window = Span(spans[first].start, max(spans[last].end, spans[first].start))
            pieces = counter.within(strip(document.text, window), self._max_tokens)
            chunks += [make_chunk(document, piece) for piece in pieces]
            if last == len(spans) - 1:
                break
        return chunks


class CharacterChunker:
    """Windows of `characters`, each beginning `overlap` characters before the end of the last.

    Windows over `max_tokens` are cut once more: an embedder would drop what is beyond.
    """

    def __init__(
        self,
        tokens: TokenSpans,
        max_tokens: int,
        characters: int,
        overlap: int = 0,
        tokenizer: str = "",
    ) -> None:
        self._tokens, self._max_tokens = tokens, max_tokens
        self._characters, self._overlap = characters, min(overlap, characters - 1)
        self._fingerprint = f"characters/1/{max_tokens}/{characters}/{self._overlap}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter, length = Counter(self._tokens, document.text), len(document.text)
        chunks: dict[str, Chunk] = {}
        for start in range(0, length, self._characters - self._overlap):
            end = min(start + self._characters, length)
            for piece in counter.within(Span(start, end), self._max_tokens):
                chunk = make_chunk(document, piece)
                chunks[chunk.id] = chunk  # white space at the ends may make two windows one
            if end == length:
                break
        return sorted(chunks.values(), key=lambda chunk: (chunk.start, chunk.end))
