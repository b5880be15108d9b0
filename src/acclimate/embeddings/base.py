"""The protocol of embedders: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from acclimate.types import Span

Vectors = NDArray[np.float32]
OnDone = Callable[[int], None]
"""Called with the number of texts embedded since the last call."""

Scores = NDArray[np.float32]


class PictureEmbedder(Protocol):
    """Pictures and texts to unit vectors of one space. Safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """Identifies the vector space, as an `Embedder`'s does."""

    def embed_pictures(self, pictures: Sequence[bytes]) -> Vectors:
        """[n, d] float32 for n pictures (PNG, JPEG, …), each row of length 1, in the order
        given."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """[n, d] float32 for n > 0 texts, which are compared with pictures by the inner product."""


class Embedder(Protocol):
    """Texts to unit vectors. Safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """Identifies the vector space: model, its weights' hash, pooling, prefixes. Equal means
        comparable."""

    @property
    def dimensions(self) -> int:
        """d, the length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Most tokens (with special tokens) that the model reads at once; longer texts are embedded
        in windows, or refused where the model is somebody else's server, so chunk below it."""

    def token_spans(self, text: str) -> list[Span]:
        """Character span of each token of `text`, without special tokens, in order."""

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """[n, d] float32, each row of length 1, in the order given; [0, d] for no texts."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """As `embed_passages`, with the model's query prefix."""


class CrossEncoder(Protocol):
    """Scores passages for a question. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The name shown in reports."""

    @property
    def weight(self) -> float:
        """The share of its scores, beside the search's, that was best where it was made; 1 where
        nobody looked."""

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """[n] float32, higher is better, in the order of `texts`; [0] for none. Equal texts have
        equal scores."""
