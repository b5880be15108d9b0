"""Where a server listens, by `[serve]`; it listens to others only with keys or logins."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from acclimate.errors import SettingsError
from acclimate.files.places import under
from acclimate.project import Project
from acclimate.serving.app import rules_of
from acclimate.serving.keys import keys_of


@dataclass(frozen=True, slots=True)
class Listening:
    """Address and TLS files; seconds to drain, and to wait for the head of a request."""

    host: str
    port: int
    cert: Path | None
    key: Path | None
    drain_seconds: float
    receive_seconds: float

    def bind(self) -> socket.socket:
        """A socket at the address. Raises SettingsError where it cannot be had."""
        return _bind(self.host, self.port)

    def address(self, bound: socket.socket) -> str:
        """The address as a browser takes it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.cert else 'http'}://{name}:{bound.getsockname()[1]}"


def listening_of(project: Project) -> Listening:
    """What `[serve]` of the project says.

    Raises SettingsError where others than this machine would reach a server without keys, and for
    TLS files that cannot be read.
    """
    chosen = project.settings.serve
    login = project.settings.login.engine != "none"
    if not (login or rules_of(project.settings).keyless or keys_of(project.folder).all()):
        raise SettingsError(
            f"'{chosen.host}' would be open to everyone who reaches it: there are no API keys.",
            hint="acclimate keys add NAME, or listen at 127.0.0.1 without [serve] hosts.",
        )
    cert, key = _tls(project)
    return Listening(
        chosen.host, chosen.port, cert, key, chosen.drain_seconds, chosen.receive_seconds
    )


def _bind(host: str, port: int) -> socket.socket:
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
