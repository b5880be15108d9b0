"""Server stores that search by a graph: what they miss, and that they serve while it is built."""

import threading

import httpx
import numpy as np
import psycopg
import pytest

from acclimate.indexes.approximate import allowed_of, graph_wanted, proposals
from acclimate.indexes.base import Change, Match
from acclimate.indexes.elastic_vectors import ElasticVectorIndex
from acclimate.indexes.filters import Among
from acclimate.indexes.postgres import Database
from acclimate.indexes.postgres_vectors import PostgresVectorIndex
from acclimate.indexes.qdrant import QdrantVectorIndex
from acclimate.indexes.rest import Rest
from acclimate.testing.indexes import check_approximate_index, check_vector_index
from acclimate.testing.states import wait_until


def unit_rows(count, dimensions=16):
    rows = np.random.default_rng(3).normal(size=(count, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def postgres_graphs(url, name):
    """The graphs over an index's rows, and whether each is whole."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT indisvalid, indexdef FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
            "JOIN pg_indexes ON indexname = relname WHERE tablename = %s "
            "AND indexdef ~ 'USING hnsw'",
            (f"{name}_vector_rows",),
        ).fetchall()


def qdrant_graph(url, name):
    """How many rows the graph has, once the server has nothing more to do."""

    def collection():
        return httpx.get(f"{url}/collections/{name}_vectors").json()["result"]

    wait_until(lambda: collection()["status"] == "green", "Qdrant's graph")
    return collection()["indexed_vectors_count"]


def test_postgres_approximate_contract(postgres_url, name):
    check_approximate_index(
        lambda: PostgresVectorIndex(Database(postgres_url, name), "approximate")
    )
    assert [whole for whole, _ in postgres_graphs(postgres_url, name)] == [True]


def test_qdrant_approximate_contract(qdrant_url, name):
    settled = []
    check_approximate_index(
        lambda: QdrantVectorIndex(Rest("Qdrant", qdrant_url, {}), name, "approximate"),
        settled=lambda: settled.append(qdrant_graph(qdrant_url, name)),
    )
    assert settled[0] >= 4_000, "it searched without a graph"


def test_elastic_approximate_contract(elastic_vectors_url, name):
    check_approximate_index(
        lambda: ElasticVectorIndex(
            Rest("Elasticsearch", elastic_vectors_url, {}), name, "approximate"
        ),
        rows=600,
    )


@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_the_contract_of_every_index_holds_too(postgres_url, qdrant_url, name, search):
    check_vector_index(lambda: PostgresVectorIndex(Database(postgres_url, name), search))
    check_vector_index(lambda: QdrantVectorIndex(Rest("Qdrant", qdrant_url, {}), name, search))


def test_a_graph_comes_and_goes_with_the_setting(postgres_url, qdrant_url, name):
    rows = unit_rows(500)

    def update(search, generation):
        change = Change((), [generation], generation)
        stores = (
            PostgresVectorIndex(Database(postgres_url, name), search),
            QdrantVectorIndex(Rest("Qdrant", qdrant_url, {}), name, search),
        )
        for index in stores:
            added = dict(enumerate(rows)) if index.generation is None else {generation: rows[0]}
            index.update(Change((), list(added), change.generation), iter(added.items()))
            assert index.search(rows[7], 1)[0].key == 7
            index.close()
        config = httpx.get(f"{qdrant_url}/collections/{name}_vectors").json()["result"]["config"]
        return len(postgres_graphs(postgres_url, name)), config["hnsw_config"]["m"]

    assert update("auto", 601) == (0, 0), "so few rows are compared one by one"
    assert update("approximate", 602) == (1, 16)
    assert update("auto", 603) == (1, 16), "what is there is used"
    assert update("exact", 604) == (0, 0)


def test_a_graph_that_was_cut_off_is_built_again(postgres_url, name):
    rows = dict(enumerate(unit_rows(400)))
    index = PostgresVectorIndex(Database(postgres_url, name), "approximate")
    index.update(Change((), list(rows), 1), iter(rows.items()))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        # What a `CREATE INDEX CONCURRENTLY` leaves that was stopped.
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indrelid = to_regclass(%s) "
            "AND NOT indisprimary",
            (f"{name}_vector_rows",),
        )
    assert index.search(rows[9], 1)[0].key == 9, "exactly, meanwhile"
    index.update(Change([399], [], 2), iter(()))
    assert [whole for whole, _ in postgres_graphs(postgres_url, name)] == [True]
    index.close()


def test_postgres_is_searched_while_its_graph_is_built(postgres_url, name):
    rows = dict(enumerate(unit_rows(3000)))
    plain = PostgresVectorIndex(Database(postgres_url, name), "exact")
    plain.update(Change((), list(rows), 1), iter(rows.items()))
    index = PostgresVectorIndex(Database(postgres_url, name), "approximate")
    done, found = threading.Event(), []

    def searching():
        while not done.is_set() or not found:
            found.append([match.key for match in plain.search(rows[11], 3)])

    with psycopg.connect(postgres_url) as reader:
        # The graph waits for this transaction to end, so it is certainly being built meanwhile.
        reader.execute("SELECT 1 FROM pg_class LIMIT 1")
        builder = threading.Thread(target=index.update, args=(Change([2999], [], 2), iter(())))
        builder.start()
        wait_until(lambda: postgres_graphs(postgres_url, name), "the graph's beginning")
        searcher = threading.Thread(target=searching)
        searcher.start()
        assert index.search(rows[2999], 1)[0].key != 2999, "removed rows are gone at once"
        reader.rollback()
    builder.join()
    done.set()
    searcher.join()
    assert {tuple(keys) for keys in found} == {tuple(m.key for m in index.search(rows[11], 3))}
    assert [whole for whole, _ in postgres_graphs(postgres_url, name)] == [True]
    for one in (plain, index):
        one.close()


def test_how_many_rows_a_graph_proposes():
    few, tenth, most = (Among(np.arange(0, 10**6, step)) for step in (1000, 10, 2))
    assert proposals(10, 10**6) == 200
    assert proposals(100, 10**6) == 200
    assert proposals(300, 10**6) == 600
    assert proposals(10, 10**6, tenth) == 400
    assert proposals(10, 10**6, most) == 200
    assert proposals(10, 10**6, few) is None, "a thousand rows are compared one by one"
    assert proposals(1000, 10**6, tenth) is None, "so many are too deep for a graph"
    assert proposals(10, 150) is None
    assert proposals(0, 10**6) is None
    assert proposals(10, 10**6, Among(np.empty(0, np.int64))) is None


def test_what_a_filter_leaves_of_the_proposed():
    found = [Match(4, 0.5), Match(2, 0.9), Match(1, 0.5), Match(3, 0.7)]
    assert allowed_of(found, 2) == [found[1], found[3], found[2], found[0]]
    only = Among(np.array([1, 3, 9], np.int64))
    assert allowed_of(found, 2, only) == [found[3], found[2]]
    assert allowed_of(found, 3, only) is None, "the third may be any other row"
    assert allowed_of([], 1, only) is None


def test_auto_is_exact_below_a_size():
    assert [graph_wanted("auto", rows) for rows in (19_999, 20_000)] == [False, True]
    assert graph_wanted("approximate", 1)
    assert not graph_wanted("exact", 10**9)
