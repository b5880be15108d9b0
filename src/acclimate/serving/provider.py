"""An OpenID Connect provider: where people log in, and who it says they are.

Authorisation code with PKCE (RFC 7636) by OpenID Connect Core 1.0. What the provider says counts
only by its ID token, whose signature and claims are checked; no other token is used or kept.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from acclimate.errors import SettingsError
from acclimate.serving.id_token import Expected, LoginError, check_id_token, usable_keys
from acclimate.serving.people import Person, person_of
from acclimate.settings_sections import LoginSettings
from acclimate.system.proxies import is_here, routes

_DISCOVERY = "/.well-known/openid-configuration"
_FRESH_S = 600.0  # how long what discovery said is used
_MOST_BYTES = 1_000_000
_MOST_AT_ONCE = 16  # logins: each holds a thread while the provider thinks
_LONGEST_S = 20.0  # one answer of the provider
_NAMES = ("preferred_username", "email", "name", "sub")


class Provider:
    """The provider that `[login]` names. Raises SettingsError where settings are missing."""

    def __init__(
        self,
        chosen: LoginSettings,
        redirect: str,
        secret: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        _check(chosen)
        self._chosen, self._redirect, self._secret, self._now = chosen, redirect, secret, now
        self._lock, self._room = threading.Lock(), threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._known: tuple[Mapping[str, Any], float] = ({}, 0.0)
        self._client = httpx.Client(
            follow_redirects=False, timeout=httpx.Timeout(10, connect=5), transport=routes(httpx)
        )

    @contextmanager
    def asked(self) -> Iterator[None]:
        """One login's turn to ask the provider. Raises LoginError where too many do."""
        if not self._room.acquire(blocking=False):
            raise LoginError("unreachable", "too many people log in at once")
        try:
            yield
        finally:
            self._room.release()

    def address(self, state: str, nonce: str, challenge: str) -> str:
        """Where a browser goes to log in. Raises LoginError where the provider does not say."""
        asked = {
            "response_type": "code",
            "client_id": self._chosen.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(dict.fromkeys(("openid", *self._chosen.ask_for))),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        place = self._place("authorization_endpoint")
        return f"{place}{'&' if urlsplit(place).query else '?'}{urlencode(asked)}"

    def check_sender(self, issuer: str | None) -> None:
        """Refuse an answer of another provider (RFC 9207). Raises LoginError."""
        wanted = self._metadata().get("authorization_response_iss_parameter_supported") is True
        if issuer != self._chosen.issuer and (issuer is not None or wanted):
            raise LoginError("token", "the answer is of another issuer")

    def person(self, code: str, verifier: str, nonce: str) -> Person:
        """Who logged in. Raises LoginError where the provider does not prove it."""
        token = self._redeem(code, verifier)
        keys = usable_keys(self._get("jwks_uri").get("keys"))
        listed = self._metadata().get("id_token_signing_alg_values_supported")
        expected = Expected(
            issuer=self._chosen.issuer,
            client_id=self._chosen.client_id,
            nonce=nonce,
            algorithms=frozenset(map(str, listed)) if isinstance(listed, list) else None,
            skew_s=self._chosen.clock_skew_s,
        )
        claims = check_id_token(token, keys, expected, self._now)
        name = next(
            (value for key in _NAMES if isinstance(value := claims.get(key), str) and value), ""
        )
        groups = groups_of(claims, self._chosen.groups_claim)
        return person_of(self._chosen.issuer, str(claims["sub"]), name, groups)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _redeem(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        methods = self._metadata().get("token_endpoint_auth_methods_supported")
        if not self._secret:
            form["client_id"] = self._chosen.client_id
        elif not isinstance(methods, list) or "client_secret_basic" in methods:
            pair = (quote(self._chosen.client_id, safe=""), quote(self._secret, safe=""))
            headers["Authorization"] = "Basic " + b64encode(":".join(pair).encode()).decode()
        else:
            form |= {"client_id": self._chosen.client_id, "client_secret": self._secret}
        told = self._fetch("POST", self._place("token_endpoint"), headers, form)
        token = told.get("id_token")
        if not isinstance(token, str):
            raise LoginError("unreachable", "the token endpoint gave no ID token")
        return token

    def _metadata(self) -> Mapping[str, Any]:
        """What discovery says. Raises LoginError where it is not there, or is another issuer's."""
        with self._lock:
            known, until = self._known
            if known and until > time.monotonic():
                return known
            place = self._chosen.issuer.rstrip("/") + _DISCOVERY
            known = self._fetch("GET", place, {"Accept": "application/json"})
            if known.get("issuer") != self._chosen.issuer:
                raise LoginError("unreachable", "discovery names another issuer than [login]")
            self._known = (known, time.monotonic() + _FRESH_S)
            return known

    def _get(self, name: str) -> Mapping[str, Any]:
        return self._fetch("GET", self._place(name), {"Accept": "application/json"})

    def _place(self, name: str) -> str:
        """An address that discovery names; encrypted, unless the issuer is on this machine."""
        place = self._metadata().get(name)
        if not isinstance(place, str) or not _is_safe(place):
            raise LoginError("unreachable", f"discovery names no usable {name}")
        return place

    def _fetch(
        self,
        method: str,
        place: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """The JSON object at `place`; redirects are not followed, which could lead anywhere."""
        body, until = bytearray(), time.monotonic() + _LONGEST_S
        try:
            with self._client.stream(method, place, headers=headers, data=form) as answer:
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES or time.monotonic() > until:
                        raise LoginError("unreachable", f"{method} gave too much, or too slowly")
            told = json.loads(body)
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            say = f"{method} {urlsplit(place).path} failed: {type(error).__name__}"
            raise LoginError("unreachable", say) from error
        if not answer.is_success or not isinstance(told, dict):
            say = f"{method} {urlsplit(place).path} gave status {answer.status_code}"
            raise LoginError("unreachable", say)
        return told


def groups_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """The groups in the claim `name`, a list or one text; a claim of exactly that name comes before
    one inside others, which dots lead to. Empty where there is none."""
    held: Any = claims.get(name)
    if held is None:
        held = claims
        for part in name.split("."):
            held = held.get(part) if isinstance(held, dict) else None
    if isinstance(held, str):
        return [held]
    return [one for one in held if isinstance(one, str)] if isinstance(held, list) else []


def _is_safe(place: str) -> bool:
    try:
        parts = urlsplit(place)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_here(host)))


def _check(chosen: LoginSettings) -> None:
    missing = [key for key in ("issuer", "client_id", "address") if not getattr(chosen, key)]
    if missing:
        raise SettingsError(
            f"[login] engine = 'oidc' needs {', '.join(missing)}.",
            hint='issuer = "https://login.example.org", client_id = "acclimate", '
            'address = "https://docs.example.org"',
        )
    if not _is_safe(chosen.issuer) or urlsplit(chosen.issuer).query:
        raise SettingsError(
            f"[login] issuer: '{chosen.issuer}' is no https address.",
            hint="It is the `issuer` in the provider's /.well-known/openid-configuration.",
        )
