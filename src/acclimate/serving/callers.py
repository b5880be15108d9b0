"""Whom a request is from: the holder of an API key, somebody who is logged in, or, on a server that
only this machine reaches, whoever calls."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.types import Scope

from acclimate.errors import SettingsError
from acclimate.indexes.shared import Shared
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import LOCAL, PREFIX, Caller, Key, Keys
from acclimate.serving.people import Login
from acclimate.serving.rate import counter, retry
from acclimate.serving.widgets import WidgetLimits

_GUESSES = 10  # wrong keys from one address in a minute
_READS = ("GET", "HEAD")
log = logging.getLogger(__name__)


class Callers:
    """Knows callers by `keys` and, where there is one, `login`, each with its rate.

    `keyless`: without any key everyone is let in. `address` is where browsers reach the server, ""
    where it is no other than it listens at. With what servers `shared` of a library, callers are
    counted for all of them.
    """

    def __init__(
        self,
        keys: Keys,
        login: Login | None,
        *,
        keyless: bool,
        address: str,
        per_minute: int,
        shared: Shared | None = None,
    ) -> None:
        self._keys, self._login = keys, login
        self._keyless, self._address = keyless, address
        self._requests = counter(shared, "caller", per_minute)
        self._guesses = counter(shared, "address", _GUESSES)
        self._widgets = WidgetLimits(shared)
        self.waits = shared is not None  # for a database, when somebody is counted

    def find(self, scope: Scope, headers: Headers) -> Caller:
        """The caller. Raises ApiError where nobody is known (401), or not let in (403), beyond the
        rate (429), and for what a page of another site made a browser send."""
        given, token = _credentials(headers)
        # A proxy may pass on credentials that it took itself; a key of ours comes before a login.
        if self._login is not None and not given.startswith(PREFIX):
            caller = self._login.caller(scope, headers)
            if caller is not None:
                self._check_own_page(scope, headers)
                return self._counted(caller)
        key = self._key(given)
        if key is not None and key.widget is not None:
            raise ApiError(403, "The key of a widget opens the widget alone.", "widget_key")
        if key is not None:
            return self._counted(key.caller)
        if self._keyless and not self._all_keys():
            return LOCAL
        self._count_guess(scope, token)
        raise self._unknown()

    def find_widget(self, scope: Scope, headers: Headers) -> Caller:
        """The caller of a widget, by a widget's key and the origin of its page: no login and no
        other key counts there. Raises ApiError for what is not such a key (401), for another origin
        (403) and beyond the key's rates (429)."""
        given, token = _credentials(headers)
        key = self._key(given)
        if key is None or key.widget is None:
            self._count_guess(scope, token)
            challenge = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "Give a valid widget key.", "invalid_api_key", headers=challenge)
        if headers.get("origin") not in key.widget.origins:
            raise ApiError(403, "This widget is not for pages of that origin.", "origin")
        self._widgets.count(key.id, key.widget, _address(scope))
        return key.caller

    def has_widget(self, origin: str | None) -> bool:
        """Whether a widget is for pages of `origin`. Raises ApiError where the keys cannot be
        read."""
        try:
            return origin in self._keys.widget_origins()
        except SettingsError as error:
            raise _unreadable(error) from error

    def _key(self, token: str) -> Key | None:
        try:
            return self._keys.find(token) if token else None
        except SettingsError as error:
            raise _unreadable(error) from error

    def _all_keys(self) -> list[Key]:
        try:
            return self._keys.all()
        except SettingsError as error:
            raise _unreadable(error) from error

    def _counted(self, caller: Caller) -> Caller:
        if wait := self._requests.wait(caller.id):
            raise ApiError(429, "Too many requests.", "rate_limited", headers=retry(wait))
        self._requests.take(caller.id)
        return caller

    def _check_own_page(self, scope: Scope, headers: Headers) -> None:
        """A browser sends a login along with whatever a page makes it send, as it does not with a
        key. So only our own page may call with one, and changes need the proof that it does."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        own = self._address or own_origins(scope, headers, "")[0]
        proven = origin == own or (origin is None and site == "same-origin")
        reads = scope["method"] in _READS and origin is None
        if not (proven or reads):
            say = (
                f"With a login only the page at {own} may do that ([login] address). "
                "Programs use an API key."
            )
            raise ApiError(403, say, "csrf")

    def _count_guess(self, scope: Scope, token: str) -> None:
        """Slow down who tries keys; whoever has a valid one is let in from the same address."""
        address = _address(scope)
        if wait := self._guesses.wait(address):
            raise ApiError(429, "Too many wrong keys.", "too_many_guesses", headers=retry(wait))
        if token:
            self._guesses.take(address)

    def _unknown(self) -> ApiError:
        challenge = {"WWW-Authenticate": "Bearer"}
        if self._login is None:
            say = "Give a valid API key: Authorization: Bearer KEY."
            return ApiError(401, say, "invalid_api_key", headers=challenge)
        say = {
            "header": "Come through the proxy that logs you in, or give an API key.",
            "oidc": "Log in at /login, or give an API key: Authorization: Bearer KEY.",
        }[self._login.engine]
        return ApiError(401, say, f"login_{self._login.engine}", headers=challenge)


def own_origins(scope: Scope, headers: Headers, address: str) -> tuple[str, ...]:
    """The origins of this server's own page: as it was called, and `address`."""
    here = f"{scope['scheme']}://{headers.get('host', '')}"
    return (here, address) if address and address != here else (here,)


def _credentials(headers: Headers) -> tuple[str, str]:
    """The bearer token, "" where there is none, and what was sent of whatever kind."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.casefold() == "bearer" else "", token


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("-",))[0])


def _unreadable(error: SettingsError) -> ApiError:
    log.error("%s", error)
    return ApiError(503, "The keys cannot be read.", "keys")
