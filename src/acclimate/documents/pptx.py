"""PowerPoint: each slide is a page: its title as a heading, the rest in the order of reading, its
notes last."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pptx
from pptx.exc import PackageNotFoundError
from pptx.shapes.group import GroupShape
from pptx.shapes.picture import Picture

from acclimate.documents.builder import TextBuilder, merged
from acclimate.documents.chart import add_chart
from acclimate.documents.hidden import HiddenKind, keep
from acclimate.documents.pictures import wanted
from acclimate.documents.properties import office_properties
from acclimate.documents.reading_order import reading_order
from acclimate.documents.safe import open_zip
from acclimate.errors import DocumentError
from acclimate.types import Box, Document

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
        page = Box(0, 0, show.slide_width or 0, show.slide_height or 0)
        for slide in show.slides:
            builder.start_page()  # of a hidden slide too: it has a number
            hidden = slide.element.get("show") in ("0", "false")
            if not hidden or keep("slide"):
                with builder.hidden("slide" if hidden else ""):
                    _add_slide(slide, page, builder)
        return builder.build(path, "", titled, metadata)


def _add_slide(slide: Any, page: Box, builder: TextBuilder) -> None:
    title = slide.shapes.title
    first: list[_Placed] = []
    placed: list[_Placed] = []
    for one in _placed(slide.shapes, _Frame(), False, 0):
        (first if title is not None and one.shape.shape_id == title.shape_id else placed).append(
            one
        )
    order = reading_order([one.box or page for one in placed])
    for one in [*first, *(placed[at] for at in order)]:
        hidden: HiddenKind | None = "shape" if one.hidden or _outside(one.box, page) else None
        if hidden and not (_says(one.shape) and keep(hidden)):
            continue
        with builder.hidden(hidden or ""):
            if one in first:
                builder.add("heading", " ".join(title.text_frame.text.split()), 1)
            else:
                _add(one.shape, builder)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        builder.add("quote", slide.notes_slide.notes_text_frame.text)


@dataclass(frozen=True, slots=True)
class _Frame:
    """From the lengths inside a group to those of the slide."""

    left: float = 0.0
    top: float = 0.0
    wide: float = 1.0
    high: float = 1.0

    def box(self, shape: Any) -> Box | None:
        """Where a shape stands on the slide; None where nothing says so."""
        if None in (shape.left, shape.top, shape.width, shape.height):
            return None
        left, top = self.left + self.wide * shape.left, self.top + self.high * shape.top
        return Box(left, top, left + self.wide * shape.width, top + self.high * shape.height)

    def inside(self, group: GroupShape) -> _Frame:
        """The frame of what a group holds."""
        box, transform = self.box(group), group.element.grpSpPr.find("{*}xfrm")
        child = (
            {}
            if transform is None
            else {part.tag.rpartition("}")[2]: part.attrib for part in transform}
        )
        if box is None or "chOff" not in child or "chExt" not in child:
            return self
        across, down = (int(child["chExt"][name]) for name in ("cx", "cy"))
        wide = (box.right - box.left) / across if across else self.wide
        high = (box.bottom - box.top) / down if down else self.high
        return _Frame(
            box.left - wide * int(child["chOff"]["x"]),
            box.top - high * int(child["chOff"]["y"]),
            wide,
            high,
        )


@dataclass(frozen=True, slots=True)
class _Placed:
    shape: Any
    box: Box | None
    hidden: bool


def _placed(shapes: Any, frame: _Frame, hidden: bool, depth: int) -> Iterator[_Placed]:
    """Shapes with their places on the slide, those of groups one by one."""
    for shape in shapes:
        hides = hidden or shape.element.xpath("string(./*/*[local-name()='cNvPr']/@hidden)") in (
            "1",
            "true",
        )
        if isinstance(shape, GroupShape) and depth < _MAX_DEPTH:
            yield from _placed(shape.shapes, frame.inside(shape), hides, depth + 1)
        elif _says(shape) or isinstance(
            shape, Picture
        ):  # an empty frame must not keep columns together
            yield _Placed(shape, frame.box(shape), hides)


def _outside(box: Box | None, page: Box) -> bool:
    """Whether nothing of a shape is on the slide."""
    if box is None or page.right == 0:
        return False
    return (
        box.right <= page.left
        or box.left >= page.right
        or box.bottom <= page.top
        or box.top >= page.bottom
    )


def _says(shape: Any) -> bool:
    """Whether a shape holds something to be read."""
    if getattr(shape, "has_table", False) or getattr(shape, "has_chart", False):
        return True
    return bool(shape.has_text_frame and shape.text_frame.text.strip())


def _add(shape: Any, builder: TextBuilder) -> None:
    if (
        isinstance(shape, Picture) and wanted()
    ):  # not its shape_type, which raises for shapes that it does not know
        with contextlib.suppress(ValueError, KeyError, AttributeError):  # linked, not embedded
            builder.add_picture(shape.image.blob)
    if getattr(shape, "has_table", False):
        repeated = any(
            cell.is_merge_origin and cell.span_height > 1 for cell in shape.table.iter_cells()
        )
        builder.add_table(_table(shape.table), metadata=merged(rows=repeated))
    elif getattr(shape, "has_chart", False):
        add_chart(shape.chart._chartSpace, builder)
    elif shape.has_text_frame:
        paragraphs = [
            paragraph for paragraph in shape.text_frame.paragraphs if paragraph.text.strip()
        ]
        for paragraph in paragraphs:
            if len(paragraphs) > 1:
                builder.add(
                    "list_item",
                    f"{'  ' * paragraph.level}- {paragraph.text.strip()}",
                    paragraph.level + 1,
                )
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
