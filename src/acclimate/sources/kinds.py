"""Which class mirrors which kind of source. A new kind is a file, a section of settings and a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from acclimate.errors import SettingsError
from acclimate.files.places import under
from acclimate.settings_sources import (
    ConfluenceSource,
    GitSource,
    ImapSource,
    NotionSource,
    SourceSettings,
    WebdavSource,
    WebSource,
)
from acclimate.sources.addresses import AddressGuard, Resolve, resolve
from acclimate.sources.base import secret_of
from acclimate.sources.client import Admit, Client, Rules, origin_of, parse_url, require_origin
from acclimate.sources.exports import Export, confluence_pages, notion_page
from acclimate.sources.git import GitBranch, remote_of
from acclimate.sources.imap import Mailbox
from acclimate.sources.mirror import Mirror
from acclimate.sources.web import Bounds, WebCrawl
from acclimate.sources.webdav import WebdavFolder


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source's own things are: the project's folder, from which paths are, and a folder
    beside the library that may be removed at any time. `resolve` gives the addresses of hosts."""

    folder: Path
    cache: Path
    resolve: Resolve = resolve


Run = Callable[[Any, Mirror, Place], None]
RESUMES = frozenset(("web",))  # kinds that go on with a listing that was broken off


def mirror_source(chosen: SourceSettings, mirror: Mirror, place: Place) -> None:
    """Bring the folder of a source up to date. Raises SourceError, and SettingsError for settings
    that do not go together."""
    _RUNS[chosen.type](chosen, mirror, place)


def _web(chosen: WebSource, mirror: Mirror, place: Place) -> None:
    bounds = Bounds(chosen)
    with _client(chosen, mirror, place, bounds.admit) as client:
        WebCrawl(chosen, bounds, client, mirror).run()


def _webdav(chosen: WebdavSource, mirror: Mirror, place: Place) -> None:
    only = partial(require_origin, parse_url(chosen.url))
    with _client(chosen, mirror, place, only) as client:
        WebdavFolder(chosen, client, mirror).run()


def _client(chosen: WebSource | WebdavSource, mirror: Mirror, place: Place, admit: Admit) -> Client:
    if chosen.password_env and not chosen.url.startswith("https://") and not chosen.allow_private:
        raise SettingsError(
            f"[sources.{mirror.name}]: a password is not sent without encryption.",
            hint="Use https://, or set allow_private = true where the network is yours.",
        )
    scheme, host, port = origin_of(parse_url(chosen.url))
    name = f"[{host}]" if ":" in host else host
    return Client(
        Rules(
            f"{scheme}://{name}:{port}/",
            AddressGuard(chosen.allow_private, place.resolve),
            admit,
            mirror.pause,
            chosen.user,
            partial(secret_of, chosen.password_env),
            chosen.proxy,
            chosen.timeout_s,
            chosen.requests_per_second,
        )
    )


def _git(chosen: GitSource, mirror: Mirror, place: Place) -> None:
    if chosen.password_env and chosen.url.startswith("http://") and not chosen.allow_private:
        raise SettingsError(
            f"[sources.{mirror.name}]: a password is not sent without encryption.",
            hint="Use https://, or set allow_private = true where the network is yours.",
        )
    guard = AddressGuard(chosen.allow_private, place.resolve)
    GitBranch(chosen, remote_of(chosen, place.folder, guard), mirror, place.cache).run()


def _imap(chosen: ImapSource, mirror: Mirror, place: Place) -> None:
    if chosen.security == "none" and not chosen.allow_private:
        raise SettingsError(
            f"[sources.{mirror.name}]: mails and password are not sent without encryption.",
            hint='Use security = "tls", or set allow_private = true where the network is yours.',
        )
    if not (chosen.user and chosen.password_env):
        raise SettingsError(
            f"[sources.{mirror.name}] needs user and password_env.",
            hint="password_env is the name of an environment variable that holds the password.",
        )
    Mailbox(chosen, AddressGuard(chosen.allow_private, place.resolve), mirror).run()


def _confluence(chosen: ConfluenceSource, mirror: Mirror, place: Place) -> None:
    pages = confluence_pages(chosen.address)
    Export(chosen, under(place.folder, chosen.path), pages, mirror).run()


def _notion(chosen: NotionSource, mirror: Mirror, place: Place) -> None:
    Export(chosen, under(place.folder, chosen.path), notion_page, mirror).run()


_RUNS: dict[str, Run] = {
    "web": _web,
    "webdav": _webdav,
    "git": _git,
    "imap": _imap,
    "confluence": _confluence,
    "notion": _notion,
}
