"""A real server on this machine for tests of clients: HTTP, keys and all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from acclimate.project import Project
from acclimate.serving.server import Server, Site

_STARTS_S = 60.0


@contextmanager
def serve_project(served: Project | Site) -> Iterator[str]:
    """Serve a project, as its `[serve]` says, or several, while the context lasts; the address. The
    server closes them."""
    addresses: Queue[str] = Queue()
    server = Server(served, addresses.put)
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
