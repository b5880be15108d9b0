"""Search in a large library: exact vectors, BM25, both, and filters, at rest in files and opened anew.

    python -m benchmarks.library [--chunks 1000000] [--queries 100] [--data DOMAINSET] [--keep FOLDER] [--peer NAME …]
        [--text-peer NAME …]

Vectors are random unit vectors around 1,000 centres (384 dimensions). Texts are sentences of the domain set's documents
in random order, some 120 words a chunk, or without --data words by Zipf's law. What is measured is time and memory, and
recall against brute force, not quality. Peers search the same vectors or texts by the same queries, each in its own
process.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from acclimate.indexes.base import Change
from acclimate.indexes.filters import Among
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.retrieval.fusion import convex
from acclimate.types import Chunk
from benchmarks.harness import PEERS, emit, machine, peak_mb, require_peers, run

DIMENSIONS, CENTRES, WORDS, LENGTH, BATCH, TOP = 384, 1000, 100_000, 120, 10_000, 10
CANDIDATES = 100  # of each side of a hybrid search


def vectors(count: int) -> Iterator[tuple[int, np.ndarray]]:
    """(key, unit vector) from key 1."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
    for at in range(0, count, BATCH):
        size = min(BATCH, count - at)
        rows = centres[rng.integers(CENTRES, size=size)] + rng.standard_normal(
            (size, DIMENSIONS), np.float32
        )
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        yield from enumerate(rows, start=at + 1)


class Texts:
    """Made-up chunks, and questions of eight words from them."""

    def __init__(self, data: Path | None) -> None:
        self._sentences: list[str] = []
        for file in sorted((data / "documents").rglob("*")) if data else []:
            if file.suffix in (".txt", ".md"):
                text = file.read_text(encoding="utf-8")
                self._sentences += re.findall(r"[A-Z][^.!?\n]{20,300}[.!?]", text)
        if data and not self._sentences:
            raise SystemExit(f"{data} has no text or Markdown documents")

    def chunks(self, count: int) -> Iterator[tuple[int, Chunk]]:
        """(key, chunk) from key 1."""
        for key, text in enumerate(
            self._real(count) if self._sentences else self._zipf(count), start=1
        ):
            yield key, Chunk(str(key), "d", 0, len(text), text)

    def questions(self, count: int) -> list[str]:
        """Texts to search by."""
        rng = np.random.default_rng(2)
        if not self._sentences:
            return [
                " ".join(f"w{word}" for word in np.minimum(rng.zipf(1.2, 8) + 20, WORDS))
                for _ in range(count)
            ]
        chosen = random.Random(2).choices(self._sentences, k=count)
        return [" ".join(rng.choice(sentence.split(), 8)) for sentence in chosen]

    def _real(self, count: int) -> Iterator[str]:
        rng = random.Random(1)
        for _ in range(count):
            sentences: list[str] = []
            words = 0
            while words < LENGTH:
                sentences.append(rng.choice(self._sentences))
                words += sentences[-1].count(" ") + 1
            yield " ".join(sentences)

    def _zipf(self, count: int) -> Iterator[str]:
        rng = np.random.default_rng(1)
        words = np.array([f"w{number}" for number in range(WORDS)])
        for at in range(0, count, BATCH):
            drawn = words[
                np.minimum(rng.zipf(1.2, size=(min(BATCH, count - at), LENGTH)), WORDS) - 1
            ]
            yield from (" ".join(row) for row in drawn)


def milliseconds(search: Callable[[int], object], queries: int) -> dict[str, float]:
    """p50 and p95 of the searches, after three that warm up."""
    taken = []
    for number in range(queries + 3):
        started = time.perf_counter()
        search(number)
        taken.append((time.perf_counter() - started) * 1000)
    return {
        "p50": round(float(np.median(taken[3:])), 2),
        "p95": round(float(np.quantile(taken[3:], 0.95)), 2),
    }


def asked_vectors(count: int, queries: int) -> np.ndarray:
    """Queries [queries + 3, d] near rows."""
    rng = np.random.default_rng(2)
    near = np.array([row for _, row in vectors(min(count, BATCH))])[
        rng.integers(min(count, BATCH), size=queries + 3)
    ]
    near = near + rng.normal(size=near.shape).astype(np.float32) * 0.02
    return (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)


def best_rows(file: Path, count: int, queries: np.ndarray) -> list[list[int]]:
    """The keys of the true best, by brute force in blocks."""
    rows = np.memmap(file, np.float32, "r", shape=(count, DIMENSIONS))
    scores = np.concatenate([rows[at : at + BATCH] @ queries.T for at in range(0, count, BATCH)])
    return [[int(row) + 1 for row in np.argsort(-column)[:TOP]] for column in scores.T]


