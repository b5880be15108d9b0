"""Every index and store keeps the same contract."""

from contextlib import closing

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.errors import LibraryError, SettingsError
from acclimate.indexes.base import Change
from acclimate.indexes.elastic import ElasticTextIndex
from acclimate.indexes.elastic_vectors import ElasticVectorIndex
from acclimate.indexes.hnsw import HNSWVectorIndex
from acclimate.indexes.library import Library
from acclimate.indexes.postgres import Database, PostgresTextIndex
from acclimate.indexes.postgres_vectors import PostgresVectorIndex
from acclimate.indexes.qdrant import QdrantTextIndex, QdrantVectorIndex
from acclimate.indexes.rest import Rest
from acclimate.indexes.stores import StoreServer, open_indexes
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.indexes.words import Words
from acclimate.ingest import ingest
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.indexes import check_text_index, check_vector_index
from acclimate.types import Chunk

STORES = ("local", "codes", "hnsw", "postgres", "qdrant")


@pytest.fixture(params=STORES)
def opened(request, tmp_path, name):
    """Opens the vector or the text index of a store."""
    match request.param:
        case "local":
            return {
                "vector": lambda: ExactVectorIndex(tmp_path / "v"),
                "text": lambda: TantivyTextIndex(tmp_path / "t"),
            }
        case "codes":
            return {"vector": lambda: ExactVectorIndex(tmp_path / "v", codes_from=0)}
        case "hnsw":
            return {"vector": lambda: HNSWVectorIndex(tmp_path / "v")}
        case "postgres":
            url = request.getfixturevalue("postgres_url")
            return {
                "vector": lambda: PostgresVectorIndex(Database(url, name)),
                "text": lambda: PostgresTextIndex(Database(url, name)),
            }
        case "qdrant":
            url = request.getfixturevalue("qdrant_url")
            return {
                "vector": lambda: QdrantVectorIndex(Rest("Qdrant", url, {}), name),
                "text": lambda: QdrantTextIndex(Rest("Qdrant", url, {}), name),
            }


def test_vector_contract(opened):
    check_vector_index(opened["vector"])


def test_text_contract(opened, request):
    if "text" in opened:
        check_text_index(opened["text"], fresh="local" not in request.node.name)


def test_elastic_vector_contract(elastic_vectors_url, name):
    check_vector_index(
        lambda: ElasticVectorIndex(Rest("Elasticsearch", elastic_vectors_url, {}), name)
    )


def test_elastic_text_contract(elastic_texts_url, name):
    check_text_index(lambda: ElasticTextIndex(Rest("Elasticsearch", elastic_texts_url, {}), name))


def test_a_row_that_elastic_refuses_is_told(elastic, name):
    url, server = elastic
    index = ElasticTextIndex(Rest("Elasticsearch", url, {}), name)
    index.update(Change((), [1], 1), [(1, Chunk("1", "a.md", 0, 4, "heat"))])
    del server.indexes[server.aliases[f"{name}_texts"]].properties["lengths"]
    with pytest.raises(LibraryError, match="strict_dynamic_mapping"):
        index.update(Change((), [2], 2), [(2, Chunk("2", "a.md", 0, 4, "heat"))])
    assert index.generation is None, "it is built again"
    index.close()


GERMAN = [
    "Die Wärmepumpen brauchen Räume.",
    "Ein Raum für eine Pumpe",
    "In den Häusern stehen Wärmepumpen",
]


def test_words_of_another_language_are_the_same_in_elastic(elastic_texts_url, tmp_path, name):
    german_words(
        ElasticTextIndex(Rest("Elasticsearch", elastic_texts_url, {}), name, Words("german")),
        tmp_path,
    )


def test_words_of_another_language_are_the_same_in_postgres(postgres_url, tmp_path, name):
    german_words(PostgresTextIndex(Database(postgres_url, name), Words("german")), tmp_path)


def test_words_of_another_language_are_the_same_in_qdrant(qdrant_url, tmp_path, name):
    german_words(QdrantTextIndex(Rest("Qdrant", qdrant_url, {}), name, Words("german")), tmp_path)


