"""PowerPoint: each slide is a page; its title a heading; text, tables, charts and notes in order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pptx
from pptx.exc import PackageNotFoundError
from pptx.shapes.group import GroupShape
from pptx.shapes.picture import Picture

from acclimate.documents.builder import TextBuilder
from acclimate.documents.chart import add_chart
from acclimate.documents.pictures import wanted
from acclimate.documents.properties import office_properties
from acclimate.documents.safe import open_zip
from acclimate.errors import DocumentError
from acclimate.types import Document

_MAX_DEPTH = 20


class PptxParser:
    """Reads .pptx."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        with open_zip(file, path) as archive:
            titled, metadata = office_properties(archive)
        try:
            show = pptx.Presentation(str(file))
        except (PackageNotFoundError, KeyError, ValueError) as error:
            raise DocumentError(f"{path} is damaged ({error}).", hint="Save it again.") from error
        builder = TextBuilder()
        for slide in show.slides:
            builder.start_page()
            title = slide.shapes.title
            if title is not None:
                builder.add("heading", " ".join(title.text_frame.text.split()), 1)
            for shape in _shapes(slide.shapes, 0):
                if title is None or shape.shape_id != title.shape_id:
                    _add(shape, builder)
            if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
                builder.add("quote", slide.notes_slide.notes_text_frame.text)
        return builder.build(path, "", titled, metadata)


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    for shape in shapes:
        if isinstance(shape, GroupShape) and depth < _MAX_DEPTH:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add(shape: Any, builder: TextBuilder) -> None:
    if isinstance(shape, Picture) and wanted():  # not its shape_type, which raises for shapes that it does not know
        with contextlib.suppress(ValueError, KeyError, AttributeError):  # linked, not embedded
            builder.add_picture(shape.image.blob)
    if getattr(shape, "has_table", False):
        builder.add_table(_table(shape.table))
    elif getattr(shape, "has_chart", False):
        add_chart(shape.chart._chartSpace, builder)
    elif shape.has_text_frame:
        paragraphs = [paragraph for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()]
        for paragraph in paragraphs:
            if len(paragraphs) > 1:
                builder.add("list_item", f"{'  ' * paragraph.level}- {paragraph.text.strip()}", paragraph.level + 1)
            else:
                builder.add("paragraph", paragraph.text)


def _table(table: Any) -> list[list[str]]:
    """Rows of cells; a merged cell is repeated in each place that it covers, as in HTML."""
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    for at, row in enumerate(table.rows):
        for column, cell in enumerate(row.cells):
            if cell.is_merge_origin:
                for below in range(at, min(at + cell.span_height, len(rows))):
                    width = len(rows[below][column : column + cell.span_width])
                    rows[below][column : column + width] = [cell.text] * width
    return rows
