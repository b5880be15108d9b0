"""Builds a document's text and elements together, so that spans are exact by construction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from acclimate.types import Box, Document, Element, ElementKind

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\ud800-\udfff]")
_NEWLINES = re.compile(r"\r\n?|\x0c|\u2028|\u2029|\x85")


def clean(text: str) -> str:
    """Text with \\n newlines and without NULs, control characters and lone surrogates."""
    return _CONTROL.sub("", _NEWLINES.sub("\n", text))


def one_line(text: str) -> str:
    """Text with every run of white space as one space."""
    return " ".join(text.split())


class TextBuilder:
    """Collects elements in reading order, a blank line between two."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._elements: list[Element] = []
        self._page_starts: list[int] = []

    def start_page(self) -> None:
        """Begin the next page; elements that follow are on it."""
        self._page_starts.append(self._length + (2 if self._parts else 0))

    def add(self, kind: ElementKind, text: str, level: int = 0, box: Box | None = None) -> None:
        """Append an element; blank text is left out. Text is cleaned and stripped."""
        text = clean(text).strip()
        if not text:
            return
        if self._parts:
            # Items of one list stay together, as they do on paper.
            gap = "\n" if kind == "list_item" and self._elements[-1].kind == "list_item" else "\n\n"
            self._parts.append(gap)
            self._length += len(gap)
        page = len(self._page_starts) or None
        self._elements.append(Element(kind, self._length, self._length + len(text), level, page, box))
        self._parts.append(text)
        self._length += len(text)

    def add_table(self, rows: Sequence[Sequence[str]], box: Box | None = None) -> None:
        """Append a table as Markdown; the first row is its header. Empty rows and tables are left out."""
        rows = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
        rows = [row for row in rows if any(row)]
        if not rows:
            return
        width = max(len(row) for row in rows)
        lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
        self.add("table", "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]]), box=box)

    def add_document(self, document: Document, name: str) -> None:
        """Append another document, under its name as a heading; its headings stand one level lower."""
        self.add("heading", name, 1)
        for element in document.elements:
            level = min(6, element.level + 1) if element.kind == "heading" else element.level
            kind: ElementKind = "heading" if element.kind == "title" else element.kind
            self.add(kind, document.text[element.start : element.end], max(level, 2) if kind == "heading" else level)

    def build(self, path: str, media_type: str, title: str = "", metadata: Mapping[str, str] | None = None) -> Document:
        """The document; where `title` is empty, its first heading of level 1, or its first heading, is the title."""
        text = "".join(self._parts)
        return finish(path, text, self._elements, media_type, title, metadata or {}, self._page_starts)


def finish(
    path: str,
    text: str,
    elements: Sequence[Element],
    media_type: str,
    title: str,
    metadata: Mapping[str, str],
    page_starts: Sequence[int] = (),
) -> Document:
    """A document from its parts; where no title is given, that of its highest heading, else its file's name."""
    headings = [element for element in elements if element.kind in ("title", "heading")]
    best = min(headings, key=lambda element: (element.level, element.start), default=None)
    if not title and best is not None:
        title = text[best.start : best.end].lstrip("# ").rstrip("#= -\n")
    if not title.strip():
        stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        title = stem.replace("-", " ").replace("_", " ").strip("0123456789 ") or stem
    length = len(text)
    return Document(
        path=path,
        text=text,
        elements=tuple(elements),
        title=one_line(clean(title))[:200],
        media_type=media_type,
        page_starts=tuple(min(start, length) for start in page_starts),
        metadata=dict(metadata),
    )
