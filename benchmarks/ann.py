"""Approximate search in server stores beside exact search on this machine, over real sentences.

    python -m benchmarks.ann --store local postgres qdrant --vectors 50000 --data FOLDER … [--cache FOLDER]

Rows are what the default embedder makes of the texts of domain sets and BEIR sets (`benchmarks.ann_rows`
says which), queries are the sets' own questions. Each store loads the same rows, and is asked for the ten
best: of all, of a tenth and of a thousand rows, drawn at random. Recall is against brute force.

Milliseconds are of the clock, and mean little on a busy machine; `cpu_ms` is what a query costs this
process and the server together. Servers come from the packages that the tests use, or are those that
--postgres-url and --qdrant-url name; disk, memory and CPU are told of those that are started here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.indexes.base import Change, VectorIndex
from acclimate.indexes.filters import Among
from benchmarks.ann_rows import Rows, rows_of
from benchmarks.ann_servers import Server, local, postgres, qdrant
from benchmarks.harness import emit, machine

TOP = 10
STORES = {"local": local, "postgres": postgres, "qdrant": qdrant}


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries under one filter: the keys that it leaves (None: all), and each query's best keys."""

    name: str
    among: Among | None
    best: list[set[int]]


def asked_of(rows: Rows) -> list[Asked]:
    """No filter, one that leaves a tenth, one that leaves a thousand; keys begin at 1."""
    count, rng = len(rows.vectors), np.random.default_rng(4)
    scores = np.concatenate(
        [rows.vectors[at : at + 10_000] @ rows.queries.T for at in range(0, count, 10_000)]
    )
    sizes = {"all": count, "tenth": count // 10, "thousand": min(1000, count)}
    return [
        _under(name, scores, np.sort(rng.choice(count, size, replace=False)))
        for name, size in sizes.items()
    ]


def _under(name: str, scores: NDArray[np.float32], left: NDArray[np.int64]) -> Asked:
    among = None if len(left) == len(scores) else Among(left + 1)
    best = [left[np.argsort(-column[left])[:TOP]] + 1 for column in scores.T]
    return Asked(name, among, [set(keys.tolist()) for keys in best])


def measure(server: Server, search: str, rows: Rows, asked: list[Asked]) -> dict[str, Any]:
    """Fill a store, wait for its graph, search."""
    index = server.open(search)
    count, before, started = len(rows.vectors), server.cpu_s(), time.perf_counter()
    index.update(Change((), range(1, count + 1), 1), enumerate(rows.vectors, start=1))
    loaded = time.perf_counter() - started
    server.settle()
    result: dict[str, Any] = {
        "store": server.name,
        "search": search,
        "load_s": round(loaded, 1),
        "build_s": round(time.perf_counter() - started, 1),
        "build_cpu_s": round(server.cpu_s() - before, 1),
    }
    for filtered in asked:
        result[filtered.name] = _searched(server, index, rows, filtered)
    result |= {"disk_mb": server.disk_mb(), "memory_mb": server.memory_mb()}
    index.close()
    return result


def _searched(server: Server, index: VectorIndex, rows: Rows, asked: Asked) -> dict[str, float]:
    taken, kept, before = [], [], server.cpu_s()
    for query, best in zip(rows.queries, asked.best, strict=True):
        started = time.perf_counter()
        found = index.search(query, TOP, asked.among)
        taken.append((time.perf_counter() - started) * 1000)
        kept.append(len(best & {match.key for match in found}) / len(best))
    return {
        "recall": round(float(np.mean(kept)), 4),
        "ms_p50": round(float(np.median(taken)), 2),
        "ms_p95": round(float(np.quantile(taken, 0.95)), 2),
        "cpu_ms": round((server.cpu_s() - before) * 1000 / len(taken), 2),
    }


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", nargs="+", choices=[*STORES], default=[*STORES])
    parser.add_argument("--search", nargs="+", choices=["exact", "approximate"])
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the embedder")
    parser.add_argument("--postgres-url")
    parser.add_argument("--qdrant-url")
    chosen = parser.parse_args()
    urls = {"postgres": chosen.postgres_url, "qdrant": chosen.qdrant_url}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cache = chosen.cache or folder / "rows"
        rows = rows_of(chosen.data, chosen.vectors, chosen.queries, cache, chosen.threads)
        asked, results = asked_of(rows), []
        for name in chosen.store:
            for search in ["exact"] if name == "local" else chosen.search or ["approximate"]:
                place = folder / f"{name}-{search}"
                place.mkdir()
                with STORES[name](place, urls.get(name)) as server:
                    results.append(measure(server, search, rows, asked))
                emit(results[-1])
                shutil.rmtree(place, ignore_errors=True)
    head = {"benchmark": "ann", "vectors": chosen.vectors, "dimensions": rows.vectors.shape[1]}
    made = {"rows": rows.kinds, "queries": len(rows.queries), "top": TOP}
    emit(head | made | {"stores": results, "machine": machine()})


if __name__ == "__main__":
    main()
