"""Chunks to vectors: one that is longer than the model reads has one for each of its windows.

A single vector for a long text is the mean of its topics, and near to none of them. What this
brings: docs/decisions, Long chunks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acclimate.embeddings.base import Embedder, OnDone, Vectors
from acclimate.embeddings.windows import cut
from acclimate.errors import EngineError
from acclimate.text.embedded import embedding_text
from acclimate.types import Chunk

# Tokens: for a model's special tokens and prefix; of a window, whatever stands before it.
_SPARE, _LEAST = 8, 32


def embed_chunks(
    embedder: Embedder, chunks: Sequence[Chunk], on_done: OnDone | None = None
) -> list[Vectors]:
    """For each chunk the vectors [m, d] of the m windows that `embedder` reads it in, most often
    one; title, headings and context stand before each. `on_done` is called with the number of
    chunks embedded. Raises EngineError for other vectors than were asked."""
    texts = [window_texts(embedder, chunk) for chunk in chunks]
    windows, heard, told = sum(map(len, texts)), 0, 0

    def tell(done: int) -> None:
        nonlocal heard, told
        heard += done
        if on_done is not None and (whole := heard * len(chunks) // windows) > told:
            on_done(whole - told)
            told = whole

    rows = embedder.embed_passages([text for some in texts for text in some], tell)
    if len(rows) != windows:
        raise EngineError(f"the embedder gave {len(rows)} vectors for {windows} texts.")
    if not np.isfinite(rows).all():
        raise EngineError("the embedder gave a vector with values that are not finite.")
    return np.split(rows, np.cumsum([len(some) for some in texts])[:-1]) if texts else []


def window_texts(embedder: Embedder, chunk: Chunk) -> list[str]:
    """What is embedded for a chunk, in as many texts as it takes."""
    whole, most = embedding_text(chunk), embedder.max_tokens
    # No token is shorter than a character.
    if len(whole) <= most or len(embedder.token_spans(whole)) + _SPARE <= most:
        return [whole]
    room = most - _SPARE - len(embedder.token_spans(embedding_text(chunk, "")))
    parts = cut(chunk.shown, embedder.token_spans(chunk.shown), max(_LEAST, room))
    return [embedding_text(chunk, part) for part in parts]
