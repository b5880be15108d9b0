"""dedoc as a parser: its lines and tables as our document.

Its packages ask for NumPy 1, so that it runs in an environment of its own (`[documents]
engine_python`). Its readers of PDF start other programs (Java, poppler), which a parsing process
may not: PDFs stay with our own reader, or go to dedoc's service (`dedoc_service.py`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dedoc.common.exceptions.dedoc_error import DedocError
from dedoc.readers import (
    CSVReader,
    DocxReader,
    EmailReader,
    ExcelReader,
    HtmlReader,
    JsonReader,
    PptxReader,
    RawTextReader,
)
from dedoc.structure_extractors import DefaultStructureExtractor

from acclimate.documents.builder import TextBuilder
from acclimate.documents.dedoc_lines import LIST_ITEMS, Line, add_lines
from acclimate.documents.delimited import delimiter
from acclimate.documents.text import read_text
from acclimate.errors import DocumentError
from acclimate.types import Document

_READERS = (
    DocxReader,
    PptxReader,
    ExcelReader,
    HtmlReader,
    CSVReader,
    EmailReader,
    JsonReader,
    RawTextReader,
)
# Headings by style or tag, lists also by their marks. Its extractors for papers and laws need
# models of a hub.
_EXTRACTOR = DefaultStructureExtractor()
_ASKED = {
    "with_attachments": "false",
    "handle_invisible_table": "true",
}  # tables without a border are tables


class DedocParser:
    """Reads DOCX, PPTX, sheets, HTML, CSV, mail, JSON and plain text with dedoc's readers."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        reader = next(
            (made for kind in _READERS if (made := kind()).can_read(str(file), parameters=_ASKED)),
            None,
        )
        if reader is None:
            raise DocumentError(
                f"{path}: dedoc has no reader for it.", hint="[documents] engine = 'acclimate'"
            )
        try:
            asked = _ASKED | (
                {"delimiter": delimiter(read_text(file)[0])}
                if isinstance(reader, CSVReader)
                else {}
            )
            found = _EXTRACTOR.extract(reader.read(str(file), parameters=asked), parameters={})
        except (DedocError, zipfile.BadZipFile) as error:
            raise DocumentError(f"{path} is damaged, or dedoc cannot read it: {error}") from error
        steps = 1 if isinstance(reader, JsonReader) else 2
        return _as_document(found, path, isinstance(reader, PptxReader), steps)


def _as_document(found: Any, path: str, paged: bool, steps: int) -> Document:
    """dedoc's document as ours; an item of a list is `steps` levels below the item that holds
    it."""
    builder = TextBuilder()
    pages = 0
    waiting: list[Line] = []
    for page, part in _parts(found):
        if isinstance(part, list) or (paged and page >= pages):
            add_lines(waiting, builder)
            waiting.clear()
        if paged:
            for _ in range(pages, page + 1):
                builder.start_page()
            pages = max(pages, page + 1)
        if isinstance(part, list):
            builder.add_table(part)
        else:
            waiting.append(_line(part, steps))
    add_lines(waiting, builder)
    return builder.build(path, "")


def _parts(found: Any) -> Iterator[tuple[int, Any]]:
    """Lines, and tables as rows of texts, with their pages from 0; a table stands where a line
    names it, else last."""
    tables = {str(table.metadata.uid): table for table in found.tables}
    for line in found.lines:
        named = [
            str(note.value)
            for note in line.annotations
            if note.name == "table" and str(note.value) in tables
        ]
        yield line.metadata.page_id or 0, line
        for name in named:
            table = tables.pop(name)
            yield line.metadata.page_id or 0, _rows(table)
    for table in tables.values():
        yield table.metadata.page_id or 0, _rows(table)


def _rows(table: Any) -> list[list[str]]:
    return [[cell.get_text() for cell in row] for row in table.cells]


def _line(found: Any, steps: int) -> Line:
    """A line with what dedoc's structure extractor says of it; for lists in Office and HTML, what
    the reader saw of their depth is exact."""
    tag, told = found.metadata.tag_hierarchy_level, found.metadata.hierarchy_level
    seen = tag is not None and tag.line_type != "unknown"
    kind = told.line_type if told is not None else "unknown"
    if kind == "raw_text" and seen:
        kind = tag.line_type  # a key of JSON, a footer
    if kind == "header":
        level = told.level_2 or 1
    elif kind in LIST_ITEMS:
        level = (tag.level_1 or steps) // steps if seen else told.level_2 or 1
    else:
        level = (tag.level_1 if seen else None) or 1
    return Line(kind, found.line.strip(), level)
