"""The one way in: every request passes here before any route. What is not allowed by a line below
is refused."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acclimate.serving.callers import Callers, own_origins
from acclimate.serving.errors import ApiError, as_api_error
from acclimate.serving.keys import Caller

_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
MCP = "/mcp"
LOGIN, CALLBACK, LOGOUT = "/login", "/login/callback", "/v1/logout"
WIDGET, WIDGET_SCRIPT = "/v1/widget", "/widget.js"
_PUBLIC = frozenset(("/", "/healthz", "/readyz", "/openapi.json", LOGIN, CALLBACK, WIDGET_SCRIPT))
# What the scope "ask" opens; all else needs "manage".
_ASK = frozenset(
    (
        ("GET", "models"),
        ("POST", "chat"),
        ("POST", "embeddings"),
        ("POST", "search"),
        ("GET", "documents"),
        ("GET", "me"),
        ("POST", "feedback"),
        ("GET", "conversations"),
        ("POST", "conversations"),
        ("PUT", "conversations"),
        ("DELETE", "conversations"),
        ("GET", "shared"),
    )
)
_TEXT_BODY = 4_000_000  # bytes of a request that is no upload
_WIDGET_BODY = 100_000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src "
    "'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

# What clients of MCP in a web page send beside.
_MCP_HEADERS = "Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID"

audit = logging.getLogger("acclimate.audit")
log = logging.getLogger(__name__)

OnServed = Callable[[str, str, int, float], None]
"""Called after each request with its route's pattern, method, status and seconds."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The gate's rules: allowed `hosts` and `origins` beside this machine's own, sizes in bytes,
    times in seconds.

    `keyless`: without any key everyone is let in, for a server that only this machine reaches.
    `address` is where browsers reach it, "" where that is no other than it listens at.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    keyless: bool = True
    address: str = ""
    requests_per_minute: int = 600
    upload_bytes: int = 100_000_000
    receive_seconds: float = 20.0


@dataclass(slots=True)
class _RequestLog:
    """What is logged of a request; never the caller's text."""

    caller: str = "-"
    reader: str | None = None  # the origin of another site's page that may read the response
    status: int = 0
    complete: bool = False
    started: float = field(default_factory=time.perf_counter)


