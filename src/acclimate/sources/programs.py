"""Runs a program within limits of time and of what it writes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from acclimate.errors import SourceError
from acclimate.sources.base import Pause
from acclimate.system import ending

_LOOK_S = 0.1
_SAID_BYTES = 2000


def run_within(
    command: Sequence[str],
    environment: Mapping[str, str],
    pause: Pause,
    *,
    seconds: float,
    folder: Path,
    most_bytes: int,
    told: bytes = b"",
) -> bytes:
    """What a program prints that runs in `folder` and reads `told`.

    It is ended where it takes longer than `seconds`, or `folder` grows past `most_bytes`.

    Raises SourceError with the end of its complaints where it fails.
    """
    until = time.monotonic() + seconds
    with ExitStack() as opened:
        out, complaints, reads = (opened.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        reads.write(told)
        reads.seek(0)
        process = ending.start(
            command,
            stdin=reads,
            stdout=out,
            stderr=complaints,
            cwd=folder,
            env=dict(environment),
        )
        try:
            while True:
                try:
                    process.wait(_LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    pause.check()
                if time.monotonic() > until:
                    raise SourceError(
                        f"{command[0]} took longer than {seconds:.0f} s (timeout_s).",
                        retryable=True,
                    )
                if _size(folder) > most_bytes or os.fstat(out.fileno()).st_size > most_bytes:
                    raise SourceError(
                        f"{command[0]} fetches more than {most_bytes // 1_000_000:,} MB.",
                        hint="Raise max_total_mb, if the repository is that large.",
                    )
        finally:
            ending.stop(process)
        if process.returncode:
            complaints.seek(0)
            said = complaints.read().decode("utf-8", "replace")[-_SAID_BYTES:].strip()
            raise SourceError(said or f"{command[0]} ended with {process.returncode}.")
        out.seek(0)
        return out.read()


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:  # it has just gone
            continue
    return total
