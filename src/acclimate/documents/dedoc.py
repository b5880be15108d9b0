"""dedoc as a parser: its lines and tables as our document.

Its packages ask for NumPy 1, so that it runs in an environment of its own (`[documents]
engine_python`). Its readers of PDF start other programs (Java, poppler), which a parsing process
may not: PDFs stay with our own reader.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dedoc.common.exceptions.dedoc_error import DedocError
from dedoc.readers import CSVReader, DocxReader, EmailReader, ExcelReader, HtmlReader, PptxReader

from acclimate.documents.builder import TextBuilder
from acclimate.documents.dedoc_lines import LIST_ITEMS, list_item
from acclimate.documents.delimited import delimiter
from acclimate.documents.text import read_text
from acclimate.errors import DocumentError
from acclimate.types import Document

_READERS = (DocxReader, PptxReader, ExcelReader, HtmlReader, CSVReader, EmailReader)
_ASKED = {
    "with_attachments": "false",
    "handle_invisible_table": "true",
}  # tables without a border are tables
_HIDDEN = ("root", "page_id")


class DedocParser:
    """Reads DOCX, PPTX, sheets, HTML, CSV and mail with dedoc's readers."""

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
            found = reader.read(str(file), parameters=asked)
        except (DedocError, zipfile.BadZipFile) as error:
            raise DocumentError(f"{path} is damaged, or dedoc cannot read it: {error}") from error
        builder = TextBuilder()
        paged = isinstance(reader, PptxReader)
        pages = 0
        for page, part in _parts(found):
            if paged:
                for _ in range(pages, page + 1):
                    builder.start_page()
                pages = max(pages, page + 1)
            if isinstance(part, list):
                builder.add_table(part)
            else:
                _add_line(part, builder)
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


def _add_line(line: Any, builder: TextBuilder) -> None:
    text = line.line.strip()
    level = line.metadata.tag_hierarchy_level or line.metadata.hierarchy_level
    kind = level.line_type if level is not None else "unknown"
    if kind in _HIDDEN:
        return
    if kind == "header":
        builder.add("heading", text, min(6, max(1, level.level_2 or 1)))
    elif kind in LIST_ITEMS:
        builder.add("list_item", list_item(text), max(1, (level.level_1 or 2) // 2))
    elif kind == "footer":
        builder.add("footer", text)
    else:
        builder.add("paragraph", text)
