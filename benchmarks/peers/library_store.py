"""Run in .venv-peers: the same vectors in another store. Arguments: store, rows (raw float32), count, folder.

The folder holds queries.npy (the first three warm up), and best.npy: the keys of the true best ten of its first twenty.
"""

import json
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from measuring import measure

TOP, BATCH = 10, 10_000
store, file, count, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
rows = np.memmap(file, np.float32, "r").reshape(count, -1)
queries, best = np.load(folder / "queries.npy"), np.load(folder / "best.npy")
dimensions = rows.shape[1]


def blocks():
    return ((at, rows[at : at + BATCH]) for at in range(0, count, BATCH))


def lancedb_flat():
    """A table without an index: a scan."""
    import lancedb
    import pyarrow as pa

    def batches():
        for at, some in blocks():
            values = pa.FixedSizeListArray.from_arrays(pa.array(some.ravel()), dimensions)
            keys = pa.array(range(at + 1, at + 1 + len(some)), pa.int64())
            yield pa.RecordBatch.from_arrays([keys, values], ["key", "vector"])

    schema = pa.schema([("key", pa.int64()), ("vector", pa.list_(pa.float32(), dimensions))])
    lancedb.connect(folder / "lance").create_table(
        "rows", batches(), schema=schema, mode="overwrite"
    )

    def opened():
        table = lancedb.connect(folder / "lance").open_table("rows")
        return lambda q: (
            table.search(q)
            .distance_type("dot")
            .select(["key"])
            .limit(TOP)
            .to_arrow()["key"]
            .to_pylist()
        )

    return opened, "lancedb"


def llamaindex():
    """SimpleVectorStore, LlamaIndex's default: vectors as lists in memory, saved as JSON."""
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.simple import SimpleVectorStore
    from llama_index.core.vector_stores.types import VectorStoreQuery

    made = SimpleVectorStore()
    for at, some in blocks():
        made.add(
            [
                TextNode(id_=str(at + 1 + n), text="", embedding=row.tolist())
                for n, row in enumerate(some)
            ]
        )
    made.persist(str(folder / "llamaindex.json"))
    del made

    def opened():
        found = SimpleVectorStore.from_persist_path(str(folder / "llamaindex.json"))

        def search(query):
            asked = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=TOP)
            return [int(key) for key in found.query(asked).ids]

        return search

    return opened, "llama-index-core"


def usearch(exact):
    """USearch: a scan of memory-mapped rows, or its graph."""
    from usearch.index import Index, MetricKind
    from usearch.index import search as scan

    if exact:
        return (
            lambda: lambda q: (scan(rows, q, TOP, MetricKind.IP, exact=True).keys + 1).tolist()
        ), "usearch"
    made = Index(ndim=dimensions, metric="ip", dtype="bf16")
    for at, some in blocks():
        made.add(np.arange(at + 1, at + 1 + len(some)), np.array(some))
    made.save(str(folder / "usearch"))

    def opened():
        index = Index.restore(str(folder / "usearch"), view=True)
        return lambda q: index.search(q, TOP).keys.tolist()

    return opened, "usearch"


def sqlite_vec():
    """A virtual table of SQLite."""
    import sqlite_vec as extension

    def connect():
        database = sqlite3.connect(folder / "vec.db")
        database.enable_load_extension(True)
        extension.load(database)
        return database

    (folder / "vec.db").unlink(missing_ok=True)
    database = connect()
    database.execute(
        f"CREATE VIRTUAL TABLE v USING vec0(vector float[{dimensions}] distance_metric=cosine)"
    )
    for at, some in blocks():
        values = [(at + 1 + n, row.tobytes()) for n, row in enumerate(some)]
        database.executemany("INSERT INTO v (rowid, vector) VALUES (?, ?)", values)
    database.commit()
    database.close()
    sql = f"SELECT rowid FROM v WHERE vector MATCH ? AND k = {TOP} ORDER BY distance"  # noqa: S608

    def opened():
        found = connect()
        return lambda q: [row[0] for row in found.execute(sql, (q.tobytes(),))]

    return opened, "sqlite-vec"


def qdrant_edge():
    """Qdrant's engine within the process: exact search of mapped float32 rows, no graph is built."""
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeShard,
        EdgeVectorParams,
        Memory,
        Point,
        Query,
        QueryRequest,
        SearchParams,
        UpdateOperation,
    )

    config = EdgeConfig(
        vectors={"v": EdgeVectorParams(size=dimensions, distance=Distance.Dot, memory=Memory.Cold)}
    )
    made = EdgeShard.create(str(folder / "qdrant"), config)
    for at, some in blocks():
        points = [Point(at + 1 + n, {"v": row.tolist()}) for n, row in enumerate(some)]
        made.update(UpdateOperation.upsert_points(points))
    made.flush()
    made.close()

    def opened():
        shard, exact = EdgeShard.load(str(folder / "qdrant")), SearchParams(exact=True)

        def search(query):
            asked = QueryRequest(
                limit=TOP, query=Query.Nearest(query.tolist(), using="v"), params=exact
            )
            return [point.id for point in shard.query(asked)]

        return search

    return opened, "qdrant-edge-py"


STORES = {
    "qdrant-edge": qdrant_edge,
    "lancedb": lancedb_flat,
    "llamaindex": llamaindex,
    "usearch": lambda: usearch(True),
    "usearch-hnsw": lambda: usearch(False),
    "sqlite-vec": sqlite_vec,
}
found, package, figures = measure(STORES[store], queries, "vector")
right = sum(len(set(one) & set(map(int, other))) for one, other in zip(found, best, strict=False))
print(
    json.dumps(
        {
            "chunks": count,
            **figures,
            "recall": right / (TOP * len(best)),
            "version": version(package),
        }
    )
)
