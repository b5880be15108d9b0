"""Word documents: headings by style, lists, tables, in the order of the body."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import docx
from docx.table import Table
from docx.text.paragraph import Paragraph

from acclimate.documents.builder import TextBuilder
from acclimate.errors import DocumentError
from acclimate.types import Document

_MAX_UNPACKED = 500_000_000  # bytes
_MAX_RATIO = 200  # unpacked over packed; real documents stay under 30


class DocxParser:
    """Reads .docx. python-docx resolves no entities and fetches nothing."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        _refuse_bombs(file)
        document = docx.Document(str(file))
        builder = TextBuilder()
        for block in document.iter_inner_content():
            if isinstance(block, Table):
                builder.add_table([[cell.text for cell in row.cells] for row in block.rows])
            else:
                _add_paragraph(block, builder)
        properties = document.core_properties
        metadata = {"author": properties.author or ""} if properties.author else {}
        return builder.build(path, "", properties.title or "", metadata)


def _add_paragraph(paragraph: Paragraph, builder: TextBuilder) -> None:
    style = (paragraph.style.name if paragraph.style is not None else None) or ""
    if match := re.match(r"Heading (\d)", style):
        builder.add("heading", paragraph.text, min(6, int(match[1])))
    elif style == "Title":
        builder.add("title", paragraph.text, 1)
    elif style.startswith("List") or (paragraph._p.pPr is not None and paragraph._p.pPr.numPr is not None):
        builder.add("list_item", f"- {paragraph.text.strip()}" if paragraph.text.strip() else "", 1)
    else:
        builder.add("caption" if style == "Caption" else "paragraph", paragraph.text)


def _refuse_bombs(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > _MAX_UNPACKED or unpacked > _MAX_RATIO * max(file.stat().st_size, 10_000):
        raise DocumentError(f"{file.name} unpacks to {unpacked:,} bytes, which is too much for its size.")
