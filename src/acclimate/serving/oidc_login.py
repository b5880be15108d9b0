"""Logging in at an OpenID Connect provider, and the cookie by which a browser is known
afterwards."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Scope

from acclimate.serving.errors import ApiError
from acclimate.serving.gate import CALLBACK, LOGIN, LOGOUT
from acclimate.serving.id_token import LoginError
from acclimate.serving.keys import Caller
from acclimate.serving.names import audit_log, base_of
from acclimate.serving.people import Groups
from acclimate.serving.provider import Provider
from acclimate.serving.sessions import Sessions
from acclimate.settings_sections import LoginSettings

_ATTEMPT_S = 600  # to log in at the provider
_SEED = re.compile(r"[A-Za-z0-9_-]{43}")
# One slash and no other, nor what browsers read as one or leave out: no address of another server.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1000}")


class OidcLogin:
    """Knows people by their session's cookie, which browsers send to this project alone. Raises
    SettingsError where settings are missing."""

    engine = "oidc"

    def __init__(self, chosen: LoginSettings, address: str, project: str = "") -> None:
        self._groups, self.address, self.base = Groups.of(chosen), address, base_of(project)
        self.log = audit_log(project)
        self.sessions = Sessions(chosen.idle_minutes * 60, chosen.session_hours * 3600)
        secret = os.environ.get(chosen.client_secret_env, "")
        self.provider = Provider(chosen, address + self.base + CALLBACK, secret)
        self._secure = address.startswith("https:")
        # The prefix makes browsers take it from this server alone, encrypted; but "__Host-" is only
        # for cookies of every path.
        prefix = ("__Secure-" if project else "__Host-") if self._secure else ""
        own = f"{prefix}acclimate-{project}" if project else f"{prefix}acclimate"
        self.session, self.attempt = own, f"{own}-login"

    def caller(self, scope: Scope, headers: Headers) -> Caller | None:
        """See `Login`."""
        token = cookie_of(headers, self.session)
        return self.sessions.find(token) if token else None

    def router(self) -> APIRouter:
        """See `Login`."""
        return make_router(self)

    def close(self) -> None:
        """See `Login`."""
        self.provider.close()

    def enter(self, request: Request, code: str, state: str, issuer: str | None) -> str:
        """The token of a new session for whoever comes back from the provider. Raises LoginError,
        and ApiError for somebody who is not let in."""
        seed, _, _ = cookie_of(request.headers, self.attempt).partition(".")
        if not _SEED.fullmatch(seed) or not hmac.compare_digest(
            derive(seed, "state").encode(), state.encode()
        ):
            raise LoginError("state", "the login was not begun in this browser")
        self.provider.check_sender(issuer)
        if not code:
            raise LoginError("refused", "the provider let nobody in")
        person = self.provider.person(code, derive(seed, "verifier"), derive(seed, "nonce"))
        caller = self._groups.caller(person)
        # A session that was there before, perhaps another's, is never taken over.
        self.leave(request)
        token = self.sessions.begin(caller)
        self.log.info("client=%s key=%s logged in", _client(request), quote(caller.name, safe="@+"))
        return token

    def leave(self, request: Request) -> None:
        """End the session of a browser."""
        if token := cookie_of(request.headers, self.session):
            self.sessions.end(token)

    def keep(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie; with 0 seconds it is taken away."""
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path=f"{self.base}/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def place(self, given: str) -> str:
        """`given` where it is a path of this project, else that of its page."""
        inside = local_path(given).startswith(f"{self.base}/")
        return local_path(given) if inside else f"{self.base}/"


def make_router(login: OidcLogin) -> APIRouter:
    """The routes by which people come and go."""
    router = APIRouter(tags=["login"])

    @router.get(LOGIN, include_in_schema=False)
    def begin(request: Request, then: Annotated[str, Query(max_length=2000)] = "/") -> Response:
        """Send a browser to the provider; afterwards it comes to the place `then` here."""
        seed = secrets.token_urlsafe(32)
        digest = hashlib.sha256(derive(seed, "verifier").encode()).digest()
        try:
            with login.provider.asked():
                place = login.provider.address(
                    derive(seed, "state"), derive(seed, "nonce"), _base64(digest)
                )
        except LoginError as error:
            return _failed(login, request, error.code, str(error))
        response = RedirectResponse(place, 303)
        kept = f"{seed}.{_base64(login.place(then).encode())}"
        login.keep(response, login.attempt, kept, _ATTEMPT_S)
        return response

    @router.get(CALLBACK, include_in_schema=False)
    def come_back(request: Request) -> Response:
        """What the provider sends a browser back to."""
        told = {name: request.query_params.getlist(name) for name in ("code", "state", "iss")}
        if any(len(values) > 1 for values in told.values()):
            return _failed(login, request, "state", "the answer says something twice")
        code, state, issuer = (next(iter(values), None) for values in told.values())
        try:
            with login.provider.asked():
                token = login.enter(request, code or "", state or "", issuer)
        except LoginError as error:
            return _failed(login, request, error.code, str(error))
        except ApiError as error:
            return _failed(login, request, error.code, str(error))
        _, _, then = cookie_of(request.headers, login.attempt).partition(".")
        response = RedirectResponse(login.address + login.place(_text(then)), 303)
        login.keep(response, login.session, token)
        login.keep(response, login.attempt, "", 0)
        return response

    @router.post(LOGOUT)
    def log_out(request: Request) -> JSONResponse:
        """End the session of this browser; the provider's own goes on."""
        login.leave(request)
        response = JSONResponse({"object": "logout"})
        login.keep(response, login.session, "", 0)
        return response

    return router


def local_path(given: str) -> str:
    """`given` where it is a path of this server, else "/"."""
    return given if _LOCAL.fullmatch(given) else "/"


def derive(seed: str, purpose: str) -> str:
    """A secret of one login, made from the `seed` that only the browser keeps: 43 characters."""
    return _base64(hmac.digest(seed.encode(), purpose.encode(), "sha256"))


def cookie_of(headers: Headers, name: str) -> str:
    """A cookie's value; "" where there is none, and where there are two: one may be an attacker's,
    set for a path or for a domain above."""
    found = []
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            key, mark, value = part.strip().partition("=")
            if mark and key == name:
                found.append(value)
    return found[0] if len(found) == 1 else ""


def _failed(login: OidcLogin, request: Request, code: str, reason: str) -> Response:
    """Back to the page, which tells why; the log has the reason."""
    login.log.warning("client=%s login failed: %s (%s)", _client(request), code, reason)
    response = RedirectResponse(f"{login.address}{login.base}/#/login/{code}", 303)
    login.keep(response, login.attempt, "", 0)
    return response


def _client(request: Request) -> str:
    return str((request.scope.get("client") or ("-",))[0])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _text(coded: str) -> str:
    try:
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except (ValueError, UnicodeError):
        return ""
