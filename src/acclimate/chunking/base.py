"""The protocol of chunkers: a document in, chunks out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from acclimate.types import Chunk, Document, Span

TokenSpans = Callable[[str], list[Span]]
"""Character span of each token of a text, in order: an embedder's `token_spans`."""

Embed = Callable[[Sequence[str]], Any]
"""Vectors [n, d] of unit length for n texts: an embedder's `embed_passages`."""


class Chunker(Protocol):
    """Cuts a document into chunks in reading order; each chunk is an exact span of the text."""

    @property
    def fingerprint(self) -> str:
        """Identifies method and settings: equal means that the same document gives the same
        chunks."""

    def split(self, document: Document) -> list[Chunk]:
        """Chunks of `document`, none empty or blank, none over the token limit; [] for a blank
        document."""
