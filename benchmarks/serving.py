"""Many clients at once against a server: answers a second, time to first token, our own overhead, and a soak.

    python -m benchmarks.serving [--data DOMAINSET] [--clients 1,8,32] [--engine model|scripted] [--answers N]
                                 [--seconds N] [--peer llamaindex]

`--engine scripted` writes 20 words, one each 50 ms, for every client at once: what is left of the time is the server's
own. Overhead is a client's time less what the server says the answer took and waited (`acclimate.timings`), and
`cpu_ms_per_answer` what the server computed for one. `--seconds` soaks at the last number of clients instead, with a
document replaced every ten seconds. The peer is LlamaIndex behind FastAPI over llama.cpp with the same model file,
documents, questions and number of passages, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from acclimate.files import jsonlines
from acclimate.models.fetch import resolve
from acclimate.project import Project
from benchmarks.harness import PEERS, emit, machine, require_peers

ROOT = Path(__file__).parents[1]
_STARTS_S = 600.0


@dataclass
class Seen:
    """What the clients of one run saw: seconds to the first token and in all, milliseconds of overhead, errors."""

    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    overhead: list[float] = field(default_factory=list)
    retrieve: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def ask(address: str, question: str, seen: Seen) -> None:
    """One streamed answer over a connection of its own, read with as little of our own time as can be."""
    where = urlsplit(address)
    body = json.dumps(
        {"model": "rag", "stream": True, "messages": [{"role": "user", "content": question}]}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    started, first, own = time.perf_counter(), None, None
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 22)
    try:
        writer.write(
            f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        status = await reader.readline()
        done = False
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            now = time.perf_counter()
            if b'"content": "' in line and b'"content": ""' not in line:
                first = first or now
            if b'"acclimate"' in line:
                own = json.loads(line[6:])["acclimate"]["timings"]
            done = line.startswith(b"data: [DONE]")
        if b" 200 " not in status or not done or first is None:
            seen.errors.append(status.decode(errors="replace").strip() or "no answer")
            return
    except OSError as error:
        seen.errors.append(type(error).__name__)
        return
    finally:
        writer.close()
    total = now - started
    seen.first.append(first - started)
    seen.total.append(total)
    if own:
        seen.overhead.append((total - own["total_s"] - own["queue_s"]) * 1000)
        seen.retrieve.append(own["retrieve_s"] * 1000)


async def load(
    address: str, questions: list[str], clients: int, until: float, answers: int
) -> tuple[Seen, float]:
    """So many clients, each asking again as soon as it has its answer; what they saw, and the seconds it took.

    They come within a second, not at once: scripted answers take equally long, so they would go on asking in step.
    """
    seen, asked, started = Seen(), 0, time.perf_counter()

    async def client(number: int) -> None:
        nonlocal asked
        await asyncio.sleep(number / clients)
        while (time.perf_counter() - started < until) if until else (asked < answers):
            asked += 1
            await ask(address, questions[asked % len(questions)], seen)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return seen, time.perf_counter() - started


def figures(seen: Seen, clients: int, seconds: float) -> dict[str, Any]:
    """The keys of a summary, for one server."""

    def share(values: list[float], at: float, digits: int) -> float | None:
        return round(float(np.quantile(values, at)), digits) if values else None

    return {
        "clients": clients,
        "answers": len(seen.total),
        "answers_per_s": round(len(seen.total) / seconds, 3),
        "ttft_p50": share(seen.first, 0.5, 3),
        "ttft_p95": share(seen.first, 0.95, 3),
        "overhead_ms_p50": share(seen.overhead, 0.5, 2),
        "overhead_ms_p95": share(seen.overhead, 0.95, 2),
        "retrieve_ms_p95": share(seen.retrieve, 0.95, 1),
        "errors": len(seen.errors),
        "first_errors": seen.errors[:3],
    }


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[tuple[str, int]]:
    """A server that prints its address; the address, once it is ready, and its process id."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=(folder / "server.log").open("a"), text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            sys.exit((folder / "server.log").read_text()[-2000:])
        deadline = time.monotonic() + _STARTS_S
        while httpx.get(f"{address}/readyz", timeout=60).status_code != 200:
            if time.monotonic() > deadline:
                sys.exit("the server did not become ready")
            time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_s(pid: int) -> float:
    """Seconds of the cores that a process has used: what holds beside other work, when a clock tells little."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


async def soak(
    address: str, pid: int, questions: list[str], clients: int, seconds: float
) -> dict[str, Any]:
    """Ask for so long while a document is replaced again and again; memory is read every five seconds."""
    memory: list[float] = []
    replaced = 0

    async def churn() -> None:
        nonlocal replaced
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            while True:
                memory.append(resident_mb(pid))
                if len(memory) % 2 == 0:
                    text = f"# Notice\n\nThis is notice {replaced}.\n".encode()
                    sent = await client.post(
                        "/v1/documents?replace=true", files={"file": ("notice.md", text)}
                    )
                    replaced += sent.status_code == 202
                await asyncio.sleep(5)

    churning = asyncio.create_task(churn())
    seen, took = await load(address, questions, clients, seconds, 0)
    churning.cancel()
    quarter = max(1, len(memory) // 4)
    return figures(seen, clients, took) | {
        "seconds": round(took),
        "replaced": replaced,
        "memory_mb": [
            round(statistics.median(part))
            for part in (memory[quarter : 2 * quarter], memory[-quarter:])
        ],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "examples" / "halden")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--engine", choices=["model", "scripted"], default="model")
    parser.add_argument("--answers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--peer", choices=["llamaindex"])
    options = parser.parse_args()
    counts = [int(count) for count in options.clients.split(",")]
    questions = [
        row["question"] for _, row in jsonlines.read_rows(options.data / "questions.jsonl")
    ]
    rows = []
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        servers = {"ours": _ours(folder, options)}
        if options.peer:
            servers["peer"] = _peer(options.data / "documents", folder)
        if options.seconds:
            with running(servers["ours"], folder) as (address, pid):
                rows.append(asyncio.run(soak(address, pid, questions, counts[-1], options.seconds)))
        for clients in [] if options.seconds else counts:
            found = {}
            for name, command in servers.items():
                with running(command, folder) as (address, pid):
                    asyncio.run(load(address, questions[:1], 1, 0, 1))  # warm
                    before = cpu_s(pid)
                    seen, took = asyncio.run(
                        load(address, questions, clients, 0, max(options.answers, clients))
                    )
                    used = round((cpu_s(pid) - before) * 1000 / max(1, len(seen.total)), 1)
                    found[name] = figures(seen, clients, took) | {"cpu_ms_per_answer": used}
            rows.append(_joined(found))
            emit(rows[-1])
    emit(
        {
            "benchmark": "serving",
            "engine": options.engine,
            "levels": rows,
            **rows[-1],
            "machine": machine(),
        }
    )


def _joined(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    row, peer = found["ours"], found.get("peer")
    if peer is None:
        return row
    ratio = (
        {"answers_per_s": round(row["answers_per_s"] / peer["answers_per_s"], 2)}
        if peer["answers_per_s"]
        else {}
    )
    if row["ttft_p50"] and peer["ttft_p50"]:
        ratio["ttft_p50"] = round(peer["ttft_p50"] / row["ttft_p50"], 2)
    return row | {"peer": {"name": "llamaindex", **peer}, "ratio": ratio}


def copy_documents(data: Path, folder: Path) -> None:
    """The documents of a domain set as those of a project in `folder`."""
    shutil.copytree(data / "documents", folder / "documents")


def _ours(folder: Path, options: argparse.Namespace) -> list[str]:
    copy_documents(options.data, folder)
    with Project.create(folder, Path("documents")) as project:
        project.ingest()
    if options.engine == "scripted":
        return [sys.executable, "-m", "benchmarks.scripted_server", str(folder)]
    return [sys.executable, "-m", "acclimate", "serve", "--port", "0", "--project", str(folder)]


def _peer(documents: Path, folder: Path) -> list[str]:
    require_peers()
    embedder, model = (
        resolve("all-minilm-l6-v2", "embedder"),
        resolve("smollm2-135m-instruct", "language"),
    )
    script = str(Path(__file__).parent / "peers" / "llamaindex_serve.py")
    return [
        str(PEERS),
        script,
        str(documents.resolve()),
        str(embedder.folder),
        str(model.weights),
        "4",
        "200",
    ]


if __name__ == "__main__":
    main()
