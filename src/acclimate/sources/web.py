"""Pages of a web site below an address: found by sitemaps and links, asked for as robots.txt allows,
and only where they changed.

A listing is a crawl that begins at the address. Pages are asked with the ETag and the date that came
with them before; a page that did not change is read from its file for the links in it. A page that
the crawl no longer finds, or that answers 404 or 410, is gone; but where any page or sitemap could
not be had, links may be missing, and only what answers 404 or 410 is removed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import httpx
from protego import Protego

from acclimate.errors import SourceError
from acclimate.settings_sources import WebSource
from acclimate.sources.base import Chosen
from acclimate.sources.client import (
    AGENT,
    Client,
    RefusedError,
    Reply,
    StatusError,
    origin_of,
    parse_url,
    require_origin,
    unpacked,
)
from acclimate.sources.mirror import LimitError, Mirror
from acclimate.sources.pages import ending_of, in_utf8, links_of, locations_of, parts_of
from acclimate.sources.state import Item

_ROBOTS_BYTES = 512_000  # RFC 9309, section 2.5
_SITEMAP_BYTES = 52_428_800  # sitemaps.org
_MOST_SITEMAPS = 100
_MOST_KNOWN = 10  # addresses that may wait, for each document of `max_files`
_ROW = 10  # so many pages in a row that cannot be had end the crawl
_GONE = (404, 410)


class Bounds:
    """Which addresses belong to a source: of its origin, below its path."""

    def __init__(self, chosen: WebSource) -> None:
        self._start = parse_url(chosen.url)
        path = self._start.raw_path.partition(b"?")[0].decode("ascii")
        last = path.rpartition("/")[2]
        # Of a page like …/index.html, what lies beside it.
        self.prefix = path[: len(path) - len(last)] if "." in last else path
        self._takes = Chosen(chosen.include or ("**/*",), chosen.exclude)
        self._queries = chosen.queries
        self.robots: Protego | None = None

    def admit(self, url: httpx.URL) -> None:
        """Raises RefusedError for an address that is out of bounds or barred by robots.txt."""
        require_origin(self._start, url)
        path = url.raw_path.partition(b"?")[0].decode("ascii")
        if path == "/robots.txt":
            return
        if self.robots is not None and not self.robots.can_fetch(str(url), AGENT):
            raise RefusedError(f"{url} is barred by robots.txt.")

    def holds(self, url: httpx.URL, *, listed: bool) -> bool:
        """Whether an address may be a document of the source; `listed`: by a sitemap, not a link."""
        try:
            self.admit(url)
        except RefusedError:
            return False
        path = url.raw_path.partition(b"?")[0].decode("ascii")
        under = path == self.prefix or path.startswith(self.prefix.rstrip("/") + "/")
        plain = httpx.URL(f"http://x{path}").path.split("/")
        if not under or ".." in plain or any("/" in part or "\\" in part for part in plain):
            return False
        if url.query and not (self._queries or listed or url == self._start):
            return False
        return url == self._start or self._takes.takes(self._name(path))

    def _name(self, path: str) -> str:
        """The path below the prefix, for patterns; what is hidden in a folder is not on a site."""
        below = path[len(self.prefix.rstrip("/")) :].strip("/")
        return "/".join(part.lstrip(".") or "_" for part in below.split("/"))


class WebCrawl:
    """Mirrors a web site; see the module's text."""

    def __init__(self, chosen: WebSource, bounds: Bounds, client: Client, mirror: Mirror) -> None:
        self._chosen, self._bounds = chosen, bounds
        self._client, self._mirror = client, mirror
        self._queue: deque[str] = deque()
        self._found: set[str] = set()
        self._failed_in_a_row = 0

    def run(self) -> None:
        """List and mirror the site. Raises SourceError where its first page cannot be had."""
        self._read_robots()
        start = str(parse_url(self._chosen.url))
        self._found.add(start)
        self._visit(start, first=True)
        for url in self._mapped():
            self._find(url, listed=True)
        while self._queue:
            self._visit(self._queue.popleft())
        self._mirror.complete()

    def _read_robots(self) -> None:
        if not self._chosen.robots:
            return
        place = parse_url(self._chosen.url).copy_with(raw_path=b"/robots.txt")
        try:
            with self._client.ask(place) as reply:
                text = b"".join(_first(reply, _ROBOTS_BYTES)).decode("utf-8-sig", "replace")
        except StatusError as error:
            if error.status >= 500 or error.status == 429:
                raise SourceError(
                    f"{place} answers {error.status}, which says that nothing may be read.",
                    retryable=True,
                ) from error
            return  # RFC 9309, section 2.3.1.3: there is none, and everything is allowed
        except RefusedError:
            return  # redirected elsewhere: there is none of this origin
        self._bounds.robots = Protego.parse(text)
        delay = self._bounds.robots.crawl_delay(AGENT)
        if delay is not None:
            self._client.delay_s = max(self._client.delay_s, float(delay))

    def _mapped(self) -> Iterator[str]:
        """The addresses that the site's sitemaps name."""
        chosen, robots = self._chosen, self._bounds.robots
        if chosen.sitemap == "none":
            return
        said = (
            [chosen.sitemap]
            if chosen.sitemap != "auto"
            else list(robots.sitemaps if robots else ())
        )
        guessed = str(parse_url(chosen.url).copy_with(raw_path=b"/sitemap.xml"))
        waiting, read = deque(said or [guessed]), set[str]()
        while waiting and len(read) < _MOST_SITEMAPS:
            place = waiting.popleft()
            if place in read:
                continue
            read.add(place)
            try:
                pages, more = locations_of(self._sitemap(place))
            except SourceError as error:
                if said or not isinstance(error, StatusError | RefusedError):
                    self._mirror.doubt(str(error))
                continue
            waiting.extend(more)
            yield from pages
        if waiting:
            self._mirror.doubt(f"there are more than {_MOST_SITEMAPS} sitemaps")

    def _sitemap(self, place: str) -> bytes:
        with self._client.ask(place) as reply:
            content = reply.body(_SITEMAP_BYTES)
        if not content.startswith(b"\x1f\x8b"):
            return content
        plain = bytearray()
        for piece in unpacked([content], place):
            plain += piece
            if len(plain) > _SITEMAP_BYTES:
                raise SourceError(f"the sitemap {place} has more than 50 MB.")
        return bytes(plain)

    def _find(self, text: str, *, listed: bool) -> None:
        """Queue an address that belongs to the source and was not found yet."""
        try:
            url = parse_url(text)
        except RefusedError:
            return
        key = str(url)
        if key in self._found:
            return
        if not self._bounds.holds(url, listed=listed):
            if origin_of(url) == origin_of(parse_url(self._chosen.url)):
                self._mirror.skip(key)
            return
        if len(self._found) >= _MOST_KNOWN * self._chosen.max_files:
            self._mirror.doubt(f"there are more than {len(self._found):,} addresses")
            return
        self._found.add(key)
        self._queue.append(key)

    def _visit(self, key: str, *, first: bool = False) -> None:
        if self._mirror.seen(key) and (item := self._mirror.known(key)):
            self._mirror.keep(key)
            self._follow(item)
            return
        try:
            self._fetch(key)
            self._failed_in_a_row = 0
        except LimitError:
            raise
        except RefusedError:
            self._mirror.skip(key)
            if first:
                raise
        except SourceError as error:
            if first:
                raise
            if isinstance(error, StatusError) and error.status in _GONE:
                self._mirror.gone(key)
                return
            self._missed(key, error)

    def _missed(self, key: str, error: SourceError) -> None:
        """A page that is there could not be had: its old links stand for its new ones."""
        self._mirror.fail(key, key, str(error))
        self._mirror.doubt(str(error))
        if item := self._mirror.known(key):
            self._follow(item)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _ROW:
            raise SourceError(
                f"{_ROW} pages in a row could not be had: {error}", retryable=True
            ) from error

    def _fetch(self, key: str) -> None:
        old = self._mirror.known(key)
        asked = {}
        if old and old.tag:
            asked["If-None-Match"] = old.tag
        if old and old.modified:
            asked["If-Modified-Since"] = old.modified
        with self._client.ask(key, headers=asked, accept=(200, 304)) as reply:
            if reply.status == 304:
                if old is None:
                    raise SourceError(f"{key} answers 304 to a question without conditions.")
                self._mirror.keep(key, note=True)
                item: Item | None = old
            else:
                item = self._take(key, reply)
        if item is not None:
            self._follow(item)

    def _take(self, key: str, reply: Reply) -> Item | None:
        """Keep what came, under the address that it came from."""
        url, kind = reply.url, reply.headers.get("content-type", "")
        name = str(url)
        if name != key:
            if name in self._found or not self._bounds.holds(url, listed=True):
                self._mirror.skip(key)
                if key == str(parse_url(self._chosen.url)) and name not in self._found:
                    raise SourceError(
                        f"{key} leads to {name}, which is not below it.",
                        hint="Set url to where it leads.",
                    )
                return None
            self._found.add(name)
        ending = ending_of(url, kind)
        if ending is None:
            self._mirror.skip(name)
            return None
        version = Item(
            name,
            "",
            url=name,
            tag=reply.headers.get("etag", ""),
            modified=reply.headers.get("last-modified", ""),
        )
        parts = parts_of(url, self._bounds.prefix, ending)
        return self._mirror.put(name, parts, in_utf8(reply.pieces(), kind), version)

    def _follow(self, item: Item) -> None:
        """Find what a page links to."""
        if not self._chosen.links or not item.path.endswith((".html", ".htm", ".xhtml")):
            return
        content = self._mirror.file(item).read_bytes()
        for link in links_of(content, httpx.URL(item.url), obey=self._chosen.robots):
            self._find(link, listed=False)


def _first(reply: Reply, most: int) -> Iterator[bytes]:
    size = 0
    for piece in reply.pieces():
        yield piece[: most - size]
        size += len(piece)
        if size >= most:
            return
