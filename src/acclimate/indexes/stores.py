"""The servers that can hold a library's indexes, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from acclimate.errors import SettingsError
from acclimate.indexes.approximate import Search
from acclimate.indexes.base import TextIndex, VectorIndex
from acclimate.indexes.library import OpenIndexes
from acclimate.indexes.sql import SqlDatabase
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.indexes.words import Words

if TYPE_CHECKING:
    from acclimate.indexes.rest import Rest

Store = Literal["local", "hnsw", "postgres", "qdrant", "elasticsearch"]
_LOCAL = ("local", "hnsw")


@dataclass(frozen=True, slots=True)
class StoreServer:
    """Where a store is. `prefix` begins every name in it; `key` is its password or API key, or
    None; `search` says how it finds near vectors."""

    url: str
    prefix: str
    key: str | None = None
    search: Search = "auto"

    def name(self, record: str) -> str:
        """What begins the names of one library's tables or collections: no two libraries share
        any."""
        return f"{self.prefix}_{record[:12]}"


def open_indexes(vectors: Store, texts: Store, server: StoreServer | None) -> OpenIndexes:
    """What opens the indexes of a library in these stores. Raises SettingsError where a server has
    no address."""
    if server is None and not (vectors in _LOCAL and texts == "local"):
        raise SettingsError(
            "'store.url' is not set, and a server store needs it.",
            hint='url = "postgresql://USER@HOST/DATABASE"',
        )

    def opened(folder: Path, record: str, words: Words) -> tuple[VectorIndex, TextIndex]:
        place = folder / record
        vector: VectorIndex
        if vectors == "hnsw":
            vector = _hnsw(place)
        elif server and vectors != "local":
            vector = _VECTORS[vectors](server, record)
        else:
            vector = ExactVectorIndex(place / "vector")
        if server and texts != "local":
            return vector, _TEXTS[texts](server, record, words)
        return vector, TantivyTextIndex(place / "text", words)

    return opened


def open_database(server: StoreServer | None, library: str) -> SqlDatabase:
    """The record of `library` in PostgreSQL. Raises SettingsError where the server has no address,
    or the library no name."""
    if server is None:
        raise SettingsError(
            "'store.url' is not set, and a record in PostgreSQL needs it.",
            hint='url = "postgresql://USER@HOST/DATABASE", or record_url',
        )
    if not library:
        raise SettingsError(
            "'store.library' is not set, and a record in PostgreSQL needs a name.",
            hint='library = "handbook"; who names the same one shares it.',
        )
    from acclimate.indexes.postgres_database import PostgresDatabase  # its packages are an extra

    return PostgresDatabase(server.url, f"{server.prefix}_{library}", server.key)


def _hnsw(place: Path) -> VectorIndex:
    from acclimate.indexes.hnsw import HNSWVectorIndex  # its package is an extra

    return HNSWVectorIndex(place / "hnsw")


def _postgres_vectors(server: StoreServer, record: str) -> VectorIndex:
    # Its packages are an extra.
    from acclimate.indexes.postgres import Database
    from acclimate.indexes.postgres_vectors import PostgresVectorIndex

    database = Database(server.url, server.name(record), server.key)
    return PostgresVectorIndex(database, server.search)


def _postgres_texts(server: StoreServer, record: str, words: Words) -> TextIndex:
    from acclimate.indexes.postgres import Database, PostgresTextIndex

    return PostgresTextIndex(Database(server.url, server.name(record), server.key), words)


def _qdrant_vectors(server: StoreServer, record: str) -> VectorIndex:
    from acclimate.indexes.qdrant import QdrantVectorIndex  # an HTTP client, 0.2 s

    return QdrantVectorIndex(_qdrant(server), server.name(record), server.search)


def _qdrant_texts(server: StoreServer, record: str, words: Words) -> TextIndex:
    from acclimate.indexes.qdrant import QdrantTextIndex

    return QdrantTextIndex(_qdrant(server), server.name(record), words)


def _elastic_vectors(server: StoreServer, record: str) -> VectorIndex:
    from acclimate.indexes.elastic_vectors import ElasticVectorIndex

    return ElasticVectorIndex(_elastic(server), server.name(record), server.search)


def _elastic_texts(server: StoreServer, record: str, words: Words) -> TextIndex:
    from acclimate.indexes.elastic import ElasticTextIndex

    return ElasticTextIndex(_elastic(server), server.name(record), words)


def _elastic(server: StoreServer) -> Rest:
    """With an API key, or the user and password that the address holds."""
    from acclimate.indexes.rest import Rest

    return Rest(
        "Elasticsearch", server.url, {"authorization": f"ApiKey {server.key}"} if server.key else {}
    )


def _qdrant(server: StoreServer) -> Rest:
    from acclimate.indexes.rest import Rest

    return Rest("Qdrant", server.url, {"api-key": server.key} if server.key else {})


_VECTORS: dict[Store, Callable[[StoreServer, str], VectorIndex]] = {
    "postgres": _postgres_vectors,
    "qdrant": _qdrant_vectors,
    "elasticsearch": _elastic_vectors,
}
_TEXTS: dict[Store, Callable[[StoreServer, str, Words], TextIndex]] = {
    "postgres": _postgres_texts,
    "qdrant": _qdrant_texts,
    "elasticsearch": _elastic_texts,
}
