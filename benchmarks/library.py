"""Search in a large library: exact vectors, BM25 and filters, at rest in files and opened anew.

    python -m benchmarks.library [--chunks 1000000] [--queries 100] [--keep FOLDER]

Vectors are random unit vectors around 1,000 centres (384 dimensions), texts random words by Zipf's law: what is
measured is time and memory, and recall against brute force, not quality.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from acclimate.indexes.base import Change
from acclimate.indexes.filters import Among
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.types import Chunk
from benchmarks.harness import emit, machine, peak_mb

DIMENSIONS, CENTRES, WORDS, LENGTH, BATCH = 384, 1000, 100_000, 120, 10_000


def vectors(count: int) -> Iterator[tuple[int, np.ndarray]]:
    """(key, unit vector) from key 1."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
    for at in range(0, count, BATCH):
        size = min(BATCH, count - at)
        rows = centres[rng.integers(CENTRES, size=size)] + rng.standard_normal((size, DIMENSIONS), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        yield from enumerate(rows, start=at + 1)


def texts(count: int) -> Iterator[tuple[int, Chunk]]:
    """(key, chunk) from key 1."""
    rng = np.random.default_rng(1)
    words = np.array([f"w{number}" for number in range(WORDS)])
    for at in range(0, count, BATCH):
        drawn = words[np.minimum(rng.zipf(1.2, size=(min(BATCH, count - at), LENGTH)), WORDS) - 1]
        for key, row in enumerate(drawn, start=at + 1):
            text = " ".join(row)
            yield key, Chunk(str(key), "d", 0, len(text), text)


def milliseconds(search: Callable[[int], object], queries: int) -> dict[str, float]:
    """p50 and p95 of the searches, after three that warm up."""
    taken = []
    for number in range(queries + 3):
        started = time.perf_counter()
        search(number)
        taken.append((time.perf_counter() - started) * 1000)
    return {"p50_ms": round(float(np.median(taken[3:])), 2), "p95_ms": round(float(np.quantile(taken[3:], 0.95)), 2)}


def measure(count: int, queries: int, folder: Path) -> dict[str, object]:
    """Build what is missing in `folder`, open it, search."""
    change, started = Change((), range(1, count + 1), count), time.perf_counter()
    for index, rows in ((ExactVectorIndex(folder / "v"), vectors), (TantivyTextIndex(folder / "t"), texts)):
        if index.generation != count:
            index.update(change, rows(count))  # type: ignore[arg-type]
    built = time.perf_counter() - started
    started = time.perf_counter()
    dense, words = ExactVectorIndex(folder / "v"), TantivyTextIndex(folder / "t")
    opened = time.perf_counter() - started
    rng = np.random.default_rng(2)
    asked = np.array([row for _, row in vectors(min(count, BATCH))])[rng.integers(min(count, BATCH), size=queries + 3)]
    asked = asked + rng.normal(size=asked.shape).astype(np.float32) * 0.02
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    spoken = [" ".join(f"w{word}" for word in np.minimum(rng.zipf(1.2, 8) + 20, WORDS)) for _ in range(queries + 3)]
    half, tenth, few = (Among(np.arange(1, count + 1, step, np.int64)) for step in (2, 10, max(1, count // 1000)))
    result: dict[str, object] = {"open_s": round(opened, 3), "build_s": round(built, 1)}
    for name, only in (("all", None), ("half", half), ("tenth", tenth), ("1000", few)):
        result[f"vector_{name}"] = milliseconds(lambda n, o=only: dense.search(asked[n], 10, o), queries)
        result[f"bm25_{name}"] = milliseconds(lambda n, o=only: words.search(spoken[n], 10, o), queries)
    result["peak_mb"] = round(peak_mb())
    right = 0
    for query in asked[:20]:  # brute force, in blocks
        rows = np.memmap(folder / "v" / f"{count}.rows", np.float32, "r", shape=(count, DIMENSIONS))
        scores = np.concatenate([rows[at : at + BATCH] @ query for at in range(0, count, BATCH)])
        best = {int(row) + 1 for row in np.argsort(-scores)[:10]}
        right += len(best & {match.key for match in dense.search(query, 10)})
    return result | {"recall": right / (10 * len(asked[:20]))}


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="folder that keeps the indexes for the next run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(chosen.chunks, chosen.queries, chosen.keep or Path(temporary))
    emit({"chunks": chosen.chunks, "dimensions": DIMENSIONS} | result | {"machine": machine()})


if __name__ == "__main__":
    main()