class Gate:
    """Host, origin, key, scope, rate and size of each request; security headers and audit log of
    each response."""

    def __init__(self, app: ASGIApp, callers: Callers, rules: Rules, on_served: OnServed) -> None:
        self._app, self._callers, self._rules, self._on_served = app, callers, rules, on_served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        seen = _RequestLog()
        scope["path"] = _tidy(scope["path"])
        headers = Headers(scope=scope)
        out = self._outgoing(send, seen)
        try:
            self._check_host(headers)
            seen.reader = self._check_origin(scope, headers)
            if scope["method"] == "OPTIONS" and "origin" in headers:
                await _preflight(scope["path"])(scope, receive, out)
                return
            if self._callers.waits:
                caller = await run_in_threadpool(self._admit, scope, headers)
            else:
                caller = self._admit(scope, headers)
            seen.caller = caller.name
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, self._incoming(scope, headers, receive), out)
        except Exception as error:
            refused = as_api_error(error)
            if not seen.status:
                await refused.response()(scope, receive, out)
            elif (
                not seen.complete
            ):  # the connection is closed, so that half an answer is not taken for a whole one
                raise ConnectionError("an answer broke off") from None
        finally:
            self._note(scope, seen)

    def _note(self, scope: Scope, seen: _RequestLog) -> None:
        took = time.perf_counter() - seen.started
        client = (scope.get("client") or ("-",))[0]
        known = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
        method = scope["method"] if scope["method"] in known else "-"
        audit.info(
            "client=%s key=%s %s %s status=%d ms=%.1f",
            # quoted: a person's name comes from elsewhere, and shall not look like another field
            *(client, quote(seen.caller, safe="@+"), method, _route(scope)),
            *(seen.status, took * 1000),
        )
        self._on_served(_route(scope), method, seen.status, took)

    def _check_host(self, headers: Headers) -> None:
        """A page elsewhere whose name is made to point here (DNS rebinding) sends its own name."""
        try:
            name = urlsplit(f"//{headers.get('host', '')}").hostname
        except ValueError:
            name = None
        # Nobody can point an address, as against a name, elsewhere; where keys are needed, any
        # address will do.
        known = _LOOPBACK | self._rules.hosts | {urlsplit(self._rules.address).hostname}
        if name not in known - {None} and (self._rules.keyless or not _is_address(name)):
            raise ApiError(
                421, "This server is not reached by that name ([serve] hosts).", "host_not_allowed"
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> str | None:
        """The origin of another site's page that may read the response.

        Pages of other sites may neither read nor act, whatever the method, unless `[serve] origins`
        names them. A widget's page is trusted with the widget alone: never with a key or a login.
        """
        origin, path = headers.get("origin"), scope["path"]
        own = origin is None or origin in own_origins(scope, headers, self._rules.address)
        widget = (path == WIDGET or not own) and self._callers.has_widget(origin)
        if widget and path in (WIDGET, WIDGET_SCRIPT):
            return origin
        listed = origin in self._rules.origins and not widget
        foreign = origin is None and headers.get("sec-fetch-site") in ("cross-site", "same-site")
        closed = not (own or listed) or (foreign and path not in _PUBLIC)
        if closed or path == WIDGET:
            where = "acclimate keys add --widget" if path == WIDGET else "[serve] origins"
            say = f"Pages of that origin may not call this server ({where})."
            raise ApiError(403, say, "origin")
        return origin if listed else None

    def _admit(self, scope: Scope, headers: Headers) -> Caller:
        path: str = scope["path"]
        if scope["method"] in ("GET", "HEAD") and (
            path in _PUBLIC or path.startswith(("/web/", "/reports/"))
        ):
            return Caller("public", frozenset(), frozenset())
        if path == WIDGET:
            return self._callers.find_widget(scope, headers)
        caller = self._callers.find(scope, headers)
        if path == LOGOUT:
            return caller
        wanted = "ask" if _asks(scope["method"], path) else "manage"
        if wanted not in caller.scopes:
            raise ApiError(403, f"This key or login lacks the scope '{wanted}'.", "scope_missing")
        return caller

    def _incoming(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """The body, refused where it is too large or too slow."""
        upload = scope["path"] == "/v1/documents"
        small = _WIDGET_BODY if scope["path"] == WIDGET else _TEXT_BODY
        limit = self._rules.upload_bytes + 100_000 if upload else small  # the form's own lines
        declared = headers.get("content-length", "")
        too_large = ApiError(413, f"The request is larger than {limit:,} bytes.", "too_large")
        if declared.isdigit() and int(declared) > limit:
            raise too_large
        got, done = 0, False

        async def limited() -> Message:
            nonlocal got, done
            if done:
                return await receive()  # waits for the client to leave, as long as it stays
            try:
                message = await asyncio.wait_for(receive(), self._rules.receive_seconds)
            except TimeoutError as error:
                raise ApiError(
                    408, "The request came too slowly.", "too_slow", headers={"Connection": "close"}
                ) from error
            got += len(message.get("body", b""))
            done = not message.get("more_body", False)
            if got > limit:
                raise too_large
            return message

        return limited

    def _outgoing(self, send: Send, seen: _RequestLog) -> Send:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if seen.reader:
                    headers["Access-Control-Allow-Origin"] = seen.reader
                    headers["Access-Control-Expose-Headers"] = "Retry-After"
                    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
                    headers.add_vary_header("Origin")
            await send(message)
            seen.complete = message["type"] == "http.response.body" and not message.get(
                "more_body", False
            )

        return secured


def _tidy(path: str) -> str:
    """The path without the doubled and trailing slashes of addresses that clients put together."""
    path = re.sub("/{2,}", "/", path)
    return path.rstrip("/") if path.startswith(("/v1/", f"{MCP}/")) else path


def _asks(method: str, path: str) -> bool:
    """Whether the scope "ask" opens a route; the tools of MCP only read."""
    parts = path.split("/")
    read = "GET" if method == "HEAD" else method
    return path == MCP or (parts[1] == "v1" and (read, "".join(parts[2:3])) in _ASK)


def _is_address(name: str | None) -> bool:
    try:
        return bool(name) and bool(ipaddress.ip_address(str(name)))
    except ValueError:
        return False


def _preflight(path: str) -> Response:
    methods, more = "GET, POST, PUT, DELETE", f", {_MCP_HEADERS}"
    if path == WIDGET:
        methods, more = "POST", ""
    allowed = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": f"Authorization, Content-Type{more}",
        "Access-Control-Max-Age": "600",
    }
    return Response(status_code=204, headers=allowed)


def _route(scope: Scope) -> str:
    """The route's pattern, so that no name that a caller made up gets into the log."""
    route = scope.get("route")
    return str(getattr(route, "path", "-"))
