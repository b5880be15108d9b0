"""Retrieval quality on a BEIR set, or on a domain set.

    python -m benchmarks.retrieval --data FOLDER [--method hybrid|dense|text] [--embedder NAME] [--limit N]
    python -m benchmarks.retrieval --data FOLDER --method rerank --reranker NAME [--weight W] [--candidates N]

In a BEIR set one document is one chunk, title and text together, so that the figures can be held beside published ones.
Chunks with the query's own id are left out (as ArguAna asks for). In a domain set the chunks are the product's own, and
those that hold half of a question's evidence are relevant. Metrics are trec_eval's (tests/evaluation/test_ranking.py).
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.embeddings.chunks import embed_chunks
from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import read_spec
from acclimate.evaluation.ranking import ndcg, recall, reciprocal_rank
from acclimate.indexes.base import Change
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.indexes.windows import WindowedVectorIndex
from acclimate.models.fetch import resolve
from acclimate.project import Project
from acclimate.questions.file import read_questions
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.rerank import RerankingRetriever
from acclimate.retrieval.search import DenseRetriever, HybridRetriever, TextRetriever
from acclimate.settings import FILE_NAME, Settings
from acclimate.settings_file import set_key
from acclimate.settings_sections import RetrievalSettings
from acclimate.types import Chunk
from acclimate.workflows.compare import evidence_spans
from benchmarks.harness import emit, machine, peak_mb

DEPTH = 100


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one a line."""
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def read_set(
    folder: Path, split: str = "test"
) -> tuple[list[Chunk], dict[str, str], dict[str, dict[str, int]]]:
    """Corpus as chunks, the queries of a split, their judgements."""
    chunks = [
        Chunk(row["_id"], row["_id"], 0, len(row["text"]), row["text"], row.get("title", ""))
        for row in read_lines(folder / "corpus.jsonl")
    ]
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged[query][document] = int(grade)
    queries = {
        row["_id"]: row["text"]
        for row in read_lines(folder / "queries.jsonl")
        if row["_id"] in judged
    }
    return chunks, queries, judged


def read_domain(
    folder: Path, articles: int | None, splits: str
) -> tuple[list[Chunk], dict[str, str], dict[str, dict[str, int]]]:
    """As `read_set`, for a domain set; with `articles` of its last documents only."""
    questions = [
        q
        for q in read_questions(folder / "questions.jsonl")
        if q.answerable and q.evidence and q.document
    ]
    names = sorted({question.document or "" for question in questions})[-(articles or 0) :]
    wanted = [
        q for q in questions if q.document in names and (not splits or q.split in splits.split(","))
    ]
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    with tempfile.TemporaryDirectory() as scratch:
        Project.create(Path(scratch), (folder / "documents").resolve()).close()
        if articles:
            set_key(Path(scratch) / FILE_NAME, "documents", "include", tuple(names))
        with Project.open(Path(scratch)) as project:
            project.ingest()
            record = project.library.record
            chunks = record.chunks(record.keys())
            spans = evidence_spans(project, wanted)
    for question in wanted:
        start, end = spans.get(question.id, (0, 0))
        for chunk in chunks if end else ():
            shared = min(chunk.end, end) - max(chunk.start, start)
            if chunk.document == question.document and 2 * shared >= end - start:
                judged[question.id][chunk.id] = 1
    return chunks, {q.id: q.question for q in wanted if q.id in judged}, judged


@dataclass(frozen=True)
class LongChunks:
    """Stands for the record."""

    windows: dict[int, int]
    most_windows: int = 1  # that any chunk had before

    def long_chunks(self) -> dict[int, int]:
        """See `indexes.windows.LongChunks`."""
        return self.windows


def make_retriever(
    method: str, embedder_name: str, chunks: list[Chunk], folder: Path
) -> tuple[Retriever, float]:
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
    embedder = OpenVINOEmbedder(
        model.folder, spec=read_spec(model.folder, model.name), weights_sha256=model.sha256
    )
    embedded = embed_chunks(embedder, chunks)
    long = LongChunks({key: len(rows) for key, rows in enumerate(embedded) if len(rows) > 1})
    vectors = WindowedVectorIndex(ExactVectorIndex(folder / "vector"), long)
    vectors.update(change, enumerate(embedded))
    dense = DenseRetriever(embedder, vectors, fetch)
    chosen = RetrievalSettings()
    made = (
        dense
        if method == "dense"
        else HybridRetriever(dense, text, chosen.candidates, chosen.dense_weight)
    )
    return made, time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--method", choices=["hybrid", "dense", "text", "rerank"], default="hybrid")
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    parser.add_argument(
        "--reranker", help="cross-encoder over hybrid: hub id or folder, also a tuned one"
    )
    parser.add_argument(
        "--weight", type=float, help="the reranker's share (default: what it says of itself)"
    )
    parser.add_argument("--candidates", type=int, default=RetrievalSettings().rerank_candidates)
    parser.add_argument("--limit", type=int, help="so many of the queries, drawn evenly")
    parser.add_argument(
        "--articles", type=int, help="of a domain set: only the last so many documents"
    )
    parser.add_argument("--splits", default="", help="of a domain set: only these, like dev,test")
    options = parser.parse_args()
    beir = (options.data / "corpus.jsonl").exists()
    chunks, queries, judged = (
        read_set(options.data)
        if beir
        else read_domain(options.data, options.articles, options.splits)
    )
    asked = random.Random(0).sample(
        sorted(queries), min(options.limit or len(queries), len(queries))
    )
    with tempfile.TemporaryDirectory() as scratch:
        retriever, indexing = make_retriever(
            options.method, options.embedder, chunks, Path(scratch)
        )
        if options.method == "rerank":
            if not options.reranker:
                parser.error("--method rerank needs --reranker")
            named = Settings(retrieval=RetrievalSettings(rerank=options.reranker))
            encoder = Project(Path(), named).cross_encoder
            weight = encoder.weight if options.weight is None else options.weight
            retriever = RerankingRetriever(retriever, encoder, options.candidates, weight)
        retriever.retrieve("warm up", DEPTH)
        scores: dict[str, list[float]] = defaultdict(list)
        seconds = []
        for query in asked:
            started = time.perf_counter()
            hits = retriever.retrieve(queries[query], DEPTH + 1)
            seconds.append(time.perf_counter() - started)
            ranked = [hit.chunk.id for hit in hits if hit.chunk.id != query][:DEPTH]
            scores["recall@4"].append(recall(ranked, judged[query], 4))
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
                {"reranker": encoder.name, "weight": weight, "candidates": options.candidates}
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
