"""Whether the knowledge graph brings what a question needs into view: evidence, and both documents of two.

    python -m benchmarks.graph --data DOMAIN [--articles N] [--limit N]

Shares of questions among the first k passages, with the graph of rules and without, on the same library.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from acclimate.project import Project
from acclimate.settings import make_settings
from benchmarks.harness import emit, machine

DEPTHS = (1, 4, 8)


def measure(project: Project, questions: list[dict[str, object]]) -> dict[str, object]:
    """Shares of questions by kind and depth, and milliseconds a query."""
    shares: dict[str, list[bool]] = defaultdict(list)
    seconds = []
    for row in questions:
        started = time.perf_counter()
        hits = project.retrieve(str(row["question"]), max(DEPTHS))
        seconds.append(time.perf_counter() - started)
        for depth in DEPTHS:
            shown = {hit.chunk.document for hit in hits[:depth]}
            if row.get("documents"):
                shares[f"both_documents@{depth}"].append(set(row["documents"]) <= shown)  # type: ignore[call-overload]
            else:
                shares[f"evidence@{depth}"].append(
                    any(str(row["evidence"]) in hit.chunk.text for hit in hits[:depth])
                )
    figures = {name: round(statistics.fmean(found), 3) for name, found in sorted(shares.items())}
    return figures | {"ms_p50": round(statistics.median(seconds) * 1000, 1)}


def main() -> None:
    """Ingest once, ask twice, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--articles", type=int, help="only the last so many documents")
    parser.add_argument("--limit", type=int, help="so many of the questions, drawn evenly")
    chosen = parser.parse_args()
    root = chosen.data / "documents"
    names = sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    names = names[-chosen.articles :] if chosen.articles else names
    with (chosen.data / "questions.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if row["answerable"] and row["document"] in names]
    rows = random.Random(0).sample(rows, min(chosen.limit or len(rows), len(rows)))
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            (Path(folder) / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, Path(folder) / "docs" / name)
        result: dict[str, object] = {}
        for graph in ("none", "rules"):
            settings = make_settings(
                {"documents": {"path": "docs"}, "retrieval": {"graph": graph}}, "benchmark"
            )
            with Project(Path(folder), settings) as project:
                started = time.perf_counter()
                report = project.ingest()
                built = {
                    "chunks": report.chunks,
                    "ingest_s": round(time.perf_counter() - started, 1),
                }
                result[graph] = built | measure(project, rows)
    emit(
        {"benchmark": "graph", "data": chosen.data.name, "n": len(rows)}
        | result
        | {"machine": machine()}
    )


if __name__ == "__main__":
    main()
