"""What a server of several projects has beside them: a page that names those that a caller may see,
health for all of them, and what is told of one that could not be opened."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Scope

from acclimate._version import __version__
from acclimate.serving.app import Application, add_errors, add_page
from acclimate.serving.callers import token_of
from acclimate.serving.errors import ApiError
from acclimate.serving.gate import Gate, Rules
from acclimate.serving.keys import PREFIX, SCOPES, Caller
from acclimate.serving.names import PROJECTS, base_of
from acclimate.serving.rate import Rate, retry

_GUESSES = 10  # wrong keys from one address in a minute
_ANYONE = Caller("public", frozenset(SCOPES), frozenset())  # of nothing but what is here
_METHODS = ["GET", "POST", "PUT", "DELETE"]


class Root:
    """The application at "/", behind a gate that knows no keys: nothing of any project is here but
    its name, where a project's own gate would let the caller in, or `[serve] listed` says so."""

    waits = False

    def __init__(
        self,
        applications: Mapping[str, Application],
        failed: Sequence[str],
        draining: threading.Event,
    ) -> None:
        self._up, self._failed, self._draining = dict(applications), set(failed), draining
        self._guesses = Rate(_GUESSES)
        app = FastAPI(title="Acclimate", version=__version__, docs_url=None, redoc_url=None)
        self._add_health(app)
        self._add_projects(app)
        add_page(app, "projects.html")
        add_errors(app)
        self.gate = Gate(app, self, self._rules(), lambda *_served: None)

    def lose(self, name: str) -> None:
        """A project could not be started after all."""
        del self._up[name]
        self._failed.add(name)

    def find(self, _scope: Scope, _headers: Headers) -> Caller:
        """See `KnowsCallers`: everyone, who reaches nothing here but what everyone may."""
        return _ANYONE

    def find_widget(self, _scope: Scope, _headers: Headers) -> Caller:
        """See `KnowsCallers`: widgets are the projects'."""
        raise ApiError(404, "There is no widget at this address.", "not_found")

    def has_widget(self, _origin: str | None) -> bool:
        """See `KnowsCallers`."""
        return False

    def _rules(self) -> Rules:
        """Those of the projects together; each still has its own."""
        every = [one.rules for one in self._up.values()]
        named = {urlsplit(rules.address).hostname or "" for rules in every} - {""}
        bases = {base_of(name) for name in (*self._up, *self._failed)}
        return Rules(
            hosts=frozenset().union(named, *(rules.hosts for rules in every)),
            keyless=any(rules.keyless for rules in every),
            public=Rules().public | bases | {f"{base_of(name)}/" for name in self._failed},
        )

    def _add_health(self, app: FastAPI) -> None:
        @app.get("/healthz", tags=["health"])
        def health() -> dict[str, str]:
            """The process answers."""
            return {"status": "ok"}

        @app.get("/readyz", tags=["health"])
        def ready() -> JSONResponse:
            """Whether a load balancer should send requests here: not while models of any project
            load, nor when the server is told to end. A project that failed keeps no other from
            being served; the numbers tell."""
            states = Counter(str(one.service.state()) for one in self._up.values())
            states["failed"] += len(self._failed)
            state = "ready" if states["ready"] else "unreachable"
            for first in ("draining", "starting"):
                if states[first]:
                    state = first
                    break
            if self._draining.is_set():
                state = "draining"
            told = {"status": state, "projects": dict(+states)}
            return JSONResponse(told, 200 if state == "ready" else 503)

    def _add_projects(self, app: FastAPI) -> None:
        @app.get("/v1/projects")
        def projects(request: Request) -> dict[str, Any]:
            """The projects that the caller may see: that name themselves to everyone ([serve]
            listed), are open to everyone, or know the key or the login."""
            names = self._seen(request.scope, request.headers)
            rows = [{"id": name, "object": "project", "url": f"{base_of(name)}/"} for name in names]
            return {"object": "list", "data": rows}

        @app.get(f"{PROJECTS}/{{name}}", include_in_schema=False)
        def to_page(name: str) -> Response:
            """The page's own addresses are relative to what ends in a slash."""
            if name not in self._up:
                raise self._no_project(name)
            return RedirectResponse(f"{base_of(name)}/", 308)

        @app.api_route(
            f"{PROJECTS}/{{name}}/{{rest:path}}", methods=_METHODS, include_in_schema=False
        )
        def nothing(name: str, rest: str) -> Response:
            """A project that is not there, or was not opened."""
            raise self._no_project(name)

    def _no_project(self, name: str) -> ApiError:
        if name in self._failed:
            say = "This project could not be opened; the server's log says why."
            return ApiError(503, say, "project_failed")
        say = f"There is no project at this address; each is at {PROJECTS}/NAME/."
        return ApiError(404, say, "project_not_found")

    def _seen(self, scope: Scope, headers: Headers) -> list[str]:
        self._count_guess(scope, token_of(headers))
        return [
            name
            for name, one in self._up.items()
            if one.listed or one.callers.knows(scope, headers)
        ]

    def _count_guess(self, scope: Scope, token: str) -> None:
        """The list shall not be a way to try keys that is faster than the projects' own."""
        if not token.startswith(PREFIX):
            return
        address = (scope.get("client") or ("-",))[0]
        if wait := self._guesses.wait(address):
            raise ApiError(429, "Too many wrong keys.", "too_many_guesses", headers=retry(wait))
        if not any(one.callers.opens(token) for one in self._up.values()):
            self._guesses.take(address)
