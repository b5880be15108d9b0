"""PowerPoint: each slide is a page; its title a heading; text, tables, charts and notes in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pptx
from lxml import etree
from pptx.exc import PackageNotFoundError
from pptx.shapes.group import GroupShape

from acclimate.documents.builder import TextBuilder
from acclimate.documents.safe import open_zip
from acclimate.errors import DocumentError
from acclimate.types import Document

_MAX_DEPTH = 20


class PptxParser:
    """Reads .pptx."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        with open_zip(file, path):
            pass
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
        properties = show.core_properties
        metadata = {"author": properties.author} if properties.author else {}
        return builder.build(path, "", properties.title or "", metadata)


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    for shape in shapes:
        if isinstance(shape, GroupShape) and depth < _MAX_DEPTH:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add(shape: Any, builder: TextBuilder) -> None:
    if getattr(shape, "has_table", False):
        builder.add_table([[cell.text for cell in row.cells] for row in shape.table.rows])
    elif getattr(shape, "has_chart", False):
        _add_chart(shape.chart, builder)
    elif shape.has_text_frame:
        paragraphs = [paragraph for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()]
        for paragraph in paragraphs:
            if len(paragraphs) > 1:
                builder.add("list_item", f"{'  ' * paragraph.level}- {paragraph.text.strip()}", paragraph.level + 1)
            else:
                builder.add("paragraph", paragraph.text)


def _add_chart(chart: Any, builder: TextBuilder) -> None:
    """A chart as the table that it draws."""
    if chart.has_title and chart.chart_title.has_text_frame:
        builder.add("caption", chart.chart_title.text_frame.text)
    series = [node for node in chart._chartSpace.iter() if _name(node) == "ser"]  # whatever kind of chart it is
    names = [" ".join(_values(one, "tx")) for one in series]
    labels = max((_values(one, "cat") for one in series), key=len, default=[])
    columns = [_values(one, "val") for one in series]
    height = max(map(len, [labels, *columns]), default=0)
    rows = [[column[at] if at < len(column) else "" for column in [labels, *columns]] for at in range(height)]
    builder.add_table([["", *names], *rows])


def _name(node: Any) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _values(series: Any, part: str) -> list[str]:
    return [leaf.text or "" for node in series if _name(node) == part for leaf in node.iter() if _name(leaf) == "v"]
