"""A real server on this machine for tests of clients: HTTP, keys and all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from acclimate.project import Project
from acclimate.serving.server import Server

_STARTS_S = 60.0


@contextmanager
def serve_project(project: Project) -> Iterator[str]:
    """Serve `project`, as its `[serve]` says, while the context lasts; its address. The server
    closes the project."""
    addresses: Queue[str] = Queue()
    server = Server(project, addresses.put)
    thread = threading.Thread(target=server.serve_project, name="server", daemon=True)
    thread.start()
    try:
        yield addresses.get(timeout=_STARTS_S)
    finally:
        server.should_exit = True
        thread.join()


def asked(question: str, **fields: Any) -> dict[str, Any]:
    """The body of a question to `/v1/chat/completions`."""
    return {"model": "rag", "messages": [{"role": "user", "content": question}], **fields}
