"""Exports that a user has downloaded: of a Confluence space as HTML, of a Notion workspace.

Both put a page's number into its file's name. It makes the page's address, and is taken out of the
name here, so that the titles of pages are paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from acclimate.settings_sources import ConfluenceSource, NotionSource
from acclimate.sources.base import Chosen
from acclimate.sources.mirror import Mirror
from acclimate.sources.state import Item
from acclimate.sources.unpacking import Exported, exported, version_of

_HTML = (".html", ".htm")
_NOTION = "https://www.notion.so/"
_NOTION_ID = re.compile(r"[ _-]?([0-9a-f]{32})(?=$|[._])")
_NOTION_LINK = re.compile(
    r"\]\((?!\w+:)[^()\s]*?([0-9a-f]{32})(?:_all)?\.(?:md|csv|html)(#[^()\s]*)?\)"
)
_CONFLUENCE_ID = re.compile(r"(?:^|_)(\d{4,})(?=\.html?$)")
_ATTACHMENT = re.compile(r"(?:^|/)attachments/(\d+)/")
_TITLE = re.compile(r"(<title[^>]*>).*?(</title>)", re.I | re.S)
_HEADING = re.compile(r"(<span id=\"title-text\"[^>]*>).*?(</span>)", re.I | re.S)
_NO_TEXT = "#breadcrumb-section, #footer, .page-metadata, .footer-body"


@dataclass(frozen=True, slots=True)
class Page:
    """How a file of an export is kept: its path, its address, and how its text is put right."""

    parts: list[str]
    url: str = ""
    correct: Callable[[bytes], bytes] | None = None


PageOf = Callable[[str, Collection[str]], Page | None]
"""A file of an export by its path, among all paths; None for what is no document."""


class Export:
    """Mirrors an export; `place` is the zip or folder, `page_of` knows the kind of export."""

    def __init__(
        self,
        chosen: ConfluenceSource | NotionSource,
        place: Path,
        page_of: PageOf,
        mirror: Mirror,
    ) -> None:
        self._place, self._page_of, self._mirror = place, page_of, mirror
        self._takes = Chosen(chosen.include, chosen.exclude)
        # Other settings make other documents of the same zip.
        self._settings = chosen.model_dump_json(exclude={"every_minutes"})

    def run(self) -> None:
        """Mirror the files. Raises SourceError for what is no export."""
        found = version_of(self._place)
        version = f"{found} {self._settings}" if found else ""
        items = self._mirror.items()
        if (
            version
            and version == self._mirror.version
            and all(self._mirror.known(item.key) for item in items)
        ):
            for item in items:
                self._mirror.keep(item.key)
        else:
            most = self._mirror.limits.total_bytes
            paths = {file.path for file in exported(self._place, most)}
            for file in exported(self._place, most):
                self._take(file, paths)
        self._mirror.complete(version)

    def _take(self, file: Exported, paths: Collection[str]) -> None:
        page = self._page_of(file.path, paths)
        if page is None or not self._takes.takes("/".join(page.parts)):
            self._mirror.skip(file.path)
            return
        if file.size > self._mirror.limits.file_bytes:
            most = self._mirror.limits.file_bytes // 1_000_000
            self._mirror.fail(file.path, file.path, f"is larger than {most} MB (max_file_mb)")
            return
        with file.open() as pieces:
            content = pieces if page.correct is None else _corrected(pieces, page.correct)
            self._mirror.put(file.path, page.parts, content, Item(file.path, "", url=page.url))


def notion_page(path: str, paths: Collection[str]) -> Page | None:
    """A file of a Notion export. Where the whole of a database stands in …_all.csv, the view beside
    it is left out."""
    parts = [part for part in path.split("/") if part]
    name = parts[-1]
    stem, dot, ending = name.rpartition(".")
    found = _NOTION_ID.search(stem)
    if not dot or f"{path[: -len(ending) - 1]}_all.{ending}" in paths:
        return None
    clean = [_NOTION_ID.sub("", part).strip() or part for part in parts[:-1]]
    title = _NOTION_ID.sub("", stem).removesuffix("_all").strip() or stem
    correct = _notion_links if ending.casefold() == "md" else None
    url = _NOTION + found[1] if found else ""
    return Page([*clean, f"{title}.{ending}"], url, correct)


def confluence_pages(address: str) -> PageOf:
    """What knows a file of a Confluence export; `address` is Confluence's own ("": unknown)."""
    base = address.rstrip("/")

    def page_of(path: str, _: Collection[str]) -> Page | None:
        parts = [part for part in path.split("/") if part]
        name = parts[-1]
        if name.casefold() == "index.html" or "styles" in parts[:-1] or "images" in parts[:-1]:
            return None
        found = _CONFLUENCE_ID.search(name) if name.casefold().endswith(_HTML) else None
        holder = _ATTACHMENT.search(path)
        number = found[1] if found else (holder[1] if holder else "")
        url = f"{base}/pages/viewpage.action?pageId={number}" if base and number else ""
        if found is None:
            return Page(parts, url)
        title = " ".join(_CONFLUENCE_ID.sub("", name).replace("-", " ").split())
        kept = name if title.casefold() in _HTML else title
        return Page([*parts[:-1], kept], url, _confluence_page)

    return page_of


def _corrected(pieces: Iterator[bytes], correct: Callable[[bytes], bytes]) -> Iterator[bytes]:
    yield correct(b"".join(pieces))


def _notion_links(content: bytes) -> bytes:
    """Links to other files of the export as links to their pages."""
    text = content.decode("utf-8", "replace")
    return _NOTION_LINK.sub(lambda match: f"]({_NOTION}{match[1]}{match[2] or ''})", text).encode()


def _confluence_page(content: bytes) -> bytes:
    """A page without the export's own frame: its title alone is the title, not the space's with
    it."""
    tree = LexborHTMLParser(content)
    node = tree.css_first("#title-text") or tree.css_first("title")
    if node is None:
        return content
    space, colon, own = " ".join(node.text().split()).partition(" : ")
    for frame in tree.css(_NO_TEXT):
        frame.decompose()
    title = escape(own if colon else space)
    html = tree.html or ""
    for pattern in (_TITLE, _HEADING):
        html = pattern.sub(lambda match: f"{match[1]}{title}{match[2]}", html, count=1)
    return html.encode()