def german_words(index, folder):
    held = {key: Chunk(str(key), "a.md", 0, len(text), text) for key, text in enumerate(GERMAN, 1)}
    local = TantivyTextIndex(folder, Words("german"))
    for one in (local, index):
        one.update(Change((), list(held), 1), held.items())
    found = index.search("Wärmepumpe im Haus", 5)
    assert [match.key for match in found] == [3, 1, 2]  # the last by a part of the compound
    assert [match.score for match in found] == pytest.approx(
        [match.score for match in local.search("Wärmepumpe im Haus", 5)], rel=1e-5
    )
    index.close()


def contents_of_postgres(url):
    with psycopg.connect(url) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT tablename FROM pg_tables WHERE tablename ~ '^traces'"
            )
        ]
        return [
            row
            for name in tables
            for row in connection.execute(SQL("SELECT * FROM {}").format(Identifier(name)))
        ]


def contents_of_qdrant(url):
    names = [
        found["name"] for found in httpx.get(f"{url}/collections").json()["result"]["collections"]
    ]
    asked = {"limit": 1000, "with_payload": True, "with_vector": True}
    return [
        httpx.post(f"{url}/collections/{name}/points/scroll", json=asked).json()
        for name in names
        if "traces" in name
    ]


def test_what_is_deleted_or_changed_leaves_no_trace_in_elastic(elastic, tmp_path):
    url, server = elastic
    leaves_no_trace(
        "elasticsearch", url, lambda _: [index.rows for index in server.indexes.values()], tmp_path
    )


@pytest.mark.parametrize(
    ("store", "contents"), [("postgres", contents_of_postgres), ("qdrant", contents_of_qdrant)]
)
def test_what_is_deleted_or_changed_leaves_no_trace(store, contents, tmp_path, request):
    leaves_no_trace(store, request.getfixturevalue(f"{store}_url"), contents, tmp_path)


def leaves_no_trace(store, url, contents, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Heating\n\nThe heat pump runs at thirtyfive degrees.\n")
    (docs / "b.md").write_text(
        "# Warranty\n\nIt lasts five years, says Quintus" + ", and he should know" * 20 + ".\n"
    )
    chunker, embedder = (
        make_chunker("structure", word_spans, no_embedder, Cut(200)),
        HashEmbedder(max_tokens=40),
    )

    def run():
        with closing(
            Library(tmp_path / "lib", open_indexes(store, store, StoreServer(url, "traces")))
        ) as library:
            ingest(docs, library, parse, chunker, embedder)
            assert library.check() == []
            found = library.texts.search("Quintus thirtyfive fifty", 5)
            vectors = library.vectors.search(embedder.embed_queries(["heat"])[0], 9)
            assert sorted(match.key for match in vectors) == library.record.keys()
            documents = {chunk.document for chunk in library.fetch([match.key for match in found])}
            return documents, str(contents(url)), [*library.record.long_chunks().values()]

    found, stored, windows = run()
    assert (found, "quintus" in stored, "thirtyf" in stored, windows) == (
        {"a.md", "b.md"},
        True,
        True,
        [4],
    )
    (docs / "b.md").unlink()
    (docs / "a.md").write_text("# Heating\n\nThe heat pump runs at fifty degrees.\n")
    found, stored, windows = run()
    words = [word in stored for word in ("quintus", "thirtyf", "fifti")]
    assert (found, words, windows) == ({"a.md"}, [False, False, True], [])


def test_a_server_that_is_not_there_is_named(tmp_path):
    opener = open_indexes(
        "postgres", "postgres", StoreServer("postgresql://nobody@localhost:1/none", "traces")
    )
    with pytest.raises(LibraryError, match="PostgreSQL") as raised:
        Library(tmp_path, opener)
    assert "[store] url" in raised.value.hint
    with pytest.raises(SettingsError, match=r"store\.url"):
        open_indexes("postgres", "local", None)
