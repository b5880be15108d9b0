"""A sentence about each chunk, written by a language model, so that it is found by what only its
document says.

Source: Anthropic, "Introducing Contextual Retrieval", 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from acclimate.chunking.base import Chunker
from acclimate.types import Chunk, Document

BEGINNING = 2000  # characters of a document that are shown beside each of its chunks
_MOST = 300  # characters kept: a model that does not end must not drown the chunk's own words

Describe = Callable[[str, str, str], str]
"""A sentence about a passage: from the document's title, its beginning, and the passage."""


class ContextChunker:
    """The chunks of `inner`, each with a context; `writer` names what writes it."""

    def __init__(self, inner: Chunker, describe: Describe, writer: str) -> None:
        self._inner, self._describe = inner, describe
        self._fingerprint = f"context/1/{writer}/{inner.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`. A document of one chunk needs no context."""
        chunks = self._inner.split(document)
        if len(chunks) < 2:
            return chunks
        beginning = document.text[:BEGINNING]
        return [
            replace(chunk, context=self._context(document.title, beginning, chunk))
            for chunk in chunks
        ]

    def _context(self, title: str, beginning: str, chunk: Chunk) -> str:
        return " ".join(self._describe(title, beginning, chunk.shown).split())[:_MOST]
