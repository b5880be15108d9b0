"""Passages found by what a picture in them shows."""

from __future__ import annotations

from dataclasses import dataclass

from acclimate.embeddings.base import PictureEmbedder
from acclimate.indexes.filters import Among
from acclimate.indexes.pictures import PictureTable
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.search import FetchChunks
from acclimate.text.folding import plain
from acclimate.types import Hit


@dataclass(frozen=True, slots=True)
class PictureRetriever:
    """The passages of `inner`, of which the last `places` give way to those whose pictures are most
    like the query.

    Cosines between a text and a picture cannot be compared with other scores, so there is no fusion
    by score: pictures get places of their own, after the text, and the passages before them stay as
    they are.
    """

    inner: Retriever
    embedder: PictureEmbedder
    table: PictureTable
    fetch: FetchChunks
    places: int
    among: Among | None = None

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        hits = self.inner.retrieve(query, k)
        if not query.strip() or not self.places or not self.table.count(self.embedder.fingerprint):
            return hits
        vector = self.embedder.embed_queries([plain(query)])[0]
        matches = self.table.search(vector, k + self.places, self.embedder.fingerprint, self.among)
        chunks = self.fetch([match.key for match in matches])
        kept = hits[: max(0, k - self.places)]
        held = {hit.chunk.id for hit in kept}
        new = [
            (chunk, match)
            for chunk, match in zip(chunks, matches, strict=True)
            if chunk.id not in held
        ]
        taken = new[: min(self.places, k)]
        left = [
            hit for hit in hits[len(kept) :] if hit.chunk.id not in {chunk.id for chunk, _ in taken}
        ]
        kept += left[: k - len(kept) - len(taken)]
        return kept + [
            Hit(chunk, match.score, len(kept) + at)
            for at, (chunk, match) in enumerate(taken, start=1)
        ]
