"""Changes to a watched folder, while what watches it is killed with SIGKILL now and then: is the library in step in the end?

    python -m benchmarks.watching [--changes 1000] [--seconds 600] [--kills 20] [--seed 1]

A process watches a folder in which files are written, rewritten, moved and removed, evenly over the time. It is killed
at random moments and started again. In the end the library must come into step by itself, check clean, and hold what a
fresh ingest of the same files holds. Prints one JSON object; exit code 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from acclimate.indexes.database import Database
from acclimate.indexes.record import Record
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.workspace.layout import Layout
from benchmarks.harness import machine
from benchmarks.kill_ingest import contents

IN_STEP_S = 600.0  # what a busy machine may take at the end
NAMES = 150


def open_project(folder: Path) -> Project:
    """The project in `folder`, with an embedder that takes no time."""
    values = {"documents": {"workers": 1, "watch_seconds": 5.0}}
    return Project(folder, make_settings(values, "watching"), embedder=HashEmbedder())


def start(folder: Path) -> subprocess.Popen[str]:
    """A process that watches; it has begun to when this returns."""
    command = [sys.executable, "-m", "benchmarks.watching", "--child", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is not None:
        process.stdout.readline()
    return process


def change(root: Path, rng: random.Random, number: int) -> None:
    """Write, rewrite, move or remove one file."""
    files = sorted(file for file in root.rglob("*.md"))
    kind = rng.random()
    if kind < 0.2 and len(files) > 1:
        rng.choice(files).unlink()
        return
    name = f"{rng.randrange(5)}/note-{rng.randrange(NAMES)}.md"
    target = root / name
    target.parent.mkdir(exist_ok=True)
    if kind < 0.3 and files:
        rng.choice(files).rename(target)
    else:  # always of one size: neither size nor a coarse clock may hide it
        target.write_text(f"# Note\n\nVersion {number:08} of a note.\n", encoding="utf-8")


def in_step(root: Path, folder: Path) -> bool:
    """Whether the library holds just the files under `root`, as they are."""
    here = {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in root.rglob("*.md")
    }
    record = Record(Database(Layout(folder).record))
    try:
        return {path: state.sha256 for path, state in record.files().items()} == here
    finally:
        record.close()


def run(folder: Path, changes: int, seconds: float, kills: int, seed: int) -> dict[str, Any]:
    """The result, for a project in the new folder `folder`."""
    rng, root = random.Random(seed), folder / "documents"
    root.mkdir(parents=True)
    change(root, rng, 0)
    deaths = set(rng.sample(range(1, changes), kills))
    process, began = start(folder), time.monotonic()
    for number in range(1, changes + 1):
        time.sleep(max(0.0, began + seconds * number / changes - time.monotonic()))
        change(root, rng, number)
        if number in deaths:
            process.kill()
            process.wait()
            process = start(folder)
    ended = time.monotonic()
    while not in_step(root, folder) and time.monotonic() - ended < IN_STEP_S:
        time.sleep(0.1)
    lag = time.monotonic() - ended
    problems = [] if in_step(root, folder) else ["the library never came into step"]
    process.kill()
    process.wait()
    held, found = contents(Layout(folder).state)
    problems += found + _against_fresh(folder, held)
    return {
        "changes": changes,
        "kills": kills,
        "seconds": round(ended - began, 1),
        "in_step_after_s": round(lag, 1),
        "documents": len(held),
        "problems": problems,
    }


def _against_fresh(folder: Path, held: dict[str, Any]) -> list[str]:
    fresh = folder / "fresh"
    fresh.mkdir()
    (fresh / "documents").symlink_to(folder / "documents")
    with open_project(fresh) as project:
        project.ingest()
    wanted, _ = contents(Layout(fresh).state)
    return [
        f"{path} differs from a fresh ingest"
        for path in sorted(held.keys() | wanted.keys())
        if held.get(path) != wanted.get(path)
    ]


def main() -> int:
    """Run the benchmark; its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print("ready", flush=True)
        with open_project(options.child) as project:
            project.watch()
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        result = run(
            Path(scratch) / "project",
            options.changes,
            options.seconds,
            options.kills,
            options.seed,
        )
    print(json.dumps(result | {"machine": machine()}))
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
