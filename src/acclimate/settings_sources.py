"""The sections `[sources.NAME]` of `acclimate.toml`: what is mirrored into the documents folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo

from acclimate.settings_library import Section

SOURCE_NAME = r"^[a-z0-9][a-z0-9_-]{0,40}$"
"""What a source may be called: its name is a folder and a part of environment variables."""


class _Source(Section):
    """What every source has."""

    every_minutes: float = Field(
        default=60.0,
        ge=0,
        description="`acclimate watch` and a server that watches mirror it so often; 0: only "
        "`acclimate sync` does",
    )
    include: tuple[str, ...] = Field(
        default=(),
        description="glob patterns of paths to take; empty: what a parser reads, by the name's end",
    )
    exclude: tuple[str, ...] = Field(default=(), description="glob patterns of paths to leave out")
    max_files: int = Field(default=10_000, ge=1, description="most documents")
    max_file_mb: int = Field(default=50, ge=1, description="largest document, in MB")
    max_total_mb: int = Field(default=5_000, ge=1, description="all documents together, in MB")


class _Remote(_Source):
    """What a source on a server has."""

    allow_private: bool = Field(
        default=False,
        description="whether its server may have a private address (this machine, 10.0.0.0/8, "
        "192.168.0.0/16 …), and be asked without encryption",
    )
    timeout_s: float = Field(default=30.0, gt=0, description="longest silence, in seconds")
    user: str = Field(default="", max_length=200, description="user name; empty: none")
    password_env: str = Field(
        default="",
        description="environment variable that holds the password or token; without `user` it is "
        "sent as a bearer token",
    )


def through_proxy() -> Any:
    """A field for whether the environment's proxy is used."""
    return Field(
        default=False,
        description="go through the proxy that HTTPS_PROXY or HTTP_PROXY names, which then decides "
        "what a host's name means",
    )


class _OverHttp(_Remote):
    """What a source over HTTP has."""

    url: str = Field(description="address, with https:// or http://")
    proxy: bool = through_proxy()
    requests_per_second: float = Field(default=2.0, gt=0, le=1000, description="most requests")

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        return _without_password(url, "https://", "http://")


class WebSource(_OverHttp):
    """Pages of a web site below an address."""

    type: Literal["web"] = Field(description="kind of source")
    sitemap: str = Field(
        default="auto",
        description="sitemap's address; auto: those that robots.txt names, else /sitemap.xml; none",
    )
    links: bool = Field(default=True, description="whether links in pages are followed")
    queries: bool = Field(default=False, description="whether links with a query (?…) are followed")
    robots: bool = Field(default=True, description="whether robots.txt is obeyed")


class WebdavSource(_OverHttp):
    """A folder on a WebDAV server, such as Nextcloud."""

    type: Literal["webdav"] = Field(description="kind of source")
    requests_per_second: float = Field(default=10.0, gt=0, le=1000, description="most requests")


class GitSource(_Remote):
    """The files of a git repository, as they are on a branch."""

    type: Literal["git"] = Field(description="kind of source")
    url: str = Field(
        description="https://…, ssh://USER@HOST/…, USER@HOST:PATH, or a local repository's path"
    )
    branch: str = Field(default="", max_length=200, description="branch; empty: the default one")
    address: str = Field(
        default="",
        description="address of a file for citations, with {path} and {branch}; empty: known for "
        "GitHub, GitLab and Codeberg",
    )
    proxy: bool = through_proxy()
    timeout_s: float = Field(
        default=600.0, gt=0, description="longest time for one fetch, in seconds"
    )

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str) -> str:
        kind, _, rest = url.partition("://")
        if kind in ("http", "https"):
            return _without_password(url, "https://", "http://")
        if ":" in rest.split("/", 1)[0].partition("@")[0] and "@" in rest.split("/", 1)[0]:
            raise ValueError("ssh takes keys, not a password in the address")
        return url


class ImapSource(_Remote):
    """The mails of a mailbox, each with its attachments."""

    type: Literal["imap"] = Field(description="kind of source")
    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]+$", description="the server's name")
    port: int = Field(default=0, ge=0, le=65535, description="0: 993, or 143 without TLS")
    security: Literal["tls", "starttls", "none"] = Field(
        default="tls", description="encryption; none only with `allow_private`"
    )
    folders: tuple[str, ...] = Field(default=("INBOX",), description="folders of the mailbox")
    days: int | None = Field(
        default=None, ge=1, description="how far back mails are taken, in days; unset: all"
    )


class ConfluenceSource(_Source):
    """An HTML export of a Confluence space."""

    type: Literal["confluence"] = Field(description="kind of source")
    path: Path = Field(description="the export, a zip or folder, relative to this file")
    address: str = Field(
        default="", description="Confluence's own address, which citations of its pages lead to"
    )


class NotionSource(_Source):
    """An export of a Notion workspace, in Markdown or HTML."""

    type: Literal["notion"] = Field(description="kind of source")
    path: Path = Field(description="the export, a zip or folder, relative to this file")


SourceSettings = Annotated[
    WebSource | WebdavSource | GitSource | ImapSource | ConfluenceSource | NotionSource,
    Field(discriminator="type"),
]
"""Any section `[sources.NAME]`; its `type` says which."""
KINDS: dict[str, type[_Source]] = {
    "web": WebSource,
    "webdav": WebdavSource,
    "git": GitSource,
    "imap": ImapSource,
    "confluence": ConfluenceSource,
    "notion": NotionSource,
}


def source_keys() -> dict[str, dict[str, FieldInfo]]:
    """The keys of each kind of source, those of its own first."""
    return {kind: dict(_own_first(section)) for kind, section in KINDS.items()}


def _own_first(section: type[_Source]) -> list[tuple[str, FieldInfo]]:
    shared = _OverHttp.model_fields.keys() | _Remote.model_fields.keys()
    first = ("path", "host", "url", "type")  # the last of these is the first
    return sorted(
        section.model_fields.items(),
        key=lambda item: (-first.index(item[0]) if item[0] in first else 1, item[0] in shared),
    )


def _without_password(url: str, *begin: str) -> str:
    if not url.startswith(begin):
        raise ValueError(f"an address begins with {' or '.join(begin)}")
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("write the user into `user`, and name the password by `password_env`")
    return url
