"""`[retrieval]` as a chain of retrievers, each over the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.embeddings.known import known
from acclimate.indexes.base import Vocabulary
from acclimate.indexes.filters import Among
from acclimate.indexes.library import Library
from acclimate.prompting.templates import Template
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.distinct import DistinctRetriever
from acclimate.retrieval.diversity import DiverseRetriever
from acclimate.retrieval.fusion import LEAST_COSINE
from acclimate.retrieval.graph import GraphRetriever, Matcher
from acclimate.retrieval.neighbours import NeighbourRetriever
from acclimate.retrieval.newest import NewestRetriever
from acclimate.retrieval.pictures import PictureRetriever
from acclimate.retrieval.rerank import RerankingRetriever
from acclimate.retrieval.rewrite import RewritingRetriever
from acclimate.retrieval.search import (
    DenseRetriever,
    HybridRetriever,
    ParentRetriever,
    TextRetriever,
)
from acclimate.retrieval.spelling import SpellingRetriever
from acclimate.retrieval.versions import NewestFirstRetriever
from acclimate.settings import Settings
from acclimate.types import Message

if TYPE_CHECKING:  # its packages are not needed to search without it
    from acclimate.embeddings.base import CrossEncoder


@dataclass(frozen=True, slots=True)
class Parts:
    """What a chain may need; models are loaded only where the settings use them."""

    library: Library
    embedder: Callable[[], Embedder]
    cross_encoder: Callable[[], CrossEncoder]
    pictures: PictureEmbedder | None
    template: Callable[[str], Template]
    write: Callable[[Sequence[Message], int], str]


def open_retriever(settings: Settings, parts: Parts, among: Among | None) -> Retriever:
    """The chain that `settings` name, over the chunks `among` (None: all).

    Raises LibraryError where the library's vectors are another embedder's.
    """
    library, chosen = parts.library, settings.retrieval
    same = library.record.copies.holding
    retriever: Retriever = DistinctRetriever(_search(settings, parts, among), same, among)
    if chosen.rewrite != "none":
        retriever = RewritingRetriever(retriever, parts.template(chosen.rewrite), parts.write)
    if chosen.rerank != "none":
        encoder, weight = parts.cross_encoder(), chosen.rerank_weight
        weight = encoder.weight if weight is None else weight
        retriever = RerankingRetriever(retriever, encoder, chosen.rerank_candidates, weight)
    if parts.pictures is not None:
        table, places = library.record.pictures, settings.images.passages
        retriever = PictureRetriever(retriever, parts.pictures, table, library.fetch, places, among)
    if chosen.diversity:
        retriever = DiverseRetriever(retriever, library.record.vectors_of, chosen.diversity)
    if settings.chunking.method == "parent-child":
        retriever = ParentRetriever(retriever, library.record.parent)
    record = library.record
    retriever = DistinctRetriever(retriever, same, among, widen=False)
    retriever = NewestFirstRetriever(retriever, record.copies.sketches, record.copies.dated)
    retriever = NewestRetriever(retriever, record.copies.metadata, record.beginning)
    if chosen.neighbours:
        retriever = NeighbourRetriever(retriever, record.outline, record.cut, chosen.neighbours)
    words = library.texts
    if chosen.spelling == "library" and isinstance(words, Vocabulary):
        known = _word_of(parts.embedder()) if chosen.method != "text" else lambda _: False
        retriever = SpellingRetriever(retriever, words, known)
    return retriever


def _word_of(embedder: Embedder) -> Callable[[str], bool]:
    """Whether a word is one token to the embedder: its vocabulary holds words that are common."""
    return lambda word: len(embedder.token_spans(word)) == 1


def _search(settings: Settings, parts: Parts, among: Among | None) -> Retriever:
    """By words, by vectors or by both; with the graph where there is one."""
    library, chosen = parts.library, settings.retrieval
    text = TextRetriever(library.texts, library.fetch, among)
    found: Matcher = text
    if chosen.method != "text":
        embedder = parts.embedder()
        library.require_embedder(embedder.fingerprint)
        dense = DenseRetriever(embedder, library.vectors, library.fetch, among)
        found = dense
        if chosen.method == "hybrid":
            row = known(settings.embedder.model)
            found = HybridRetriever(
                dense,
                text,
                chosen.candidates,
                chosen.dense_weight,
                chosen.fusion,
                LEAST_COSINE if row is None else row.least,
            )
    if library.graph is not None:
        return GraphRetriever(found, library.graph, library.fetch, chosen.graph_weight, among)
    return found
