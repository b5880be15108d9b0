"""Keys for widgets: which pages one may stand in, and how much whoever copies it can ask."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from acclimate.errors import SettingsError
from acclimate.indexes.shared import Shared
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Widget
from acclimate.serving.rate import Counter, counter, retry
from acclimate.settings import Settings

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_ADDRESS_BITS = 64  # of an IPv6 address: the rest is for its holder to choose


def make_widget(
    origins: Sequence[str], per_minute: int, per_address: int, settings: Settings
) -> Widget:
    """What a widget's key is held to. Raises SettingsError for an origin that is none, and for one
    whose pages are trusted with more than a widget."""
    if not origins:
        raise SettingsError(
            "a widget's key needs the origin of the page that it stands in.",
            hint="--origin https://intranet.example; may be repeated.",
        )
    read = tuple(dict.fromkeys(read_origin(origin) for origin in origins))
    for origin in read:
        if origin in settings.serve.origins:
            raise SettingsError(
                f"[serve] origins trusts pages of {origin} with every key.",
                hint="Take it out there: a widget's page is trusted with the widget alone.",
            )
        if settings.login.engine != "none" and origin == settings.login.address:
            raise SettingsError(
                f"{origin} is the server's own page, which acts with people's logins.",
                hint="A widget for pages of the same origin would not be kept apart from them.",
            )
    return Widget(read, per_minute, per_address)


def read_origin(text: str) -> str:
    """An origin as browsers send it: scheme, host and port, in lower case, without the scheme's own
    port. Raises SettingsError for anything else, wildcards and `null` among it."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_origin(text) from None
    rest = (parts.path, parts.query, parts.fragment, parts.username, parts.password)
    scheme = parts.scheme
    if scheme not in _PORTS or any(rest) or text.strip().endswith(("?", "#", ":")):
        raise _no_origin(text)
    if port == 0 or "@" in parts.netloc:
        raise _no_origin(text)
    end = "" if port in (None, _PORTS[scheme]) else f":{port}"
    return f"{scheme}://{_host(host, text)}{end}"


class WidgetLimits:
    """Counts the questions of widgets: of each key, and of each client address with it. With what
    servers `shared` of a library, for all of them."""

    def __init__(self, shared: Shared | None) -> None:
        self._shared = shared
        self._counters: dict[tuple[str, int], Counter] = {}

    def count(self, key: str, widget: Widget, address: str) -> None:
        """Count a question by the key with this id. Raises ApiError beyond a rate (429)."""
        counted = (
            (self._counter("widget", widget.per_minute), key),
            (self._counter("widget address", widget.per_address), f"{key} {_network(address)}"),
        )
        if wait := max(rate.wait(name) for rate, name in counted):
            raise ApiError(429, "Too many questions.", "rate_limited", headers=retry(wait))
        for rate, name in counted:
            rate.take(name)

    def _counter(self, kind: str, per_minute: int) -> Counter:
        place = (kind, per_minute)
        if place not in self._counters:
            self._counters[place] = counter(self._shared, kind, per_minute)
        return self._counters[place]


def _host(host: str, text: str) -> str:
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host).compressed}]"
        except ValueError:
            raise _no_origin(text) from None
    if not _NAME.fullmatch(host):
        raise _no_origin(text)
    return host


def _no_origin(text: str) -> SettingsError:
    return SettingsError(
        f"'{text}' is not an origin.",
        hint="Scheme, host and port as in a browser's address bar, without a path: "
        "https://intranet.example or http://localhost:3000. No wildcards; other alphabets as xn--.",
    )


def _network(address: str) -> str:
    """The address, of IPv6 the network that one client has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped:  # as a socket for both versions tells it
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _ADDRESS_BITS), strict=False))
