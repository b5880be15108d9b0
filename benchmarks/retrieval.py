"""Retrieval quality on a BEIR set.

    python -m benchmarks.retrieval --data BEIRDIR [--method hybrid|dense|text] [--embedder NAME] [--limit N]
    python -m benchmarks.retrieval --data BEIRDIR --method rerank --reranker NAME [--weight W] [--candidates N]

One document is one chunk, title and text together, so that the figures can be held beside published ones. Chunks with
the query's own id are left out (as ArguAna asks for). Metrics are trec_eval's (tests/evaluation/test_ranking.py).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import read_spec
from acclimate.evaluation.ranking import ndcg, recall, reciprocal_rank
from acclimate.indexes.base import Change
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.models.fetch import resolve
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.rerank import RerankingRetriever
from acclimate.retrieval.search import DenseRetriever, HybridRetriever, TextRetriever
from acclimate.settings import RetrievalSettings
from acclimate.types import Chunk
from benchmarks.harness import emit, machine, peak_mb

DEPTH = 100


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one a line."""
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def read_set(folder: Path, split: str = "test") -> tuple[list[Chunk], dict[str, str], dict[str, dict[str, int]]]:
    """Corpus as chunks, the queries of a split, their judgements."""
    chunks = [
        Chunk(row["_id"], row["_id"], 0, len(row["text"]), row["text"], row.get("title", ""))
        for row in read_lines(folder / "corpus.jsonl")
    ]
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged[query][document] = int(grade)
    queries = {row["_id"]: row["text"] for row in read_lines(folder / "queries.jsonl") if row["_id"] in judged}
    return chunks, queries, judged


def make_retriever(method: str, embedder_name: str, chunks: list[Chunk], folder: Path) -> tuple[Retriever, float]:
    """What is measured, and the seconds that indexing took."""
    started = time.perf_counter()
    change = Change((), range(len(chunks)), 1)
    fetch: Callable[..., list[Chunk]] = lambda keys: [chunks[key] for key in keys]  # noqa: E731
    texts = TantivyTextIndex(folder / "text")
    texts.update(change, enumerate(chunks))
    text = TextRetriever(texts, fetch)
    if method == "text":
        return text, time.perf_counter() - started
    model = resolve(embedder_name, "embedder")
    embedder = OpenVINOEmbedder(model.folder, spec=read_spec(model.folder), weights_sha256=model.sha256)
    vectors = ExactVectorIndex(folder / "vector")
    embedded = embedder.embed_passages([f"{chunk.title}\n{chunk.text}".strip() for chunk in chunks])
    vectors.update(change, enumerate(np.asarray(embedded)))
    dense = DenseRetriever(embedder, vectors, fetch)
    chosen = RetrievalSettings()
    made = dense if method == "dense" else HybridRetriever(dense, text, chosen.candidates, chosen.dense_weight)
    return made, time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--method", choices=["hybrid", "dense", "text", "rerank"], default="hybrid")
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    parser.add_argument("--reranker", help="cross-encoder over hybrid: hub id or folder")
    parser.add_argument("--weight", type=float, default=RetrievalSettings().rerank_weight)
    parser.add_argument("--candidates", type=int, default=RetrievalSettings().rerank_candidates)
    parser.add_argument("--limit", type=int, help="so many of the queries, drawn evenly")
    options = parser.parse_args()
    chunks, queries, judged = read_set(options.data)
    asked = random.Random(0).sample(sorted(queries), min(options.limit or len(queries), len(queries)))
    with tempfile.TemporaryDirectory() as scratch:
        retriever, indexing = make_retriever(options.method, options.embedder, chunks, Path(scratch))
        if options.method == "rerank":
            if not options.reranker:
                parser.error("--method rerank needs --reranker")
            model = resolve(options.reranker, "reranker")
            encoder = OpenVINOCrossEncoder(model.folder, name=model.name)
            retriever = RerankingRetriever(retriever, encoder, options.candidates, options.weight)
        retriever.retrieve("warm up", DEPTH)
        scores: dict[str, list[float]] = defaultdict(list)
        seconds = []
        for query in asked:
            started = time.perf_counter()
            hits = retriever.retrieve(queries[query], DEPTH + 1)
            seconds.append(time.perf_counter() - started)
            ranked = [hit.chunk.document for hit in hits if hit.chunk.document != query][:DEPTH]
            scores["ndcg@10"].append(ndcg(ranked, judged[query], 10))
            scores["recall@100"].append(recall(ranked, judged[query], 100))
            scores["mrr"].append(reciprocal_rank(ranked, judged[query]))
    milliseconds = np.percentile(np.array(seconds) * 1000, [50, 95])
    emit(
        {
            "benchmark": "retrieval",
            "data": options.data.name,
            "method": options.method,
            "embedder": options.embedder if options.method != "text" else "",
            **(
                {"reranker": encoder.name, "weight": options.weight, "candidates": options.candidates}
                if options.method == "rerank"
                else {}
            ),
            "documents": len(chunks),
            "queries": len(asked),
            **{name: round(statistics.fmean(values), 4) for name, values in scores.items()},
            "ms_p50": round(float(milliseconds[0]), 2),
            "ms_p95": round(float(milliseconds[1]), 2),
            "index_s": round(indexing, 1),
            "peak_mb": round(peak_mb()),
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
