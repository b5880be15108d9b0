"""Documents and pictures of pages as plain JSON values, between the parsing process and ours: never
a pickle."""

from __future__ import annotations

import base64
from typing import Any

from acclimate.documents.base import PageImage
from acclimate.types import Box, Document, Element, Picture


def pack_document(document: Document) -> dict[str, Any]:
    """The document as JSON values."""
    elements = [
        [
            *(e.kind, e.start, e.end, e.level, e.page),
            _corners(e.box) if e.box else None,
            dict(e.metadata),
        ]
        for e in document.elements
    ]
    return {
        "path": document.path,
        "text": document.text,
        "elements": elements,
        "title": document.title,
        "media_type": document.media_type,
        "page_starts": list(document.page_starts),
        "metadata": dict(document.metadata),
        "hidden": dict(document.hidden),
        "unread": dict(document.unread),
        "pictures": [
            [p.start, p.end, p.page, base64.b64encode(p.png).decode()] for p in document.pictures
        ],
    }


def unpack_document(values: dict[str, Any]) -> Document:
    """The document from JSON values. Raises ValueError where its spans do not fit its text."""
    text = str(values["text"])
    elements = tuple(
        Element(
            kind,
            int(start),
            int(end),
            int(level),
            page,
            Box(*box) if box else None,
            _texts(metadata),
        )
        for kind, start, end, level, page, box, metadata in values["elements"]
    )
    pictures = tuple(
        Picture(int(start), int(end), page, base64.b64decode(png, validate=True))
        for start, end, page, png in values["pictures"]
    )
    spans = [(part.start, part.end) for part in elements] + [
        (part.start, part.end) for part in pictures
    ]
    if any(not 0 <= start <= end <= len(text) for start, end in spans):
        raise ValueError("an element is outside the text")
    return Document(
        path=str(values["path"]),
        text=text,
        elements=elements,
        title=str(values["title"]),
        media_type=str(values["media_type"]),
        page_starts=tuple(map(int, values["page_starts"])),
        metadata=_texts(values["metadata"]),
        pictures=pictures,
        hidden={str(key): int(value) for key, value in values["hidden"].items()},
        unread={str(key): int(value) for key, value in values["unread"].items()},
    )


def pack_page(page: PageImage) -> dict[str, Any]:
    """The page as JSON values."""
    boxes = [_corners(box) for box in page.boxes]
    return {
        "png": base64.b64encode(page.png).decode(),
        "size": [page.width, page.height],
        "boxes": boxes,
    }


def unpack_page(values: dict[str, Any]) -> PageImage:
    """The page from JSON values."""
    width, height = values["size"]
    boxes = tuple(Box(*map(float, box)) for box in values["boxes"])
    return PageImage(
        base64.b64decode(values["png"], validate=True), float(width), float(height), boxes
    )


def _corners(box: Box) -> list[float]:
    return [box.left, box.top, box.right, box.bottom]


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()}
