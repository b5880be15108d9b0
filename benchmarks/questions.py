"""Questions made from a set's documents: how many drafts are kept, how long a kept one takes, and why others are not.

    python -m benchmarks.questions --data DOMAINSET [--writer model|untuned|rules] [--kind single-fact] [--count 40]
                                   [--articles K] [--show]

`model` is what `acclimate questions make` uses; `untuned` the same model without the adapter that was trained to write.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from acclimate.project import Project
from acclimate.questions.writer import KINDS, EngineWriter, Writer
from acclimate.types import Generation
from acclimate.workflows.questions import WRITERS, make_questions
from benchmarks.harness import copy_documents, emit, machine


def untuned(project: Project) -> Writer:
    """The model as it came, told what to write."""
    engine = project.engine("zero-shot")
    return EngineWriter(
        engine.name,
        lambda messages, most: engine.generate(messages, Generation(max_tokens=most)).text,
    )


WRITERS["untuned"] = untuned


def main() -> None:
    """Read the options, make questions, print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--writer", choices=list(WRITERS), default="model")
    parser.add_argument("--kind", choices=list(KINDS), default="single-fact")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--articles", type=int, default=0, help="only the last K documents")
    parser.add_argument("--show", action="store_true", help="print each kept question to stderr")
    options = parser.parse_args()
    found: list[Any] = []

    def hear(row: dict[str, Any]) -> None:
        found.append(row)
        if options.show:
            print(f"{row['question']} | {row['answers'][:1]} | {row['evidence']}", file=sys.stderr)

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.data / "documents"
        files = sorted(path for path in folder.rglob("*") if path.is_file())[-options.articles :]
        copy_documents(options.data, files, Path(scratch))
        with Project.create(Path(scratch), Path("documents")) as project:
            project.ingest()
            project.warm("rag")
            started = time.monotonic()
            made = make_questions(
                project, {options.kind: options.count}, options.writer, progress=hear
            )
            seconds = time.monotonic() - started
    result = {
        "benchmark": "questions",
        "data": options.data.name,
        "writer": options.writer,
        "kind": options.kind,
    }
    result |= {
        "drafts": made.drafts,
        "kept": len(found),
        "documents": len({row["document"] for row in found}),
    }
    result |= {
        "seconds_per_kept": round(seconds / max(1, len(found)), 2),
        "reasons": dict(made.reasons),
    }
    emit({**result, "machine": machine()})


if __name__ == "__main__":
    main()
