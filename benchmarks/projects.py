"""Several projects in one server: how much memory does each further one take?

    python -m benchmarks.projects [--projects 1,2,4] [--documents 50] [--engine auto]

Makes projects with the default models and documents of their own, serves so many of them by one `acclimate serve`, asks
each five questions, and reads the process's memory. Prints one JSON object; `further_mb` is what each project after the
first takes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import emit, machine
from benchmarks.serving import resident_mb, running

ACCLIMATE = [sys.executable, "-m", "acclimate"]
ASKED = 5


def make(folder: Path, name: str, documents: int, engine: str) -> None:
    """A project whose documents nobody else has, ingested."""
    place = folder / name / "documents"
    place.mkdir(parents=True)
    for number in range(documents):
        text = f"# Gauge {name}{number}\n\nThe gauge {name}{number} shows {number * 7 + 3} bar. It is in room {number}.\n"
        (place / f"{number}.md").write_text(text * 5)
    settings = f'[documents]\npath = "documents"\n[model]\nengine = "{engine}"\n[serve]\nport = 0\n'
    (folder / name / "acclimate.toml").write_text(settings)
    subprocess.run(
        [*ACCLIMATE, "ingest", "-p", str(folder / name)], check=True, capture_output=True
    )


def measure(folder: Path, names: list[str]) -> dict[str, Any]:
    """Memory of one server of these projects, in MB, once it is ready, and after the questions; the answers that were
    right."""
    places = [f"{name}={folder / name}" for name in names]
    right = 0
    with running([*ACCLIMATE, "serve", *places], folder) as (address, pid):
        ready = resident_mb(pid)
        for number in range(ASKED):
            for name in names:
                asked = f"How many bar does the gauge {name}{number} show?"
                body = {"model": "rag", "messages": [{"role": "user", "content": asked}]}
                sent = httpx.post(f"{address}/p/{name}/v1/chat/completions", json=body, timeout=300)
                sent.raise_for_status()
                right += str(number * 7 + 3) in sent.json()["choices"][0]["message"]["content"]
        after = resident_mb(pid)
    return {
        "projects": len(names),
        "ready_mb": round(ready),
        "asked_mb": round(after),
        "right": f"{right} of {ASKED * len(names)}",
    }


def main() -> int:
    """Run it; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", default="1,2,4")
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    wanted = sorted({int(number) for number in options.projects.split(",")})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = [f"p{number}" for number in range(wanted[-1])]
        for name in names:
            make(folder, name, options.documents, options.engine)
        rows = [measure(folder, names[:number]) for number in wanted]
    first, last = rows[0], rows[-1]
    more = last["projects"] - first["projects"]
    further = round((last["asked_mb"] - first["asked_mb"]) / more) if more else None
    emit(
        {
            "projects": {"engine": options.engine, "servers": rows, "further_mb": further},
            "machine": machine(),
        }
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
