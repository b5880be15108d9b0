"""What benchmarks share: running a program for its time and memory, and describing the machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PEERS = Path(".venv-peers/bin/python")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def copy_documents(data: Path, files: Sequence[Path], scratch: Path) -> None:
    """Put these documents of a domain set below `scratch`/documents."""
    for file in files:
        target = scratch / file.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)


def machine() -> dict[str, Any]:
    """What a figure depends on, without names or paths of the machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "memory_gb": round(memory / 1e9),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("openvino", "openvino-genai", "tantivy", "tokenizers")
        },
    }


def run(command: list[str], **environment: str) -> tuple[dict[str, Any], float, float]:
    """Run a program that prints a JSON object last: the object, its wall seconds and its peak memory in MB."""
    started = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **environment}
    )
    seconds = time.perf_counter() - started
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return result, seconds, float(result.get("peak_mb", 0))


def peak_mb() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def emit(value: dict[str, Any]) -> None:
    """Print one JSON object on a line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def require_peers() -> None:
    """End with the command that makes the peers' environment, where it is not there."""
    if not PEERS.exists():
        sys.exit("The peers are not installed: scripts/bench --setup")
