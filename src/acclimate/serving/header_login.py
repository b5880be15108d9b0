"""People who logged in at a proxy in front of the server, which tells their names in headers.

Anybody can send such headers, so they count from the proxies' own addresses only, and only where
they leave no doubt: a proxy that adds its header to one that a client sent would make two of them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.types import Scope

from acclimate.errors import SettingsError
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.people import Groups, person_of
from acclimate.settings_sections import LoginSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
# Headers that mean something else already, or that clients always send.
_TAKEN = frozenset(("authorization", "cookie", "host", "origin", "content-type", "user-agent"))


class HeaderLogin:
    """Believes the headers of trusted proxies. Raises SettingsError where `[login]` is not enough
    to know these."""

    engine = "header"

    def __init__(self, chosen: LoginSettings) -> None:
        self._groups = Groups.of(chosen)
        self._proxies = _networks(chosen.trusted_proxies)
        self._user, self._group = _header(chosen.user_header), _header(chosen.groups_header)
        self._separator = chosen.groups_separator

    def caller(self, scope: Scope, headers: Headers) -> Caller | None:
        """See `Login`."""
        if not self._trusts((scope.get("client") or ("",))[0]):
            return None
        users, groups = headers.getlist(self._user), headers.getlist(self._group)
        if not users:
            return None
        if len(users) > 1 or len(groups) > 1 or "," in users[0]:
            say = (
                f"The proxy sends more than one {self._user} or {self._group}; "
                "it has to replace those of clients."
            )
            raise ApiError(401, say, "bad_login")
        named = (group.strip() for group in "".join(groups).split(self._separator))
        name = _text(users[0])
        return self._groups.caller(person_of("header", name, name, map(_text, named)))

    def router(self) -> APIRouter:
        """See `Login`; people come and go at the proxy."""
        return APIRouter()

    def close(self) -> None:
        """See `Login`."""

    def _trusts(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client)
        except ValueError:  # no address, as of a Unix socket
            return False
        # An IPv4 proxy that is heard on an IPv6 socket
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._proxies)


def _text(value: str) -> str:
    """A header's text: bytes of UTF-8, which servers read as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _header(name: str) -> str:
    if not _NAME.fullmatch(name) or name.casefold() in _TAKEN:
        raise SettingsError(
            f"[login]: '{name}' cannot be a header that tells who it is.",
            hint='user_header = "X-Forwarded-User"',
        )
    return name


def _networks(given: Sequence[str]) -> tuple[Network, ...]:
    if not given:
        raise SettingsError(
            "[login] engine = 'header' trusts no proxy: trusted_proxies is empty.",
            hint='trusted_proxies = ["10.0.0.7"], the address from which the proxy calls.',
        )
    found = []
    for one in given:
        try:
            network = ipaddress.ip_network(one)
        except ValueError as error:
            raise SettingsError(
                f"[login] trusted_proxies: '{one}' is no address or network: {error}.",
                hint='"10.0.0.7", "10.0.0.0/24" or "fd00::/64"',
            ) from error
        if network.prefixlen == 0:
            raise SettingsError(
                f"[login] trusted_proxies: '{one}' is everyone, who could be anyone then.",
                hint="Name the proxies' own addresses.",
            )
        found.append(network)
    return tuple(found)
