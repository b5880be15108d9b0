"""A comparison whose model is a server of 200 ms an answer: one after another, and several at once.

    python -m benchmarks.comparing [--questions 400] [--parallel 16]

The server is `benchmarks.scripted_server` in a process of its own. Each way begins without any answer kept. Seconds are
from the first answer to the last (`answering_s`), and of the whole comparison with its statistics and report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acclimate.evaluation.entry import Estimate
from acclimate.project import Project
from benchmarks.harness import emit, machine

_WORDS = 4  # of 50 ms each


class Clock:
    """A `Progress` that notes when answering began and ended."""

    def __init__(self) -> None:
        self.begun = self.ended = 0.0

    def preparing(self, recipe: str) -> None:
        """See `Progress`."""

    def estimated(self, estimate: Estimate) -> None:
        """See `Progress`."""
        self.begun = time.perf_counter()

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `Progress`."""
        self.ended = time.perf_counter()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the scripted server."""
    Project.create(folder, Path("documents")).close()
    command = [sys.executable, "-m", "benchmarks.scripted_server", str(folder), str(_WORDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def compare(folder: Path, address: str, questions: int, parallel: int) -> dict[str, Any]:
    """One comparison in a new folder."""
    rows = [
        {
            "id": f"q{n}",
            "question": f"What is {n}?",
            "answers": ["word" if n % 3 else "none"],
            "split": "test",
        }
        for n in range(questions)
    ]
    with Project.create(folder, Path("documents")) as project:
        (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
        clock, started = Clock(), time.perf_counter()
        result = project.compare(
            ["zero-shot"], models=[f"{address}/v1#zero-shot"], parallel=parallel, progress=clock
        )
        row = result.rows[0]
        return {
            "parallel": parallel,
            "answering_s": round(clock.ended - clock.begun, 2),
            "whole_s": round(time.perf_counter() - started, 2),
            "seconds_per_answer": round(row.total_s[0], 3),
            "errors": row.errors,
            "scores": [asdict(outcome.score) for outcome in result.outcomes],
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--parallel", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, served(Path(scratch) / "server") as address:
        ways = [
            compare(Path(scratch) / str(parallel), address, options.questions, parallel)
            for parallel in (options.parallel, 1)
        ]
    together, alone = (one.pop("scores") for one in ways)
    emit(
        {
            "benchmark": "comparing",
            "questions": options.questions,
            "rows": ways,
            "equal_scores": together == alone,
            "ratio": round(ways[1]["answering_s"] / ways[0]["answering_s"], 2),
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
