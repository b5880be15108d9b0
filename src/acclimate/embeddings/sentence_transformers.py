"""Embedding by the sentence-transformers library, for models that the other embedders do not run
(extra `sentence-transformers`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from acclimate.embeddings.base import OnDone, Vectors
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.embeddings.windows import Pooled, cut
from acclimate.errors import MissingExtraError, ModelError
from acclimate.types import Span

_TOGETHER = 512  # texts


class SentenceTransformersEmbedder:
    """An `Embedder` over a local folder in the sentence-transformers layout, safetensors only,
    never remote code.

    `spec` gives prefixes and `max_tokens`; the pooling is the folder's own. `device` None lets
    PyTorch choose. Raises MissingExtraError without the extra, ModelError where the folder cannot
    be loaded.
    """

    def __init__(
        self,
        folder: Path,
        *,
        spec: EmbedderSpec,
        weights_sha256: str,
        device: str | None = None,
        batch_texts: int = 32,
    ) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "The embedder 'sentence-transformers'", "sentence-transformers"
            ) from error
        if not (folder / "model.safetensors").is_file():
            raise ModelError(
                f"{folder} has no model.safetensors.",
                hint="acclimate models fetch --again --kind embedder --form safetensors ORG/REPO",
            )
        try:
            self._model: Any = SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{folder} cannot be loaded: {error}.", hint="Fetch the model again."
            ) from error
        self._model.max_seq_length = spec.max_tokens
        self._spec = spec
        self._fingerprint = spec.fingerprint(weights_sha256)
        self._batch_texts = batch_texts
        # The tokenizer's truncation is switched on for embedding and off for spans: one caller at a
        # time.
        self._lock = Lock()

    @property
    def fingerprint(self) -> str:
        """See `Embedder`."""
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return int(self._model.get_embedding_dimension())

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._spec.max_tokens

    def token_spans(self, text: str) -> list[Span]:
        """See `Embedder`."""
        with self._lock:
            encoded = self._model.tokenizer(
                text,
                add_special_tokens=False,
                truncation=False,
                return_offsets_mapping=True,
                verbose=False,
            )
        return [Span(start, end) for start, end in encoded["offset_mapping"]]

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts, self._spec.passage_prefix, on_done)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts, self._spec.query_prefix, None)

    def _embed(self, texts: Sequence[str], prefix: str, on_done: OnDone | None) -> Vectors:
        pooled = Pooled(len(texts), self.dimensions)
        for start in range(0, len(texts), _TOGETHER):
            windows = [self._windows(text, prefix) for text in texts[start : start + _TOGETHER]]
            with self._lock:
                vectors = self._model.encode(
                    [prefix + window for one in windows for window in one],
                    batch_size=self._batch_texts,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                )
            done = pooled.add(
                start + np.repeat(np.arange(len(windows)), [len(one) for one in windows]), vectors
            )
            if on_done is not None:
                on_done(done)
        return pooled.vectors()

    def _windows(self, text: str, prefix: str) -> list[str]:
        room = self.max_tokens - self._model.tokenizer.num_special_tokens_to_add()
        if len(prefix) + len(text) <= room:  # a token has a character at least
            return [text]
        return cut(text, self.token_spans(text), max(1, room - len(self.token_spans(prefix))))
