"""Proxies: which one a request goes through, by the usual environment variables. This machine needs
none.

HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, in small letters or capitals, name one for addresses of http,
of https, and of both; NO_PROXY lists the hosts that need none. Requests to this machine go straight
to it whatever is set: a proxy is another machine, whose `localhost` is not this one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from acclimate.errors import NetworkError
from acclimate.system.closing import Closing

_KINDS = ("http", "https", "socks5", "socks5h")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address as the environment variable `variable` gives it; it may hold a password."""

    variable: str
    url: str

    @property
    def shown(self) -> str:
        """For people: without user and password, and with the variable."""
        kind, _, rest = self.url.partition("://")
        return f"{kind}://{rest.rpartition('@')[2]} ({self.variable})"


def is_here(host: str) -> bool:
    """Whether `host` is this machine, by its name or address alone."""
    name = host.strip("[]").rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def proxy_of(url: str) -> Proxy | None:
    """The proxy for a request to `url`; None where it goes straight.

    Raises NetworkError for one that cannot be used.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_here(host):
        return None
    found = next(filter(None, map(_set, (f"{parts.scheme}_proxy", "all_proxy"))), None)
    if found is None or proxy_bypass(host):
        return None
    _require_usable(found)
    return found


def through(url: str) -> str:
    """What to say of a request to `url` that failed: " through the proxy …"; "" where it goes
    straight."""
    proxy = proxy_of(url)
    return f" through the proxy {proxy.shown}" if proxy else ""


def straight_to_here() -> dict[str, str]:
    """Environment variables by which a child process goes straight to this machine, too."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = ",".join(filter(None, (listed, "localhost", "127.0.0.1", "::1")))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def _set(name: str) -> Proxy | None:
    """What a variable says, in small letters or, where that is empty, in capitals."""
    for variable in (name, name.upper()):
        if value := os.environ.get(variable, "").strip():
            return Proxy(variable, value if "://" in value else f"http://{value}")
    return None


def _require_usable(proxy: Proxy) -> None:
    parts = urlsplit(proxy.url)
    try:
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        sound = False
    if not sound:
        raise NetworkError(
            f"the proxy {proxy.shown} is not an address.",
            hint=f"export {proxy.variable}=http://HOST:PORT, or unset it",
        )
    if parts.scheme not in _KINDS:
        raise NetworkError(
            f"the proxy {proxy.shown} is of the kind '{parts.scheme}', which is not known.",
            hint=f"Write {proxy.variable} with one of {', '.join(_KINDS)} (socks:// is mostly "
            f"socks5://), or unset it.",
        )
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise NetworkError(
            f"the proxy {proxy.shown} is a SOCKS proxy, and the package socksio is not installed.",
            hint=f"pip install socksio, or unset {proxy.variable}",
        )


def routes(library: ModuleType) -> Any:
    """A transport for a client of `library` (httpx, or httpx2): each request takes its own proxy,
    or none.

    Errors of the network name the proxy, if any. Requests raise NetworkError for a proxy that
    cannot be used.
    """
    return _Routes(library)


class _Routes(Closing):
    """See `routes`."""

    def __init__(self, library: ModuleType) -> None:
        self._library: Any = library
        self._ways: dict[Proxy | None, Any] = {}

    def handle_request(self, request: Any) -> Any:
        """See `httpx.BaseTransport`."""
        proxy = proxy_of(str(request.url))
        if proxy not in self._ways:
            self._ways.setdefault(proxy, self._way(proxy))
        try:
            return self._ways[proxy].handle_request(request)
        except self._library.TransportError as error:
            if proxy is None:
                raise
            raise type(error)(f"{error}, through the proxy {proxy.shown}") from error

    def _way(self, proxy: Proxy | None) -> Any:
        try:
            return self._library.HTTPTransport(proxy=proxy.url if proxy else None)
        except OSError as error:  # no certificates where the environment says that they are
            named = " and ".join(
                f"{name}={os.environ[name]}" for name in _CERTIFICATES if name in os.environ
            )
            raise NetworkError(
                f"the certificates of servers cannot be read ({named or error}).",
                hint="Correct SSL_CERT_FILE or SSL_CERT_DIR, or unset it.",
            ) from error

    def close(self) -> None:
        """Close all connections."""
        for way in self._ways.values():
            way.close()
