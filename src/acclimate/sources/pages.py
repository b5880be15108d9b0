"""What a web page and a sitemap lead to, and how a page is kept.

Standards: RFC 9309 (robots.txt, read by Protego), the sitemaps protocol 0.9 (sitemaps.org).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from urllib.parse import unquote, urljoin

import httpx
from selectolax.lexbor import LexborHTMLParser

from acclimate.documents.safe import iterate_xml, local_name
from acclimate.errors import DocumentError, SourceError
from acclimate.sources.names import digest

_OPEN = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
HTML = ("text/html", "application/xhtml+xml")
# Media type → the ends of names that say it, the usual one first.
TYPES: dict[str, tuple[str, ...]] = {
    "text/html": (".html", ".htm", ".xhtml"),
    "application/xhtml+xml": (".html", ".htm", ".xhtml"),
    "application/pdf": (".pdf",),
    "text/plain": (".txt", ".md", ".rst", ".markdown", ".csv", ".tsv", ".json", ".jsonl"),
    "text/markdown": (".md", ".markdown"),
    "text/x-rst": (".rst",),
    "text/csv": (".csv",),
    "text/tab-separated-values": (".tsv",),
    "text/calendar": (".ics",),
    "application/json": (".json",),
    "application/rtf": (".rtf",),
    "text/rtf": (".rtf",),
    "application/epub+zip": (".epub",),
    "message/rfc822": (".eml",),
    "application/vnd.ms-outlook": (".msg",),
    "application/vnd.ms-excel": (".xls",),
    f"{_OPEN}.wordprocessingml.document": (".docx",),
    f"{_OPEN}.presentationml.presentation": (".pptx",),
    f"{_OPEN}.spreadsheetml.sheet": (".xlsx",),
    f"{_ODF}.text": (".odt",),
    f"{_ODF}.spreadsheet": (".ods",),
    f"{_ODF}.presentation": (".odp",),
}
_UNSURE = ("application/octet-stream", "binary/octet-stream", "")
_MOST_LINKS = 5000  # of one page
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]+)", re.I)


def ending_of(url: httpx.URL, content_type: str) -> str | None:
    """The end of the name of what is at `url`; None for what no parser reads."""
    kind = content_type.partition(";")[0].strip().casefold()
    name = unquote(url.path).casefold().rpartition("/")[2]
    known = {one for ends in TYPES.values() for one in ends}
    wanted = known if kind in _UNSURE else TYPES.get(kind, ())
    if said := next((one for one in wanted if name.endswith(one)), None):
        return said
    return None if kind in _UNSURE else next(iter(wanted), None)


def parts_of(url: httpx.URL, prefix: str, ending: str) -> list[str]:
    """The path of a page below the folder of its source: that of its address below `prefix`."""
    below = url.raw_path.partition(b"?")[0].decode("ascii")[len(prefix.rstrip("/")) :]
    parts = [unquote(part) for part in below.strip("/").split("/")]
    if below.endswith("/") or not parts[-1]:
        parts = [*(part for part in parts if part), "index"]
    if url.query:
        parts[-1] += f"~{digest(url.query.decode('ascii', 'replace'))}"
    if not parts[-1].casefold().endswith(ending):
        parts[-1] += ending
    return parts


def links_of(content: bytes, url: httpx.URL, *, obey: bool) -> list[str]:
    """The addresses that a page's links lead to, in order; `obey`: without those that are marked
    nofollow."""
    tree = LexborHTMLParser(content)
    base = tree.css_first("base[href]")
    start = urljoin(str(url), (base.attributes.get("href") or "").strip() if base else "")
    found: dict[str, None] = {}
    for node in tree.css("a[href], area[href]"):
        if obey and "nofollow" in (node.attributes.get("rel") or "").casefold().split():
            continue
        try:
            found[urljoin(start, (node.attributes.get("href") or "").strip())] = None
        except ValueError:  # brackets that hold no address
            continue
        if len(found) >= _MOST_LINKS:
            break
    return list(found)


def locations_of(sitemap: bytes) -> tuple[list[str], list[str]]:
    """The pages and the further sitemaps that a sitemap names. Raises SourceError where it is
    none."""
    pages: list[str] = []
    maps: list[str] = []
    if not sitemap.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith(b"<"):
        lines = sitemap.decode("utf-8-sig", "replace").split()
        return [line for line in lines if line.startswith(("http://", "https://"))], []
    try:
        for node in iterate_xml(sitemap, "loc"):
            parent = node.getparent()
            holder = local_name(parent) if parent is not None else ""
            if (text := (node.text or "").strip()) and holder in ("url", "sitemap"):
                (pages if holder == "url" else maps).append(text)
            node.clear()
    except DocumentError as error:
        raise SourceError(f"the sitemap cannot be read: {error}") from error
    return pages, maps


def in_utf8(pieces: Iterator[bytes], content_type: str) -> Iterator[bytes]:
    """A text as UTF-8 with a byte order mark, where the server says that it is written otherwise: a
    file has no header to say so."""
    found = _CHARSET.search(content_type)
    if found is None or not content_type.casefold().lstrip().startswith("text/"):
        yield from pieces
        return
    try:
        decoder = codecs.getincrementaldecoder(found[1])("replace")
        wide = codecs.lookup(found[1]).name
    except LookupError:
        yield from pieces
        return
    if wide in ("utf-8", "utf-8-sig") or not getattr(
        codecs.lookup(found[1]), "_is_text_encoding", True
    ):
        yield from pieces
        return
    yield codecs.BOM_UTF8
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
