"""The Model Context Protocol over stdin and stdout, for a program that starts this one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import anyio
from mcp.server.stdio import stdio_server

from acclimate.errors import SettingsError
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import LOCAL, Caller, Keys
from acclimate.serving.mcp_server import Context, make_server
from acclimate.serving.rate import Rate, retry
from acclimate.serving.service import Service

KEY_VARIABLE = "ACCLIMATE_API_KEY"
_LOOK_S = 0.5  # between looks for a signal; Windows wakes no thread that waits


class Holder:
    """The caller who holds `token`, looked up at every request: a key that is removed counts no
    more.

    Raises SettingsError where there is no such key, or it may not ask.
    """

    def __init__(self, keys: Keys, token: str, requests_per_minute: int) -> None:
        self._keys, self._token = keys, token
        self._rate, self._lock = Rate(requests_per_minute), threading.Lock()
        key = keys.find(token)
        if key is None:
            raise SettingsError(
                f"{KEY_VARIABLE} holds no key of this project.", hint="acclimate keys add NAME"
            )
        if "ask" not in key.scopes:
            raise SettingsError(f"the key '{key.name}' lacks the scope 'ask'.")

    def __call__(self, _ctx: Context) -> Caller:
        """The caller. Raises ApiError where its key was removed, and beyond its rate."""
        with self._lock:
            key = self._keys.find(self._token)
            if key is None or "ask" not in key.scopes:
                raise ApiError(401, "The API key is no longer valid.", "invalid_api_key")
            if wait := self._rate.wait(key.id):
                raise ApiError(429, "Too many requests.", "rate_limited", headers=retry(wait))
            self._rate.take(key.id)
            return key.caller


def whose(keys: Keys, requests_per_minute: int) -> Callable[[Context], Caller]:
    """Who asks: the holder of the key in the environment; without one, whoever started this
    process, who can read the project's files anyway."""
    token = os.environ.get(KEY_VARIABLE, "")
    return Holder(keys, token, requests_per_minute) if token else lambda _ctx: LOCAL


def serve_stdio(service: Service, who: Callable[[Context], Caller]) -> None:
    """Serve until stdin ends. Call it in the main thread, which signals interrupt.

    Stdout belongs to the protocol: what else is printed goes to stderr from here on.
    """
    wire = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), 1)  # what compiled code prints
    server: Any = make_server(service, who, lambda _answer: None)

    async def serve() -> None:
        async with stdio_server(stdout=anyio.wrap_file(wire)) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    done: Future[None] = Future()
    thread = threading.Thread(target=_run, args=(serve, done), name="mcp", daemon=True)
    thread.start()  # a thread that reads stdin cannot be interrupted; this one can
    while thread.is_alive():
        thread.join(_LOOK_S)
    done.result()


def _run(serve: Callable[[], Any], done: Future[None]) -> None:
    try:
        anyio.run(serve)
        done.set_result(None)
    except BaseException as error:
        done.set_exception(error)
