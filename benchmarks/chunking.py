"""Which way of cutting finds the evidence: every chunker on domain sets, under one budget of tokens to read.

    python -m benchmarks.chunking --data DOMAINSET [DOMAINSET …] [--limit 200] [--budget 800] [--max-tokens 200]

`found` is the share of questions whose evidence stands wholly in the passages that fit the budget, best first, by the
default hybrid retrieval; `partly` counts half of the evidence or more. Documents are those that the questions need,
and as many others as there are.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from acclimate.chunking.chunkers import CHUNKERS, Cut, make_chunker
from acclimate.documents.sandbox import Sandbox
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.project import Project
from acclimate.questions.file import read_questions
from acclimate.retrieval.search import (
    DenseRetriever,
    HybridRetriever,
    ParentRetriever,
    TextRetriever,
)
from acclimate.types import Hit, Question
from benchmarks.harness import emit, machine

PASSAGES = 40  # looked at until the budget is full


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument(
        "--methods",
        default=",".join(name for name in CHUNKERS if name not in ("regex", "langchain")),
    )
    parser.add_argument("--limit", type=int, default=200, help="questions of each set")
    parser.add_argument("--documents", type=int, default=60, help="documents of each set, at most")
    parser.add_argument("--budget", type=int, default=800, help="tokens of passages that are read")
    parser.add_argument("--max-tokens", type=int, nargs="+", default=[200])
    parser.add_argument("--overlap", type=int, default=0)
    options = parser.parse_args()
    for data in options.data:
        questions = [
            q
            for q in read_questions(data / "questions.jsonl")
            if q.answerable and q.evidence and q.document
        ]
        names = sorted({q.document for q in questions if q.document})
        random.Random(0).shuffle(names)
        kept = set(names[: options.documents])
        questions = [q for q in questions if q.document in kept]
        random.Random(0).shuffle(questions)
        for size in options.max_tokens:
            for method in options.methods.split(","):
                cut = Cut(size, overlap=options.overlap)
                result = measure(
                    data, sorted(kept), questions[: options.limit], method, cut, options.budget
                )
                emit(
                    {
                        "benchmark": "chunking",
                        "data": data.name,
                        "method": method,
                        "max_tokens": size,
                        **result,
                    }
                )
    emit({"benchmark": "chunking", "machine": machine()})


def measure(
    data: Path, names: list[str], questions: list[Question], method: str, cut: Cut, budget: int
) -> dict[str, Any]:
    """Ingest the documents by one method and ask for each question's evidence."""
    with tempfile.TemporaryDirectory() as scratch, Project.create(Path(scratch), Path()) as project:
        embedder, sandbox = project.embedder, Sandbox()
        library = Library(Path(scratch) / "library")
        chunker = make_chunker(method, embedder.token_spans, embedder.embed_passages, cut)
        started = time.perf_counter()
        report = ingest(
            data / "documents",
            library,
            sandbox,
            chunker,
            embedder,
            include=names,
            parallel=sandbox.workers,
        )
        seconds = time.perf_counter() - started
        sandbox.close()
        dense = DenseRetriever(embedder, library.vectors, library.fetch)
        retriever = ParentRetriever(
            HybridRetriever(dense, TextRetriever(library.texts, library.fetch), 100, 0.75),
            library.record.parent,
        )
        found = partly = 0.0
        for question in questions:
            document = library.record.document(question.document or "")
            start = document.text.find(question.evidence or "") if document else -1
            if start < 0:
                continue
            share = _share(
                retriever.retrieve(question.question, PASSAGES),
                question,
                start,
                budget,
                embedder.token_spans,
            )
            found += share > 0.999
            partly += share >= 0.5
        library.close()
    count = max(1, len(questions))
    return {
        "n": count,
        "found": round(found / count, 4),
        "partly": round(partly / count, 4),
        "chunks": report.chunks,
        "seconds": round(seconds, 1),
    }


def _share(hits: list[Hit], question: Question, start: int, budget: int, spans: Any) -> float:
    """How much of the evidence the passages hold that fit the budget."""
    wanted = set(range(start, start + len(question.evidence or "")))
    total, read = len(wanted), 0
    for hit in hits:
        read += len(spans(hit.chunk.shown))
        if read > budget:
            break
        if hit.chunk.document == question.document:
            wanted -= set(range(hit.chunk.start, hit.chunk.end))
    return 1 - len(wanted) / total


if __name__ == "__main__":
    main()
