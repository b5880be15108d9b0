"""Learn a domain set's documents, and ask its test questions without them.

    python -m benchmarks.internalise --data examples/halden [--minutes 15] [--rag-minutes 8] [--articles K] [--limit N]
                                     [--model NAME_OR_PATH] [--project FOLDER] [--rate R]

`acclimate tune internalise` and `internalise+rag` are trained as a user would, then compared with zero-shot (the same
model, closed-book) and rag on the test questions, none of which may be learnt. A set without splits is all test; with
`--articles` only so many of its documents are there. `forgetting` is the relative rise of the perplexity of general
prose, of the closed-book adapter. Stopped, the same command with `--project` goes on where it was. Minutes are of the
clock, so they say something on a quiet machine only; `cpu_minutes` are this process's.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acclimate.evaluation.comparison import Comparison
from acclimate.files import jsonlines
from acclimate.project import Project
from acclimate.tuning.allocator import use_large_blocks
from acclimate.workflows.tune import Tuned
from benchmarks.harness import copy_documents, emit, machine

RECIPES = ("zero-shot", "rag", "internalise", "internalise+rag")


def questions_of(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The set's questions, all of the test where it says no splits, about the articles wanted."""
    rows = [row for _, row in jsonlines.read_rows(options.data / "questions.jsonl")]
    if options.articles:
        named = sorted({row["document"] for row in rows if row.get("document")})[
            -options.articles :
        ]
        rows = [row for row in rows if row.get("document") in named]
    if not any(row.get("split") for row in rows):
        random.Random(0).shuffle(rows)
        rows = [row | {"split": "test"} for row in rows[: options.limit]]
    return rows


def create(options: argparse.Namespace, folder: Path) -> None:
    """A project with the documents and the questions."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = questions_of(options)
    wanted = {row.get("document") for row in rows} if options.articles else None
    root = options.data / "documents"
    files = sorted(path for path in root.rglob("*") if path.is_file())
    copy_documents(
        options.data,
        [one for one in files if wanted is None or one.relative_to(root).as_posix() in wanted],
        folder,
    )
    jsonlines.write(folder / "questions.jsonl", rows)
    Project.create(folder, Path("documents")).close()
    if options.model:
        file = folder / "acclimate.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("[model]", f"[model]\nname = {json.dumps(options.model)}", 1))


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Project]:
    """The project, made and read where it is not yet; a passing one where no folder was named."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.project or Path(scratch)
        if not (folder / "acclimate.toml").exists():
            create(options, folder)
        with Project.open(folder) as project:
            project.ingest()
            yield project


def trained(project: Project, recipe: str, minutes: float, rate: float | None) -> dict[str, Any]:
    """Figures of a training run; those of an earlier one where its adapter is here."""
    kept = project.layout.adapters / recipe / "benchmark.json"
    if kept.exists():
        figures: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return figures
    clock, cpu = time.monotonic(), time.process_time()
    tuned: Tuned = project.tune(recipe, minutes=minutes, rate=rate)
    before, after = tuned.trained.forgetting.before, tuned.trained.forgetting.after
    figures = {
        "recipe": recipe,
        "cases": tuned.trained.cases,
        "steps": tuned.trained.steps,
        "passes": round(tuned.trained.passes, 1),
        "minutes": round((time.monotonic() - clock) / 60, 1),
        "cpu_minutes": round((time.process_time() - cpu) / 60, 1),
        "forgetting": round(after.perplexity / before.perplexity - 1, 4),
        "general_questions": [before.questions, after.questions],
        "replayed": tuned.trained.replayed,
        "rank": tuned.trained.settings.r,
        "rate": tuned.trained.settings.learning_rate,
        "left_out": tuned.data.left_out,
    }
    kept.write_text(json.dumps(figures), encoding="utf-8")
    return figures


def summary(
    options: argparse.Namespace, comparison: Comparison, runs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The figures that are told."""
    rows = {row.recipe: row for row in comparison.rows}
    scores = {name: round(rows[name].summary.f1, 4) for name in RECIPES}
    return {
        "benchmark": "internalise",
        "data": options.data.name,
        "n": len(comparison.questions),
        "closed_book_f1": scores["internalise"],
        "base_f1": scores["zero-shot"],
        "rag_f1": scores["rag"],
        "internalise_rag_f1": scores["internalise+rag"],
        "forgetting": runs[0]["forgetting"],
        "minutes": sum(run["minutes"] for run in runs),
        "documents": {name: rows[name].documents for name in RECIPES},
        "by_kind": {
            kind: round(mean, 3) for kind, (_, mean) in rows["internalise"].by_kind.items()
        },
        "runs": list(runs),
        "machine": machine(),
    }


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--rag-minutes", type=float, default=8)
    parser.add_argument("--rate", type=float, help="peak learning rate of the closed-book run")
    parser.add_argument("--articles", type=int, help="only so many of the documents asked about")
    parser.add_argument("--limit", type=int, default=200, help="questions of a set without splits")
    parser.add_argument("--model", help="a catalogue name or a path")
    parser.add_argument("--project", type=Path, help="keep everything here, and go on from it")
    return parser.parse_args()


def main() -> None:
    """Train both, compare all."""
    options = parse()
    use_large_blocks("benchmarks.internalise")
    with opened(options) as project:
        runs = []
        plans = (("internalise", options.minutes), ("internalise+rag", options.rag_minutes))
        for recipe, minutes in plans:
            rate = options.rate if recipe == "internalise" else None
            runs.append(trained(project, recipe, minutes, rate))
            emit(runs[-1])
        emit(summary(options, project.compare(RECIPES), runs))


if __name__ == "__main__":
    main()
