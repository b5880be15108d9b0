"""`/mcp`, also where the extra that serves it is not installed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.util import find_spec
from typing import Protocol

from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from acclimate.serving.errors import ApiError
from acclimate.serving.gate import MCP
from acclimate.serving.service import Service
from acclimate.types import Answer


class Endpoint(Protocol):
    """An ASGI application that serves requests while `running`."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Entered once, as long as the server runs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""


class McpRoute(Route):
    """The route of the Model Context Protocol.

    It takes POST only: without sessions there is nothing to listen to (GET) or to end (DELETE), and
    the specification has a server answer 405 then.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(MCP, endpoint, methods=["POST"], include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette; names the route for log and figures."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


def open_endpoint(service: Service, hear: Callable[[Answer], None]) -> Endpoint:
    """What serves `/mcp`; without the extra `mcp`, one that says so."""
    if find_spec("mcp") is None:
        return _Missing()
    from acclimate.serving.mcp_server import HttpEndpoint

    return HttpEndpoint(service, hear)


class _Missing:
    """Refuses every request."""

    def running(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        say = "This server was installed without MCP: pip install 'acclimate[mcp]'."
        raise ApiError(501, say, "missing_extra")
