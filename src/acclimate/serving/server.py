"""Listens, and runs the application until it is stopped."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from acclimate.project import Project
from acclimate.serving.app import create_app
from acclimate.serving.listening import Listening, listening_of
from acclimate.serving.protocol import BoundedH11Protocol

FINISH_S = 60  # what is being answered when the server is told to stop may take so long
# Longer than clients keep idle connections, so that none is closed under a request.
_KEEP_ALIVE_S = 75
_MOST_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class Site:
    """What a server serves, and where; it is told by `draining` that it is about to end."""

    app: ASGIApp
    listening: Listening
    draining: threading.Event


class Server(uvicorn.Server):
    """Serves a project alone, or several as a site, until SIGINT, SIGTERM or `should_exit`;
    `on_address` is called with the address once connections are accepted.

    Raises SettingsError where the address cannot be had, where others than this machine would reach
    a server without keys, and for TLS files that cannot be read.
    """

    def __init__(self, served: Project | Site, on_address: Callable[[str], None]) -> None:
        site = _alone(served) if isinstance(served, Project) else served
        chosen = site.listening
        self._draining, self._drain_s = site.draining, chosen.drain_seconds
        self._drained: float | None = None  # when it stops to listen
        config = uvicorn.Config(
            site.app,
            http=type(
                "BoundedH11Protocol", (BoundedH11Protocol,), {"patience": chosen.receive_seconds}
            ),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # else whoever is on this machine could give any address as its own
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=FINISH_S,
            ssl_certfile=chosen.cert,
            ssl_keyfile=chosen.key,
        )
        super().__init__(config)
        self._listening = chosen.bind()
        self._address = chosen.address(self._listening)
        self._on_address = on_address

    def serve_project(self) -> None:
        """Serve, and finish what is being answered at the end."""
        with self._listening:
            self.run([self._listening])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a stop signal: finish the requests in progress; on the second signal only close.
        The process then ends as done.

        At SIGTERM it first drains: `/readyz` says so, and requests are taken until load balancers
        have seen it, for `[serve] drain_seconds`.
        """
        if sig == signal.SIGTERM and self._drain_s and not self._draining.is_set():
            self._draining.set()
            self._drained = time.monotonic() + self._drain_s
            return
        self._draining.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn; whether to end now."""
        if self._drained is not None and time.monotonic() >= self._drained:
            self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            self._on_address(self._address)


def _alone(project: Project) -> Site:
    draining = threading.Event()
    listening = listening_of(project)
    return Site(create_app(project, draining).gate, listening, draining)
