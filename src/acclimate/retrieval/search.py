"""Dense, text and hybrid retrieval over a library's indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from acclimate.embeddings.base import Embedder
from acclimate.indexes.base import Match, TextIndex, VectorIndex, Vectors
from acclimate.indexes.filters import Among
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.fusion import LEAST_COSINE, Fusion, convex, rrf
from acclimate.text.folding import plain
from acclimate.types import Chunk, Hit

_CHILDREN = 6  # small chunks looked at for each larger one wanted
FetchChunks = Callable[[Sequence[int]], Sequence[Chunk]]
"""Chunks of the record for index keys, in the order of the keys."""


@dataclass(frozen=True, slots=True)
class DenseRetriever:
    """Cosine similarity of embeddings; only chunks `among` the given ones are found."""

    embedder: Embedder
    index: VectorIndex
    fetch: FetchChunks
    among: Among | None = None

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        return hits_of(self.matches(query, k), self.fetch)

    def matches(self, query: str, k: int) -> list[Match]:
        """The k best rows; [] for a blank query."""
        return (
            self.search(self.embedder.embed_queries([plain(query)])[0], k) if query.strip() else []
        )

    def search(self, vector: Vectors, k: int) -> list[Match]:
        """The k best rows for an embedded query [d]."""
        return self.index.search(vector, k, self.among)


@dataclass(frozen=True, slots=True)
class TextRetriever:
    """BM25 over text, title and headings; only chunks `among` the given ones are found."""

    index: TextIndex
    fetch: FetchChunks
    among: Among | None = None

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        return hits_of(self.matches(query, k), self.fetch)

    def matches(self, query: str, k: int) -> list[Match]:
        """The k best rows; [] for a blank query."""
        return self.index.search(query, k, self.among) if query.strip() else []


@dataclass(frozen=True, slots=True)
class HybridRetriever:
    """Dense and text results fused, over the best `candidates` rows of each: by scores (convex) or
    by ranks (rrf). `least_cosine`: see `convex`."""

    dense: DenseRetriever
    text: TextRetriever
    candidates: int
    dense_weight: float
    fusion: Fusion = "convex"
    least_cosine: float = LEAST_COSINE

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        if not query.strip():
            return []
        return hits_of(self.matches(query, max(k, self.candidates))[:k], self.dense.fetch)

    def matches(self, query: str, depth: int) -> list[Match]:
        """The fused rows of the best `depth` of each side."""
        vector = self.dense.embedder.embed_queries([plain(query)])[0]
        dense = {match.key: match.score for match in self.dense.search(vector, depth)}
        text = {match.key: match.score for match in self.text.matches(query, depth)}
        if self.fusion == "rrf":
            return [Match(key, score) for key, score in rrf([[*dense], [*text]]).items()]
        # What only one list holds is scored by the other index too: a missing score is not a bad
        # one.
        found = {
            match.key: match.score
            for match in self.dense.index.scores(vector, sorted(text.keys() - dense.keys()))
        }
        worded = {
            match.key: match.score
            for match in self.text.index.scores(query, sorted(dense.keys() - text.keys()))
        }
        return convex(dense | found, text | worded, self.dense_weight, self.least_cosine)


@dataclass(frozen=True, slots=True)
class ParentRetriever:
    """Finds by small chunks and gives the larger spans that hold them, each once."""

    inner: Retriever
    parent: Callable[[Chunk], Chunk]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        found: dict[tuple[str, int, int], Hit] = {}
        for hit in self.inner.retrieve(query, _CHILDREN * k):
            span = hit.chunk.parent or hit.chunk
            place = (hit.chunk.document, span.start, span.end)
            if place not in found:
                found[place] = replace(hit, chunk=self.parent(hit.chunk), rank=len(found) + 1)
            if len(found) == k:
                break
        return list(found.values())


def hits_of(matches: Sequence[Match], fetch: FetchChunks) -> list[Hit]:
    """Rows as hits, ranks 1 to n."""
    chunks = fetch([match.key for match in matches])
    return [
        Hit(chunk, match.score, rank)
        for rank, (chunk, match) in enumerate(zip(chunks, matches, strict=True), 1)
    ]
