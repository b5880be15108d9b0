"""Documents and chunks as rows of the record, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from acclimate.types import Box, Chunk, Document, Element

DOCUMENT_COLUMNS = "path, sha256, title, media_type, metadata, page_starts, elements, text"
CHUNK_COLUMNS = 'c.key, c.id, d.path, c.start, c."end", c.text, d.title, c.headings, c.page'


@dataclass(frozen=True, slots=True)
class FileState:
    """What the record knows of a document's file.

    `mtime_ns` is 0 where the file was written so shortly before it was read that its time proves nothing; `made_by`
    identifies parser and chunker.
    """

    path: str
    sha256: str
    size: int
    mtime_ns: int
    made_by: str


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """One document of a library, without its text. `pages` is 0 where the format has none."""

    path: str
    title: str
    media_type: str
    sha256: str
    size: int
    characters: int
    pages: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a record holds. `failures` are files that the last ingest could not read."""

    documents: int
    chunks: int
    vectors: int
    failures: int


def embedding_text(chunk: Chunk) -> str:
    """What is embedded for a chunk: its place in the document above its text, so that "it" and "the fee" say whose."""
    return f"{chunk.heading_path}\n{chunk.text}" if chunk.heading_path else chunk.text


def hash_text(text: str) -> bytes:
    """16 bytes that identify an embedded text."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def document_row(document: Document) -> tuple[str, ...]:
    """Values for DOCUMENT_COLUMNS."""
    elements = [_trimmed(astuple(element)) for element in document.elements]
    return (
        document.path,
        document.sha256,
        document.title,
        document.media_type,
        _json(dict(document.metadata)),
        _json(document.page_starts),
        _json(elements),
        document.text,
    )


def document_from(row: Sequence[Any]) -> Document:
    """The document of a row of DOCUMENT_COLUMNS."""
    path, sha256, title, media_type, metadata, page_starts, elements, text = row
    return Document(
        path=path,
        text=text,
        elements=tuple(_element(values) for values in json.loads(elements)),
        title=title,
        media_type=media_type,
        sha256=sha256,
        page_starts=tuple(json.loads(page_starts)),
        metadata=json.loads(metadata),
    )


def chunk_from(row: Sequence[Any]) -> tuple[int, Chunk]:
    """Key and chunk of a row of CHUNK_COLUMNS."""
    key, chunk_id, path, start, end, text, title, headings, page = row
    return key, Chunk(chunk_id, path, start, end, text, title, tuple(json.loads(headings)), page)


def headings_json(chunk: Chunk) -> str:
    """Value of the column `headings`."""
    return _json(chunk.headings)


def _element(values: list[Any]) -> Element:
    if len(values) == 6:
        values[5] = Box(*values[5])
    return Element(*values)


def _trimmed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without trailing defaults: most elements have neither page nor box."""
    kind, start, end, level, page, box = values
    if box is not None:
        return values
    if page is not None:
        return kind, start, end, level, page
    return (kind, start, end, level) if level else (kind, start, end)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
