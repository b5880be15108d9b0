"""The text that is embedded for a chunk, and the hash that tells whether it was embedded
already."""

from __future__ import annotations

import hashlib

from acclimate.text.folding import plain
from acclimate.types import Chunk

_PATH_CHARACTERS = 150  # of title and headings put before a chunk for embedding, some 40 tokens


def embedding_text(chunk: Chunk, part: str | None = None) -> str:
    """What is embedded for a chunk: the end of its heading path and its context, then its text, or
    `part` of it."""
    parts = (
        chunk.heading_path[-_PATH_CHARACTERS:],
        chunk.context,
        chunk.shown if part is None else part,
    )
    return plain("\n".join(one for one in parts if one))


def embedded_hash(chunk: Chunk) -> str:
    """Identifies the text that is embedded for a chunk, so that a file that only moved is not
    embedded again."""
    return hashlib.sha256(embedding_text(chunk).encode()).hexdigest()[:32]
