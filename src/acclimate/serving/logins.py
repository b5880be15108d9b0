"""The way of logging in that `[login]` names."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from acclimate.errors import MissingExtraError, SettingsError
from acclimate.serving.header_login import HeaderLogin
from acclimate.serving.people import Login
from acclimate.settings_sections import LoginSettings


def open_login(chosen: LoginSettings, project: str = "") -> Login | None:
    """How people log in to a project; None where API keys are all. Raises SettingsError where settings are
    missing or wrong."""
    if chosen.engine == "none":
        return None
    if chosen.engine == "header":
        return HeaderLogin(chosen)
    try:
        from acclimate.serving.oidc_login import OidcLogin  # an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("[login] engine = 'oidc'", "login") from error
    return OidcLogin(chosen, address_of(chosen), project)


def address_of(chosen: LoginSettings) -> str:
    """Where browsers reach the server, as they write an origin; "" where nothing is said.

    Raises SettingsError for what is no such address, and for http beyond this machine, where
    everyone between could read cookies.
    """
    if not chosen.address:
        return ""
    try:
        parts = urlsplit(chosen.address.strip().rstrip("/"))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    rest = (parts.path, parts.query, parts.fragment, parts.username)
    if parts.scheme not in ("http", "https") or not host or any(rest):
        raise SettingsError(
            f"[login] address: '{chosen.address}' is not of the form https://NAME.",
            hint='address = "https://docs.example.org"',
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(
            f"[login] address: '{chosen.address}' is not encrypted: logins could be read.",
            hint="Use https: [serve] tls_cert and tls_key, or a proxy in front.",
        )
    name = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in (None, usual) else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"
