"""Small chunks to find, inside larger ones to read."""

from __future__ import annotations

from acclimate.chunking.base import Chunker, TokenSpans
from acclimate.chunking.cuts import Counter, make_chunk
from acclimate.chunking.sentences import sentences
from acclimate.types import Chunk, Document, Span


class ParentChunker:
    """Cuts the chunks of `parents` into whole sentences of up to `child_tokens`; each names its
    parent's span."""

    def __init__(self, parents: Chunker, tokens: TokenSpans, child_tokens: int) -> None:
        self._parents, self._tokens, self._child_tokens = parents, tokens, child_tokens
        self._fingerprint = f"parent-child/1/{child_tokens}/{parents.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        return [
            make_chunk(
                document, child, parent.headings, parent.header, Span(parent.start, parent.end)
            )
            for parent in self._parents.split(document)
            for child in counter.packed(
                sentences(document.text, Span(parent.start, parent.end)), self._child_tokens
            )
        ]