def measure(count: int, queries: int, folder: Path, made: Texts) -> dict[str, object]:
    """Build what is missing in `folder`, open it, search."""
    change, started = Change((), range(1, count + 1), count), time.perf_counter()
    for index, rows in (
        (ExactVectorIndex(folder / "v"), vectors),
        (TantivyTextIndex(folder / "t"), made.chunks),
    ):
        if index.generation != count:
            index.update(change, rows(count))  # type: ignore[arg-type]
    built = time.perf_counter() - started
    started = time.perf_counter()
    dense, words = ExactVectorIndex(folder / "v"), TantivyTextIndex(folder / "t")
    result: dict[str, object] = {
        "open_s": round(time.perf_counter() - started, 3),
        "build_s": round(built, 1),
    }
    asked, spoken = asked_vectors(count, queries), made.questions(queries + 3)

    def hybrid(number: int) -> object:
        vector, question = asked[number], spoken[number]
        near = {match.key: match.score for match in dense.search(vector, CANDIDATES)}
        worded = {match.key: match.score for match in words.search(question, CANDIDATES)}
        near |= {
            match.key: match.score
            for match in dense.scores(vector, sorted(worded.keys() - near.keys()))
        }
        worded |= {
            match.key: match.score
            for match in words.scores(question, sorted(near.keys() - worded.keys()))
        }
        return convex(near, worded, 0.75)[:TOP]

    half, tenth, few = (
        Among(np.arange(1, count + 1, step, np.int64)) for step in (2, 10, max(1, count // 1000))
    )
    for name, only in (("", None), ("_half", half), ("_tenth", tenth), ("_1000", few)):
        for kind, search in (
            ("vector", lambda n, o=only: dense.search(asked[n], TOP, o)),
            ("bm25", lambda n, o=only: words.search(spoken[n], TOP, o)),
        ):
            taken = milliseconds(search, queries)
            result |= {f"{kind}_ms_p50{name}": taken["p50"], f"{kind}_ms_p95{name}": taken["p95"]}
    result["hybrid_ms_p50"] = milliseconds(hybrid, queries)["p50"]
    result["peak_mb"] = round(peak_mb())
    best = best_rows(folder / "v" / f"{count}.rows", count, asked[:20])
    found = [{match.key for match in dense.search(query, TOP)} for query in asked[:20]]
    return result | {
        "recall": sum(len(set(b) & f) for b, f in zip(best, found, strict=True)) / (TOP * len(best))
    }


def measure_peer(name: str, count: int, queries: int, folder: Path) -> dict[str, object]:
    """The same vectors in another store; see benchmarks/peers/library_store.py."""
    rows, place = folder / "v" / f"{count}.rows", folder / "peers" / name
    place.mkdir(parents=True, exist_ok=True)
    asked = asked_vectors(count, queries)
    np.save(place / "queries.npy", asked)
    np.save(place / "best.npy", np.array(best_rows(rows, count, asked[:20])))
    script = str(Path(__file__).parent / "peers" / "library_store.py")
    try:
        result, _, _ = run([str(PEERS), script, name, str(rows), str(count), str(place)])
    except subprocess.CalledProcessError as error:  # what the others showed is kept
        return {"failed": f"exit code {error.returncode}, see above"}
    emit({"peer": name, **result})
    return result


def measure_text_peer(
    name: str, count: int, queries: int, folder: Path, made: Texts
) -> dict[str, object]:
    """The same texts in another index; see benchmarks/peers/text_store.py."""
    place = folder / "peers" / name
    place.mkdir(parents=True, exist_ok=True)
    asked, words = made.questions(queries + 3), TantivyTextIndex(folder / "t")
    (place / "questions.txt").write_text(
        "".join(f"{question}\n" for question in asked), encoding="utf-8"
    )
    best = [[match.key for match in words.search(question, TOP)] for question in asked]
    (place / "best.json").write_text(json.dumps(best))
    with (place / "texts.txt").open("w", encoding="utf-8") as out:
        out.writelines(f"{' '.join(chunk.text.split())}\n" for _, chunk in made.chunks(count))
    script = str(Path(__file__).parent / "peers" / "text_store.py")
    try:
        result, _, _ = run([str(PEERS), script, name, str(count), str(place)])
    except subprocess.CalledProcessError as error:
        return {"failed": f"exit code {error.returncode}, see above"}
    emit({"text_peer": name, **result})
    return result


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--data", type=Path, help="domain set whose sentences make the texts")
    parser.add_argument("--keep", type=Path, help="folder that keeps the indexes for the next run")
    parser.add_argument(
        "--peer",
        nargs="*",
        default=[],
        choices=["lancedb", "llamaindex", "usearch", "usearch-hnsw", "sqlite-vec", "qdrant-edge"],
    )
    parser.add_argument("--text-peer", nargs="*", default=[], choices=["fts5", "bm25s"])
    chosen = parser.parse_args()
    if chosen.peer or chosen.text_peer:
        require_peers()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        made = Texts(chosen.data)
        result = measure(chosen.chunks, chosen.queries, folder, made)
        texts_of = {
            name: measure_text_peer(name, chosen.chunks, chosen.queries, folder, made)
            for name in chosen.text_peer
        }
        peers = {
            name: measure_peer(name, chosen.chunks, chosen.queries, folder) for name in chosen.peer
        }
    ran = {name: peer["vector_ms_p50"] for name, peer in peers.items() if "vector_ms_p50" in peer}
    ratio = {name: round(taken / result["vector_ms_p50"], 2) for name, taken in ran.items()}  # type: ignore[operator]
    head = {"benchmark": "library", "chunks": chosen.chunks, "dimensions": DIMENSIONS}
    texts = {"texts": chosen.data.name if chosen.data else "zipf"}
    emit(
        head
        | texts
        | result
        | {"peer": peers, "text_peer": texts_of, "ratio": ratio, "machine": machine()}
    )


if __name__ == "__main__":
    main()
