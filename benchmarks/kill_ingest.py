"""Kills an ingest with SIGKILL at random moments while files change between runs, and looks for loss.

    python -m benchmarks.kill_ingest [--kills 100] [--data FOLDER] [--seed 1]

After each kill the library is opened again and must check clean; then a run completes, and every document must be there
once, equal to a fresh ingest of the same files. Prints one JSON object; exit code 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.embeddings.base import OnDone, Vectors
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.ingest_report import IngestReport
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder

FILES, CHANGED, REMOVED = 250, 100, 15  # per round: enough for several transactions in each run
Contents = dict[str, tuple[str, list[tuple[int, int]]]]


class SlowEmbedder(HashEmbedder):
    """Takes a while, so that kills hit embedding as well as writing."""

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        time.sleep(0.02)
        return super().embed_passages(texts, on_done)


def run(root: Path, folder: Path) -> IngestReport:
    """One ingest of `root` into the library at `folder`."""
    library = Library(folder)
    try:
        chunker = make_chunker("structure", word_spans, no_embedder, Cut(60))
        return ingest(root, library, parse, chunker, SlowEmbedder(), check_all=True)
    finally:
        library.close()


def contents(folder: Path) -> tuple[Contents, list[str]]:
    """What a library holds by path (text, and spans of its chunks), and what `check` says of it."""
    library = Library(folder)
    try:
        held: Contents = {}
        for path in library.record.files():
            document = library.record.document(path)
            held[path] = (document.text if document else "", [])
        for chunk in library.fetch(library.record.keys()):
            held[chunk.document][1].append((chunk.start, chunk.end))
        return held, library.check()
    finally:
        library.close()


def edit(root: Path, rng: random.Random, version: int) -> None:
    """Change, add and remove files."""
    files = sorted(file for file in root.rglob("*") if file.is_file())
    for file in rng.sample(files, min(REMOVED, max(0, len(files) - 1))):
        file.unlink()
    for number in rng.sample(range(FILES), CHANGED):
        body = "\n\n".join(
            f"Paragraph {n}. " + f"Version {version} of note {number}. " * 8 for n in range(6)
        )
        (root / f"note-{number}.md").write_text(f"# Note {number}\n\n{body}\n", encoding="utf-8")


def kill_once(root: Path, folder: Path, delay: float) -> bool:
    """Start an ingest and kill it after `delay` seconds; whether it was still running."""
    command = [sys.executable, "-m", "benchmarks.kill_ingest", "--child", str(root), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        if child.stdout is not None:
            child.stdout.readline()
        time.sleep(delay)
        running = child.poll() is None
        child.send_signal(signal.SIGKILL)
    return running


def main() -> int:
    """Run the benchmark; its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--data", type=Path, help="folder of documents to start from (copied)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print("ready", flush=True)
        run(*options.child)
        return 0
    rng, problems, killed = random.Random(options.seed), list[str](), 0
    with tempfile.TemporaryDirectory() as scratch:
        root, folder = Path(scratch) / "documents", Path(scratch) / "library"
        if options.data:
            shutil.copytree(options.data, root)
        root.mkdir(exist_ok=True)
        edit(root, rng, 0)
        started = time.perf_counter()
        run(root, folder)
        whole = time.perf_counter() - started
        for number in range(1, options.kills + 1):
            edit(root, rng, number)
            # Past the end of a run too: only then is the last stage, the indexes, hit as often as the others.
            killed += kill_once(root, folder, rng.uniform(0, 2 * whole))
            problems += [f"after kill {number}: {problem}" for problem in contents(folder)[1]]
        report = run(root, folder)
        held, found = contents(folder)
        run(root, Path(scratch) / "fresh")
        fresh, _ = contents(Path(scratch) / "fresh")
        problems += found + [f"{path} differs from a fresh ingest" for path in sorted(held.keys() | fresh.keys())
                             if held.get(path) != fresh.get(path)]  # fmt: skip
    print(json.dumps({"kills": options.kills, "killed_while_running": killed, "documents": report.documents,
                      "chunks": report.chunks, "problems": problems}))  # fmt: skip
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
