"""Listens: binds the address, refuses what would be open to others, and runs the application until
it is stopped."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from acclimate.errors import SettingsError
from acclimate.files.places import under
from acclimate.project import Project
from acclimate.serving.app import create_app, rules_of
from acclimate.serving.keys import keys_of
from acclimate.serving.protocol import BoundedH11Protocol

FINISH_S = 60  # what is being answered when the server is told to stop may take so long
# Longer than clients keep idle connections, so that none is closed under a request.
_KEEP_ALIVE_S = 75
_MOST_CONNECTIONS = 1000


class Server(uvicorn.Server):
    """Serves a project until SIGINT, SIGTERM or `should_exit`; `on_address` is called with the
    address once connections are accepted.

    Raises SettingsError where the address cannot be had, where others than this machine would reach
    a server without keys, and for TLS files that cannot be read.
    """

    def __init__(self, project: Project, on_address: Callable[[str], None]) -> None:
        chosen = project.settings.serve
        login = project.settings.login.engine != "none"
        if not (login or rules_of(project.settings).keyless or keys_of(project.folder).all()):
            raise SettingsError(
                f"'{chosen.host}' would be open to everyone who reaches it: there are no API keys.",
                hint="acclimate keys add NAME, or listen at 127.0.0.1 without [serve] hosts.",
            )
        cert, key = _tls(project)
        config = uvicorn.Config(
            create_app(project),
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
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
        super().__init__(config)
        self._listening = _listen(chosen.host, chosen.port)
        name = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        self._address = f"{'https' if cert else 'http'}://{name}:{self._listening.getsockname()[1]}"
        self._on_address = on_address

    def serve_project(self) -> None:
        """Serve, and finish what is being answered at the end."""
        with self._listening:
            self.run([self._listening])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a stop signal: finish the requests in progress; on the second signal only close.
        The process then ends as done."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            self._on_address(self._address)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(
            f"'{host}' is not an address of this machine: {error}.", hint="[serve] host"
        ) from error
    # On Windows SO_REUSEADDR would let another program take over the port that we listen on.
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    listening.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"{host}:{port} cannot be listened on: {error.strerror}.",
            hint="acclimate serve --port 0 takes a free one.",
        ) from error
    return listening


def _tls(project: Project) -> tuple[Path | None, Path | None]:
    """The certificate and its key. Raises SettingsError where only one is given, or they do not
    fit."""
    chosen = project.settings.serve
    if (chosen.tls_cert is None) != (chosen.tls_key is None):
        raise SettingsError(
            "TLS needs a certificate and its key; only one is set.",
            hint="[serve] tls_cert, tls_key",
        )
    if chosen.tls_cert is None or chosen.tls_key is None:
        return None, None
    cert, key = under(project.folder, chosen.tls_cert), under(project.folder, chosen.tls_key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"{cert} with {key} cannot be used: {error.strerror or error}.", hint="PEM files"
        ) from error
    return cert, key
