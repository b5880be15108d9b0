"""Holds the optional parsers, each in an environment of its own, to the parsers' contract, through the sandbox.

    python -m benchmarks.engines --python docling=PYTHON --python docling-native=PYTHON --python dedoc=PYTHON

`scripts/bench --setup` makes `.venv-docling` and `.venv-dedoc`, which are taken where no PYTHON is named. One JSON
object for each engine and format: "kept", or "broken" with the rule, or "blocked" with the reason that the engine gave.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from acclimate.documents.engines import ENGINES
from acclimate.documents.parsers import detect
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.errors import DocumentError
from acclimate.testing.documents import SAMPLES, check_parser
from benchmarks.harness import emit, machine

_PLAIN = {"docling-native": ("pdf",)}  # no model, so no headings, lists or tables there
LIMITS = Limits(seconds=300, memory_mb=16_000)


def main() -> None:
    """Check each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=PYTHON")
    options = parser.parse_args()
    chosen = dict(pair.split("=", 1) for pair in options.python)
    results = {}
    for name in ENGINES:
        python = chosen.get(name, f".venv-{name.split('-')[0]}/bin/python")
        if Path(python).exists():
            results[name] = check(name, python)
            emit({"benchmark": "engines", "engine": name, **results[name]})
    emit({"benchmark": "engines", "engines": results, "machine": machine()})


def check(name: str, python: str) -> dict[str, Any]:
    """The contract's outcome for each format that an engine reads."""
    package = ENGINES[name].package
    asked = f"from importlib.metadata import version; print(version('{package}'))"
    version = subprocess.run(
        [python, "-c", asked], capture_output=True, text=True, check=True
    ).stdout.strip()
    found: dict[str, Any] = {"version": version}
    sandbox = Sandbox(LIMITS, 1, name, python)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for kind, make in SAMPLES.items():
                file = Path(folder, f"probe.{kind}")
                make(file)
                if detect(file) in ENGINES[name].formats:
                    found[kind] = _outcome(sandbox, Path(folder), kind, _PLAIN.get(name, ()))
    finally:
        sandbox.close()
    return found


def _outcome(sandbox: Sandbox, folder: Path, kind: str, plain: tuple[str, ...]) -> str:
    started = time.perf_counter()
    try:
        check_parser(sandbox, folder, [kind], plain)
    except AssertionError as error:
        return f"broken: {error}"
    except DocumentError as error:
        return f"blocked: {error} ({error.hint})"
    return f"kept, {time.perf_counter() - started:.1f} s"


if __name__ == "__main__":
    main()
