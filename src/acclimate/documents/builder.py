"""Builds a document's text and elements together, so that spans are exact by construction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf

from acclimate.documents import pictures
from acclimate.types import Box, Document, Element, ElementKind, Picture

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\ud800-\udfff]")
_NEWLINES = re.compile(r"\r\n?|\x0c|\u2028|\u2029|\x85")


def clean(text: str) -> str:
    """Text with \\n newlines and without NULs, control characters and lone surrogates."""
    return _CONTROL.sub("", _NEWLINES.sub("\n", text))


def one_line(text: str) -> str:
    """Text with every run of white space as one space."""
    return " ".join(text.split())


def merged(*, rows: bool) -> dict[str, str]:
    """The metadata of a table, of whose cells some over several rows are repeated in each where
    `rows`."""
    return {"merged": "rows"} if rows else {}


class TextBuilder:
    """Collects elements in reading order, a blank line between two."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._elements: list[Element] = []
        self._page_starts: list[int] = []
        self._pictures: list[tuple[int, int | None, Box | None, bytes]] = []
        self._hidden: list[str] = []

    @contextmanager
    def hidden(self, kind: str) -> Iterator[None]:
        """What is added while the block runs is marked as hidden by its author; `kind` "" marks
        nothing."""
        self._hidden.append(kind)
        try:
            yield
        finally:
            self._hidden.pop()

    def start_page(self) -> None:
        """Begin the next page; elements that follow are on it."""
        self._page_starts.append(self._length + (2 if self._parts else 0))

    def add(
        self,
        kind: ElementKind,
        text: str,
        level: int = 0,
        box: Box | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
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
        hidden = next(filter(None, reversed(self._hidden)), "")
        known = {**(metadata or {}), **({"hidden": hidden} if hidden else {})}
        self._elements.append(
            Element(kind, self._length, self._length + len(text), level, page, box, known)
        )
        self._parts.append(text)
        self._length += len(text)

    def add_table(
        self,
        rows: Sequence[Sequence[str]],
        box: Box | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Append a table as Markdown; the first row is its header. Empty rows and tables are left
        out."""
        rows = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
        rows = [row for row in rows if any(row)]
        if not rows:
            return
        width = max(len(row) for row in rows)
        lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
        self.add(
            "table",
            "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]]),
            box=box,
            metadata=metadata,
        )

    def add_picture(self, content: bytes, box: Box | None = None) -> None:
        """Keep a picture that stands here, or at `box` on this page, where pictures are wanted and
        it is worth it."""
        if not pictures.wanted() or len(self._pictures) >= pictures.MOST:
            return
        small = pictures.make_small(content)
        if small is not None:
            self._pictures.append((len(self._elements), len(self._page_starts) or None, box, small))

    def add_document(self, document: Document, name: str) -> None:
        """Append another document, under its name as a heading; its headings stand one level
        lower."""
        self.add("heading", name, 1)
        for element in document.elements:
            level = (
                min(6, element.level + 1)
                if element.kind in ("heading", "message")
                else element.level
            )
            kind: ElementKind = "heading" if element.kind == "title" else element.kind
            text = document.text[element.start : element.end]
            self.add(
                kind, text, max(level, 2) if kind == "heading" else level, metadata=element.metadata
            )
        self._pictures += [
            (len(self._elements), None, None, picture.png) for picture in document.pictures
        ]

    def build(
        self, path: str, media_type: str, title: str = "", metadata: Mapping[str, str] | None = None
    ) -> Document:
        """The document; where `title` is empty, its first heading of level 1, or its first heading,
        is the title."""
        if self._pictures and not self._elements:
            self.add("caption", f"[picture: {title or path}]")
        text = "".join(self._parts)
        document = finish(
            path, text, self._elements, media_type, title, metadata or {}, self._page_starts
        )
        return replace(
            document, pictures=tuple(self._place(*picture) for picture in self._pictures)
        )

    def _place(self, at: int, page: int | None, box: Box | None, png: bytes) -> Picture:
        """A picture with the element that stands for it: the caption after it, or what is
        nearest."""
        near = [
            element for element in self._elements if box and element.page == page and element.box
        ]
        if box is not None and near:
            found = min(
                near, key=lambda element: _gap(box, element.box) - 40 * (element.kind == "caption")
            )
        else:
            after = self._elements[at] if at < len(self._elements) else None
            found = (
                after
                if after is not None and (after.kind == "caption" or at == 0)
                else self._elements[at - 1]
            )
        return Picture(found.start, found.end, page, png)


def _gap(box: Box, other: Box | None) -> float:
    """Points between two boxes, up and down; infinite for none."""
    return inf if other is None else max(0.0, other.top - box.bottom, box.top - other.bottom)


def finish(
    path: str,
    text: str,
    elements: Sequence[Element],
    media_type: str,
    title: str,
    metadata: Mapping[str, str],
    page_starts: Sequence[int] = (),
) -> Document:
    """A document from its parts; where no title is given, that of its highest heading, else its
    file's name."""
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
