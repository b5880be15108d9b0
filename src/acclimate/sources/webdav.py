"""A folder on a WebDAV server: listed folder by folder, files asked for where their ETag is new.

Standard: RFC 4918. Nextcloud and ownCloud give a file's number, which makes an address for people.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urljoin

import httpx
from lxml import etree

from acclimate.documents.safe import iterate_xml, local_name
from acclimate.errors import DocumentError, SourceError
from acclimate.settings_sources import WebdavSource
from acclimate.sources.base import Chosen
from acclimate.sources.client import Client, RefusedError, StatusError, origin_of, parse_url
from acclimate.sources.mirror import LimitError, Mirror
from acclimate.sources.state import Item

_ASK = (
    b'<?xml version="1.0" encoding="utf-8"?><d:propfind xmlns:d="DAV:" '
    b'xmlns:oc="http://owncloud.org/ns"><d:prop><d:resourcetype/><d:getetag/><d:getlastmodified/>'
    b"<d:getcontentlength/><oc:fileid/></d:prop></d:propfind>"
)
_HEADERS = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
_LISTING_BYTES = 200_000_000
_MOST_FOLDERS = 50_000
_DAV = "/remote.php/"  # of Nextcloud and ownCloud


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a listing; `path` is below the source's folder, without a slash at its
    ends."""

    path: str
    url: str
    is_folder: bool
    tag: str = ""
    modified: str = ""
    number: str = ""


class WebdavFolder:
    """Mirrors a folder; see the module's text."""

    def __init__(self, chosen: WebdavSource, client: Client, mirror: Mirror) -> None:
        self._client, self._mirror = client, mirror
        self._takes = Chosen(chosen.include, chosen.exclude)
        self._root = parse_url(chosen.url)
        if not self._root.path.endswith("/"):
            self._root = parse_url(chosen.url.rstrip("/") + "/")

    def run(self) -> None:
        """List and mirror the folder. Raises SourceError where it cannot be listed."""
        waiting, seen = deque([Entry("", str(self._root), True)]), {""}
        while waiting:
            folder = waiting.popleft()
            for entry in self._list(folder):
                if not entry.is_folder:
                    self._take(entry)
                elif entry.path not in seen:
                    if len(seen) >= _MOST_FOLDERS:
                        raise SourceError(f"{self._root} has more than {_MOST_FOLDERS:,} folders.")
                    seen.add(entry.path)
                    waiting.append(entry)
        self._mirror.complete()

    def _list(self, folder: Entry) -> list[Entry]:
        try:
            with self._client.ask(
                folder.url, method="PROPFIND", headers=_HEADERS, content=_ASK, accept=(207,)
            ) as reply:
                content = reply.body(_LISTING_BYTES)
            return [one for one in self._entries(content) if _is_child(one.path, folder.path)]
        except (SourceError, DocumentError) as error:
            if not folder.path:
                raise SourceError(
                    f"{folder.url} cannot be listed: {error}",
                    hint="Check url, user and password_env.",
                ) from error
            if isinstance(error, StatusError) and error.status == 404:
                return []  # it has just gone, with all below it
            self._mirror.doubt(str(error))
            return []

    def _entries(self, content: bytes) -> Iterator[Entry]:
        for node in iterate_xml(content, "response"):
            said = {local_name(one): one for one in node.iter() if local_name(one)}
            href = said["href"].text if "href" in said else None
            entry = self._entry((href or "").strip(), said) if href else None
            if entry is not None:
                yield entry
            node.clear()

    def _entry(self, href: str, said: dict[str, etree._Element]) -> Entry | None:
        try:
            url = parse_url(urljoin(str(self._root), href))
        except RefusedError:
            return None
        raw, root = _path(url), _path(self._root)
        if origin_of(url) != origin_of(self._root) or not raw.startswith(root):
            return None
        parts = [unquote(part) for part in raw[len(root) :].strip("/").split("/")]
        if any(part in (".", "..") or "/" in part or "\0" in part for part in parts):
            return None

        def text(name: str) -> str:
            node = said.get(name)
            return (node.text or "").strip() if node is not None else ""

        is_folder = "collection" in said
        tag = text("getetag") or f"{text('getlastmodified')} {text('getcontentlength')}".strip()
        path = "/".join(parts)
        return Entry(path, str(url), is_folder, tag, text("getlastmodified"), text("fileid"))

    def _take(self, entry: Entry) -> None:
        if not self._takes.takes(entry.path):
            self._mirror.skip(entry.path)
            return
        old = self._mirror.known(entry.path)
        if old is not None and entry.tag and old.tag == entry.tag:
            self._mirror.keep(entry.path)
            return
        version = Item(
            entry.path, "", url=self._address(entry), tag=entry.tag, modified=entry.modified
        )
        try:
            with self._client.ask(entry.url) as reply:
                self._mirror.put(entry.path, entry.path.split("/"), reply.pieces(), version)
        except LimitError:
            raise
        except SourceError as error:
            if isinstance(error, StatusError) and error.status == 404:  # it has just gone
                self._mirror.gone(entry.path)
            else:
                self._mirror.fail(entry.path, entry.path, str(error))

    def _address(self, entry: Entry) -> str:
        """The address for people: the file's own page where the server has one."""
        base, found, _ = str(self._root).partition(_DAV)
        if found and entry.number.isdecimal():
            return f"{base}/f/{entry.number}"
        return entry.url


def _path(url: httpx.URL) -> str:
    return url.raw_path.partition(b"?")[0].decode("ascii")


def _is_child(path: str, folder: str) -> bool:
    """Whether a path is right below a folder: a server may list more, which comes in its turn."""
    if not path:
        return False
    parent = path.rpartition("/")[0]
    return parent == folder
