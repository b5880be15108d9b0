"""Two servers on one library in PostgreSQL, many clients, documents replaced meanwhile: is there an error, or an old answer?

    python -m benchmarks.two_servers [--minutes 10] [--clients 32] [--documents 200] [--every 1.0] [--url URL]

Each server is an `acclimate serve` of its own project folder, as on another machine. A third process replaces a document
every `--every` seconds. Half of the clients search, half ask by the recipe `extract`; each asks one of the two servers at
random for a gauge, and sees which reading of it the passages hold. An answer is stale where a newer reading was in the
record before its question was sent; it is as old as that is ago. Prints one JSON object; exit code 1 where there was an
error, or an answer that was stale for more than two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from acclimate.ingest_report import NoProgress
from acclimate.project import Project
from benchmarks.cluster import server
from benchmarks.harness import emit, machine
from benchmarks.serving import running

LIMIT_S = 2.0
SETTINGS = """[documents]
path = "{documents}"
[store]
record = "postgres"
library = "two_servers"
url = "{url}"
[serve]
port = 0
queue = 1000
"""


@dataclass
class Readings:
    """Every gauge's readings, with the time from which each was in the record."""

    since: dict[int, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stale_s(self, gauge: int, reading: int, asked: float) -> float:
        """How long this reading had been out of date when it was asked for; 0.0: it was not."""
        with self.lock:
            newer = self.since[gauge][reading + 1 :]
        return max(0.0, asked - newer[0]) if newer else 0.0


@dataclass
class Seen:
    """What the clients saw."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    stale: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Stored(NoProgress):
    """Notes when what was read is in the record."""

    def __init__(self) -> None:
        self.at = 0.0

    def files(self, done: int, total: int) -> None:
        """See `IngestProgress`: called after the transaction."""
        self.at = time.monotonic()


def write(folder: Path, gauge: int, reading: int) -> None:
    """A document that gives one reading of one gauge."""
    part = folder / f".{gauge}"
    part.write_text(
        f"# Gauge G{gauge:04}\n\nGauge G{gauge:04} shows reading {reading} today. Its limit is {gauge % 7 + 3} bar.\n"
    )
    part.replace(folder / f"g{gauge:04}.md")


def replace(
    project: Project, documents: Path, readings: Readings, every: float, stop: threading.Event
) -> None:
    """Give gauges new readings until `stop`."""
    rng, stored = random.Random(2), Stored()
    while not stop.wait(every):
        gauge = rng.choice(list(readings.since))
        write(documents, gauge, len(readings.since[gauge]))
        project.ingest(progress=stored, check_all=True)
        with readings.lock:
            readings.since[gauge].append(stored.at)


async def ask(client: httpx.AsyncClient, address: str, kind: str, gauge: int) -> list[str]:
    """The passages that a search or an answer had to go by."""
    question = f"Which reading does gauge G{gauge:04} show?"
    if kind == "search":
        sent = await client.post(f"{address}/v1/search", json={"query": question, "k": 4})
        sent.raise_for_status()
        return [row["text"] for row in sent.json()["data"]]
    body = {"model": "extract", "messages": [{"role": "user", "content": question}]}
    sent = await client.post(f"{address}/v1/chat/completions", json=body)
    sent.raise_for_status()
    return [row["text"] for row in sent.json()["acclimate"]["passages"]]


async def one_client(
    number: int, addresses: list[str], readings: Readings, seen: Seen, until: float
) -> None:
    """Ask again and again."""
    rng, kind = random.Random(number), ("search", "extract")[number % 2]
    async with httpx.AsyncClient(timeout=120) as client:
        while (asked := time.monotonic()) < until:
            gauge = rng.choice(list(readings.since))
            try:
                texts = await ask(client, rng.choice(addresses), kind, gauge)
            except httpx.HTTPError as error:
                said = getattr(getattr(error, "response", None), "text", "")[:300]
                seen.errors.append(f"{kind}: {type(error).__name__} {said}")
                continue
            found = re.search(rf"Gauge G{gauge:04} shows reading (\d+)", "\n".join(texts))
            if found is None:
                seen.errors.append(f"{kind}: gauge {gauge} is not among {len(texts)} passages")
                continue
            seen.answers[kind] += 1
            seen.seconds.append(time.monotonic() - asked)
            if (old := readings.stale_s(gauge, int(found[1]), asked)) > 0:
                seen.stale.append(old)


async def load(addresses: list[str], clients: int, readings: Readings, seconds: float) -> Seen:
    """All clients at once, for so long."""
    seen, until = Seen(), time.monotonic() + seconds
    await asyncio.gather(*(one_client(n, addresses, readings, seen, until) for n in range(clients)))
    return seen


def run(options: argparse.Namespace, scratch: Path, url: str) -> dict[str, Any]:
    """Two servers, their clients, and who replaces documents."""
    documents = scratch / "documents"
    documents.mkdir()
    for gauge in range(options.documents):
        write(documents, gauge, 0)
    readings = Readings({gauge: [0.0] for gauge in range(options.documents)})
    for name in ("ingest", "a", "b"):
        (scratch / name).mkdir()
        (scratch / name / "acclimate.toml").write_text(
            SETTINGS.format(documents=documents, url=url)
        )
    stop = threading.Event()
    with ExitStack() as stack:
        project = stack.enter_context(Project.open(scratch / "ingest"))
        project.ingest()
        command = [sys.executable, "-m", "acclimate", "serve", "--project"]
        addresses = [
            stack.enter_context(running([*command, str(scratch / name)], scratch / name))[0]
            for name in ("a", "b")
        ]
        replacing = threading.Thread(
            target=replace, args=(project, documents, readings, options.every, stop), daemon=True
        )
        replacing.start()
        try:
            seen = asyncio.run(load(addresses, options.clients, readings, options.minutes * 60))
        finally:
            stop.set()
            replacing.join()
    return {
        "servers": 2,
        "clients": options.clients,
        "minutes": options.minutes,
        "documents": options.documents,
        "replaced": sum(len(times) - 1 for times in readings.since.values()),
        "answers": dict(seen.answers),
        "seconds_p50": round(float(np.median(seen.seconds)), 2) if seen.seconds else None,
        "errors": len(seen.errors),
        "first_errors": seen.errors[:3],
        "stale": len(seen.stale),
        "stale_s_most": round(max(seen.stale, default=0.0), 2),
    }


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between replacements")
    parser.add_argument("--url", default="", help="a PostgreSQL server to use")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, server(options.url) as url:
        row = run(options, Path(scratch), url)
    emit({"two_servers": row, "machine": machine()})
    return int(bool(row["errors"]) or row["stale_s_most"] > LIMIT_S or not row["answers"])


if __name__ == "__main__":
    sys.exit(main())
