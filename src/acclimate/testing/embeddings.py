"""The contract that every `Embedder` keeps, as one check, and an embedder without dependencies for
other tests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from acclimate.embeddings.base import Embedder, OnDone, Vectors
from acclimate.types import Span

_WORD = re.compile(r"\w+|[^\w\s]")
_TEXTS = (
    "The notice period is thirty days.",
    "a",
    "Ein Käse-Brötchen kostet 3,50 €, naïve café; ½ 𝔘nicode",
    "猫はマットの上に座った。",
    "emoji 👩🏽‍🚀 and e\u0301 combining, tab\tand\nnewline",
    "The cat sat on the mat, and the dog sat on the cat. " * 3,
    "",
    "a",
)


class HashEmbedder:
    """A hashed bag of words: texts that share words are close. Deterministic, the same on every
    machine.

    Each word adds ±1 at one of `dimensions` places (feature hashing, Weinberger et al. 2009, arXiv
    0902.2206). A text without words becomes the first unit vector. Tokens are words and single
    punctuation marks; words past `max_tokens` are not read. Counts what it was asked: `passages`
    and `queries`.
    """

    def __init__(self, dimensions: int = 64, max_tokens: int = 256, name: str = "hash") -> None:
        self._dimensions = dimensions
        self._max_tokens = max_tokens
        self._name = name
        self.passages = 0
        self.queries = 0

    @property
    def fingerprint(self) -> str:
        """See `Embedder`."""
        return f"{self._name}-{self._dimensions}-{self._max_tokens}"

    @property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._max_tokens

    def token_spans(self, text: str) -> list[Span]:
        """See `Embedder`."""
        return [Span(*match.span()) for match in _WORD.finditer(text)]

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        self.passages += len(texts)
        vectors = self._embed(texts)
        if on_done is not None and texts:
            on_done(len(texts))
        return vectors

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        self.queries += len(texts)
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self._dimensions), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in _WORD.findall(text.casefold())[: self._max_tokens]:
                digest = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
                row[(digest >> 1) % self._dimensions] += 1 if digest & 1 else -1
            if not row.any():
                row[0] = 1
            row /= np.linalg.norm(row)
        return vectors


def check_embedder(make: Callable[[], Embedder]) -> None:
    """Raise AssertionError, naming the broken rule, where what `make` returns does not keep the
    `Embedder` contract.

    For a backend's own test suite; calls the embedder about 40 times with short texts.
    """
    embedder = make()
    _check_shape(embedder)
    _check_independence(embedder)
    _check_progress(embedder)
    for text in _TEXTS:
        _check_spans(embedder, text)
    _check_threads(embedder)
    _require(
        embedder.fingerprint != "" and make().fingerprint == embedder.fingerprint,
        "the fingerprint is stable",
    )


def _check_shape(embedder: Embedder) -> None:
    for embed in (embedder.embed_passages, embedder.embed_queries):
        vectors, empty = embed(_TEXTS), embed([])
        _require(
            vectors.shape == (len(_TEXTS), embedder.dimensions),
            f"one row a text, but shape is {vectors.shape}",
        )
        _require(
            empty.shape == (0, embedder.dimensions),
            f"no texts give [0, d], but shape is {empty.shape}",
        )
        _require(
            vectors.dtype == empty.dtype == np.float32, f"vectors are float32, not {vectors.dtype}"
        )
        lengths = np.linalg.norm(vectors, axis=1)
        _require(
            bool((np.abs(lengths - 1) < 1e-3).all()),
            f"rows have length 1, but lengths are {lengths}",
        )


def _check_independence(embedder: Embedder) -> None:
    together = embedder.embed_passages(_TEXTS)
    backwards = embedder.embed_passages(_TEXTS[::-1])[::-1]
    for text, row, other in zip(_TEXTS, together, backwards, strict=True):
        alone = embedder.embed_passages([text])[0]
        cosine = min(float(row @ alone), float(row @ other))
        _require(
            cosine > 1 - 1e-3,
            f"a text embeds the same in any company: {text!r} has cosine {cosine:.4f}",
        )
    spread = float((together[0] @ together[1:6].T).max())
    _require(spread < 1 - 1e-4, "different texts have different vectors")


def _check_progress(embedder: Embedder) -> None:
    counts: list[int] = []
    embedder.embed_passages(_TEXTS, counts.append)
    _require(sum(counts) == len(_TEXTS), f"on_done counts sum to {len(_TEXTS)}, not {sum(counts)}")


def _check_spans(embedder: Embedder, text: str) -> None:
    spans = embedder.token_spans(text)
    _require(bool(spans) or not text.strip(), f"a text with words has tokens: {text!r}")
    previous = Span(0, 0)
    for span in spans:
        inside = 0 <= span.start <= span.end <= len(text)
        _require(inside, f"token spans lie within the text: {span} of {len(text)} characters")
        ordered = span.start >= previous.start and span.end >= previous.end
        _require(ordered, f"token spans increase: {span} after {previous} in {text!r}")
        previous = span


def _check_threads(embedder: Embedder) -> None:
    expected = embedder.embed_passages(_TEXTS)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(embedder.embed_passages, _TEXTS) for _ in range(12)]
        spans = [pool.submit(embedder.token_spans, _TEXTS[0]) for _ in range(12)]
        for job in jobs:
            cosines = (job.result() * expected).sum(1)
            _require(
                bool((cosines > 1 - 1e-3).all()),
                f"four threads get the same vectors, but cosines are {cosines}",
            )
    _require(len({tuple(job.result()) for job in spans}) == 1, "four threads get the same spans")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(f"Embedder contract: {rule}.")
