"""The stores that `benchmarks.ann` compares, started for it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import platformdirs

from acclimate.indexes.approximate import Search
from acclimate.indexes.base import VectorIndex
from acclimate.indexes.postgres import Database
from acclimate.indexes.postgres_vectors import PostgresVectorIndex
from acclimate.indexes.qdrant import QdrantVectorIndex
from acclimate.indexes.rest import Rest
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.testing.servers import postgres_server

_TICKS = os.sysconf("SC_CLK_TCK")
_NAME = "acclimate_benchmark"


@dataclass(frozen=True, slots=True)
class Server:
    """A store of its own `folder`: `pids` are its processes, beside this one; `settle` waits until
    its graph is whole."""

    name: str
    folder: Path
    open_index: Callable[[Search], VectorIndex]
    pids: Callable[[], list[int]] = list
    settle: Callable[[], None] = lambda: None

    def open(self, search: str) -> VectorIndex:
        """The vector index, at first empty."""
        return self.open_index(cast("Search", search))

    def cpu_s(self) -> float:
        """Seconds that this process and the server computed, also on threads that have ended."""
        found = time.process_time()
        for pid in self.pids():
            fields = _read(pid, "stat").rpartition(")")[2].split()
            found += sum(int(field) for field in fields[11:15]) / _TICKS if fields else 0
        return found

    def disk_mb(self) -> int:
        """What the store's files take."""
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        return round(sum(file.stat().st_blocks * 512 for file in files) / 1e6)

    def memory_mb(self) -> int:
        """What this process and the server have in memory, shared pages counted by their share."""
        found = 0
        for pid in [os.getpid(), *self.pids()]:
            lines = _read(pid, "smaps_rollup").splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return round(found / 1000)


def _read(pid: int, name: str) -> str:
    """A file about a process; empty where that has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")
    except OSError:
        return ""


@contextmanager
def local(folder: Path, url: str | None) -> Iterator[Server]:
    """Our exact index in files."""
    yield Server("local", folder, lambda _: ExactVectorIndex(folder))


@contextmanager
def postgres(folder: Path, url: str | None) -> Iterator[Server]:
    """PostgreSQL with pgvector; the one at `url`, or one that is started."""
    if url is not None:
        yield Server("postgres", folder, lambda s: PostgresVectorIndex(Database(url, _NAME), s))
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the package's import warns where unset
    data = folder / "data"
    with postgres_server(data) as address:
        main = int((data / "postmaster.pid").read_text(encoding="utf-8").split()[0])

        def pids() -> list[int]:
            children = _read(main, f"task/{main}/children").split()
            return [main, *map(int, children)]

        def opened(search: Search) -> VectorIndex:
            return PostgresVectorIndex(Database(address, _NAME), search)

        yield Server("postgres", folder, opened, pids)


@contextmanager
def qdrant(folder: Path, url: str | None) -> Iterator[Server]:
    """Qdrant; the one at `url`, or the binary that the tests fetched."""
    if url is not None:
        yield _qdrant_at(url, folder, list)
        return
    binary = Path(platformdirs.user_cache_dir("acclimate-tests"))
    binary /= "qdrant-1.16.3/package/bin/qdrant"
    if not binary.exists():
        raise SystemExit("No Qdrant server is here yet: pytest tests/indexes fetches one")
    ports = [_free_port(), _free_port()]
    settings = {
        "SERVICE__HOST": "127.0.0.1",
        "SERVICE__HTTP_PORT": ports[0],
        "SERVICE__GRPC_PORT": ports[1],
        "STORAGE__STORAGE_PATH": folder / "storage",
        "TELEMETRY_DISABLED": "true",
        "LOG_LEVEL": "ERROR",
    }
    env = os.environ | {f"QDRANT__{key}": str(value) for key, value in settings.items()}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([binary], cwd=folder, env=env, **quiet) as server:  # type: ignore[call-overload]
        address = f"http://127.0.0.1:{ports[0]}"
        try:
            while not _answers(f"{address}/readyz"):
                time.sleep(0.1)
            yield _qdrant_at(address, folder, lambda: [server.pid])
        finally:
            server.terminate()


def _qdrant_at(url: str, folder: Path, pids: Callable[[], list[int]]) -> Server:
    def settle() -> None:
        """Wait for the graph, where there is to be one."""
        while True:
            path = f"{url}/collections/{_NAME}_vectors"
            found = httpx.get(path, timeout=120).json()["result"]
            whole = found["status"] == "green" and found["indexed_vectors_count"] > 0
            if whole or not found["config"]["hnsw_config"]["m"]:
                return
            time.sleep(0.5)

    def opened(search: Search) -> VectorIndex:
        return QdrantVectorIndex(Rest("Qdrant", url, {}), _NAME, search)

    return Server("qdrant", folder, opened, pids, settle)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False
