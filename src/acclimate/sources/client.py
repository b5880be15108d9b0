"""Requests to a source's server: to checked addresses only, slowly enough, and never more than asked for.

The connection is made to the address that was checked (see `addresses`), while `Host`, the name in
TLS and the certificate's check stay the host's own. Redirects are followed by hand, each checked as
the first address was; the password goes to the source's own origin only.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpcore
import httpx

from acclimate._version import __version__
from acclimate.errors import NetworkError, SourceError
from acclimate.sources.addresses import AddressGuard
from acclimate.sources.base import Pause, Secret
from acclimate.system.closing import Closing
from acclimate.system.proxies import proxy_of

AGENT = "acclimate"
_MOST_REDIRECTS = 5
_RETRIES = 2
_LONGEST_WAIT_S = 120.0  # that a server may ask for with Retry-After
_BUSY = (429, 503)
_TRANSIENT = (429, 500, 502, 503, 504)
_SLOW = 20.0  # a whole answer may take so many times the longest silence
_PIECE = 1 << 16
_LONGEST_URL = 2000


Admit = Callable[[httpx.URL], None]
"""Raises RefusedError for an address that is out of bounds."""


class RefusedError(SourceError):
    """An address is none that this source may ask."""


class StatusError(SourceError):
    """A server answered with an error."""

    def __init__(self, url: str, status: int, wait_s: float | None = None) -> None:
        said = httpx.codes.get_reason_phrase(status)
        super().__init__(
            f"{url} answers {status} {said}".rstrip() + ".",
            retryable=status in _TRANSIENT,
            wait_s=wait_s,
        )
        self.status = status


@dataclass(frozen=True, slots=True)
class Rules:
    """How a server may be asked. `guard` checks addresses; `admit` is asked of the first
    address and of every redirect."""

    origin: str
    guard: AddressGuard
    admit: Admit
    pause: Pause
    user: str = ""
    secret: Secret = lambda: ""
    proxy: bool = False
    timeout_s: float = 30.0
    per_second: float = 2.0


class Reply:
    """A server's answer, whose body is read piece by piece, once."""

    def __init__(self, url: httpx.URL, reply: httpcore.Response, deadline: float) -> None:
        self.url, self.status = url, reply.status
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reply.headers
        }
        self._reply, self._deadline = reply, deadline

    def pieces(self) -> Iterator[bytes]:
        """The body, unpacked, in pieces of 64 KiB at most. Raises SourceError where it breaks off,
        or is packed in an unknown way."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("identity", ""):
            yield from self._raw()
            return
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise SourceError(f"{self.url} is packed as '{encoding}', which nobody asked for.")
        yield from unpacked(self._raw(), str(self.url))

    def body(self, most: int) -> bytes:
        """The whole body. Raises SourceError where it has more than `most` bytes."""
        content = bytearray()
        for piece in self.pieces():
            content += piece
            if len(content) > most:
                raise SourceError(f"{self.url} has more than {most // 1_000_000} MB.")
        return bytes(content)

    def _raw(self) -> Iterator[bytes]:
        with _as_errors(self.url):
            for piece in self._reply.iter_stream():
                if time.monotonic() > self._deadline:
                    raise SourceError(f"{self.url} sends too slowly.", retryable=True)
                yield piece


def unpacked(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Bytes that gzip or zlib packed, in pieces of 64 KiB at most. Raises SourceError for damaged
    ones."""
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for packed in pieces:
            left = packed
            while left and not unpack.eof:
                if made := unpack.decompress(left, _PIECE):
                    yield made
                left = unpack.unconsumed_tail
        if not unpack.eof:
            raise SourceError(f"{name} breaks off.", retryable=True)
    except zlib.error as error:
        raise SourceError(f"{name} is damaged: {error}.") from error


class Client(Closing):
    """Asks one server."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._origin = httpx.URL(rules.origin)
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self._next = 0.0
        self.delay_s = 1.0 / rules.per_second

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    @contextmanager
    def ask(
        self,
        url: str | httpx.URL,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        accept: tuple[int, ...] = (200,),
    ) -> Iterator[Reply]:
        """The answer to a request, after redirects; busy servers are waited for.

        Raises RefusedError for an address out of bounds, StatusError for a status that is not in
        `accept`, and SourceError where the server cannot be reached.
        """
        target = parse_url(str(url))
        for _ in range(_MOST_REDIRECTS + 1):
            self._rules.admit(target)
            with self._patiently(method, target, headers or {}, content) as reply:
                if reply.status in (301, 302, 303, 307, 308) and method in ("GET", "PROPFIND"):
                    target = parse_url(urljoin(str(target), reply.headers.get("location", "")))
                    continue
                if reply.status not in accept:
                    raise StatusError(str(target), reply.status, _wait(reply))
                yield reply
                return
        raise SourceError(f"{url} is redirected more than {_MOST_REDIRECTS} times.")

    @contextmanager
    def _patiently(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes
    ) -> Iterator[Reply]:
        for attempt in range(_RETRIES + 1):
            last, wait = attempt == _RETRIES, 2.0**attempt
            self._in_turn()
            with ExitStack() as opened:
                try:
                    reply = opened.enter_context(self._open(method, url, headers, content))
                except SourceError as error:
                    if last or not error.retryable:
                        raise
                else:
                    asked = _wait(reply)
                    wait = wait if asked is None else asked
                    if last or reply.status not in _TRANSIENT or wait > _LONGEST_WAIT_S:
                        yield reply
                        return
            self._rules.pause.wait(wait)

    @contextmanager
    def _open(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes
    ) -> Iterator[Reply]:
        limit = self._rules.timeout_s
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), limit)
        with (
            _as_errors(url),
            self._pool(url).stream(
                method,
                str(url),
                headers=list(self._headers(url, headers).items()),
                content=content,
                extensions={"timeout": timeout},
            ) as reply,
        ):
            yield Reply(url, reply, time.monotonic() + _SLOW * limit)

    def _headers(self, url: httpx.URL, more: Mapping[str, str]) -> dict[str, str]:
        headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": f"{AGENT}/{__version__}",
            "Accept-Encoding": "gzip, deflate",
            **more,
        }
        if origin_of(url) == origin_of(self._origin) and (said := self._authorization()):
            headers["Authorization"] = said
        return headers

    def _authorization(self) -> str:
        secret = self._rules.secret()
        if not secret:
            return ""
        if not self._rules.user:
            return f"Bearer {secret}"
        return basic(self._rules.user, secret)

    def _in_turn(self) -> None:
        """Wait until the next request is due."""
        self._rules.pause.check()
        wait = self._next - time.monotonic()
        if wait > 0:
            self._rules.pause.wait(wait)
        self._next = time.monotonic() + self.delay_s

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        found = proxy_of(str(url)) if self._rules.proxy else None
        name = found.url if found else ""
        if found:
            self._rules.guard.check_before_proxy(url.host, url.port or 0)
        if name not in self._pools:
            self._pools[name] = _make_pool(name, self._rules.guard)
        return self._pools[name]


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to addresses that a guard has checked."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard, self._network = guard, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """See `httpcore.NetworkBackend`."""
        fault: Exception | None = None
        for address in self._guard.addresses(host, port):
            try:
                return self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault or httpcore.ConnectError(host)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """No source is there."""
        raise httpcore.ConnectError(path)

    def sleep(self, seconds: float) -> None:
        """See `httpcore.NetworkBackend`."""
        self._network.sleep(seconds)


def _make_pool(proxy: str, guard: AddressGuard) -> httpcore.ConnectionPool:
    try:
        context = httpx.create_ssl_context()
    except OSError as error:
        raise NetworkError(
            f"the certificates of servers cannot be read: {error}.",
            hint="Correct SSL_CERT_FILE or SSL_CERT_DIR, or unset it.",
        ) from error
    if not proxy:
        return httpcore.ConnectionPool(context, network_backend=_CheckedNetwork(guard))
    address = httpx.URL(proxy)
    given = (address.username, address.password) if address.username else None
    plain = str(address.copy_with(username=None, password=None))
    if address.scheme.startswith("socks"):
        return httpcore.SOCKSProxy(proxy_url=plain, proxy_auth=given, ssl_context=context)
    return httpcore.HTTPProxy(proxy_url=plain, proxy_auth=given, ssl_context=context)


def parse_url(text: str) -> httpx.URL:
    """An address that can be asked. Raises RefusedError for one with a user in it, of another kind,
    or that readers of addresses take differently."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise RefusedError("an address is not valid.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise RefusedError(f"{text[:200]} is no address of http or https.")
    if url.userinfo or "\\" in text or len(text) > _LONGEST_URL:
        raise RefusedError(f"{url.scheme}://{url.host}/ is named in a way that is not followed.")
    if any(ord(character) <= 32 for character in text):
        raise RefusedError(f"an address of {url.host} holds a space or a control character.")
    return url.copy_with(fragment=None)


def require_origin(origin: httpx.URL, url: httpx.URL) -> None:
    """Raises RefusedError for an address of another scheme, host or port than `origin`."""
    if origin_of(url) != origin_of(origin):
        raise RefusedError(f"{url} is of another origin than {origin}.")


def origin_of(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port of an address."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}[url.scheme]


def basic(user: str, secret: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def _wait(reply: Reply) -> float | None:
    """The seconds that a busy server asks for."""
    said = reply.headers.get("retry-after", "").strip()
    return float(said) if reply.status in _BUSY and said.isdecimal() and len(said) < 8 else None


@contextmanager
def _as_errors(url: httpx.URL) -> Iterator[None]:
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        said = str(error) or type(error).__name__
        hint = "Behind a proxy: proxy = true in the source's section." if _proxied(url) else ""
        raise SourceError(f"{url} cannot be had: {said}.", hint=hint, retryable=True) from error
    except httpcore.UnsupportedProtocol as error:
        raise SourceError(f"{url} cannot be had: {error}.") from error


def _proxied(url: httpx.URL) -> bool:
    try:
        return proxy_of(str(url)) is not None
    except NetworkError:
        return False
