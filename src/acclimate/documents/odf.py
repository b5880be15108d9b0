"""OpenDocument text and presentations (ODT, ODP)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lxml import etree

from acclimate.documents.builder import TextBuilder, merged
from acclimate.documents.hidden import HiddenKind, keep
from acclimate.documents.odf_lists import Lists, list_styles
from acclimate.documents.odf_text import SKIPPED, OdfWords, paragraph_text
from acclimate.documents.properties import office_properties
from acclimate.documents.reading_order import reading_order
from acclimate.documents.safe import attribute, local_name, open_zip, parse_xml, read_member
from acclimate.errors import DocumentError
from acclimate.types import Box, Document

_POINTS = {"cm": 72 / 2.54, "mm": 72 / 25.4, "in": 72.0, "pt": 1.0, "pc": 12.0, "px": 0.75}
_MAX_DEPTH = 100
_MAX_REPEATED = 200  # a cell may claim to be repeated a million times
_MAX_SPANNED = 50


class OdfParser:
    """Reads content.xml: headings with levels, paragraphs, lists, tables, slides as pages."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        with open_zip(file, path) as archive:
            root = parse_xml(read_member(archive, "content.xml"))
            more = (
                [parse_xml(read_member(archive, "styles.xml"))]
                if "styles.xml" in archive.namelist()
                else []
            )
            title, metadata = office_properties(archive)
        body = next((node for node in root if local_name(node) == "body"), None)
        if body is None:
            raise DocumentError(f"{path} has no body.", hint="Save it again.")
        builder = TextBuilder()
        _Reader(
            builder, Lists(list_styles(*more, root)), OdfWords(*more, root), _hidden_pages(root)
        ).walk(body, 0)
        return builder.build(path, "", title, metadata)


class _Reader:
    def __init__(
        self, builder: TextBuilder, lists: Lists, words: OdfWords, hidden_pages: set[str]
    ) -> None:
        self._builder, self._lists, self._words, self._hidden_pages = (
            builder,
            lists,
            words,
            hidden_pages,
        )

    def walk(self, nodes: Iterable[etree._Element], depth: int) -> None:  # noqa: C901
        """Add what these nodes hold."""
        for node in nodes:
            name = local_name(node)
            if name == "tracked-changes":
                self._deletions(node)
            elif name == "notes":
                self._notes(node, depth)
            elif name in SKIPPED or depth > _MAX_DEPTH:
                continue
            elif name == "page":
                with self._words.on_a_ground():
                    self._page(node, depth)
            elif name == "section" and (
                attribute(node, "display") == "none" or attribute(node, "is-hidden") == "true"
            ):
                self._unless_hidden("text", node, depth)
            elif name == "h":
                self._builder.add("heading", self._words.text(node), _level(node))
                self._add_hidden()
            elif name == "p":
                self._paragraph(node)
                self._add_hidden()
                outer, self._lists = self._lists, Lists(self._lists.styles)
                frames = [frame for frame in node if local_name(frame) in ("frame", "custom-shape")]
                for frame in frames:  # text boxes are anchored in paragraphs
                    with self._words.on_a_ground():
                        self.walk(frame, depth + 1)
                self._lists = outer
            elif name == "table":
                with self._words.on_a_ground():
                    rows = _rows(node, self._words)
                    spans = (_number(cell, "rows-spanned", _MAX_SPANNED) for cell in node.iter())
                    self._builder.add_table(rows, metadata=merged(rows=max(spans) > 1))
                self._add_hidden()
            elif name == "list":
                self._lists.begin(node)
                for item in node:
                    self._lists.item(item)
                    self.walk(item, depth + 2)
                self._lists.end()
            else:
                self.walk(node, depth + 1)

    def _unless_hidden(self, kind: HiddenKind, nodes: Iterable[etree._Element], depth: int) -> None:
        if keep(kind):
            with self._builder.hidden(kind):
                self.walk(nodes, depth + 1)

    def _page(self, node: etree._Element, depth: int) -> None:
        """A slide: its title, then what stands on it in the order of reading, then its notes."""
        self._builder.start_page()  # of a hidden slide too: it has a number
        notes = [part for part in node if local_name(part) == "notes"]
        shapes = [part for part in _shapes(node, 0) if part not in notes]
        shown: list[etree._Element] = []
        title = next((shape for shape in shapes if attribute(shape, "class") == "title"), None)
        if title is not None:
            shapes.remove(title)
            shown.append(title)
        order = reading_order([_box(shape) or Box(0, 0, 0, 0) for shape in shapes])
        shown += [*(shapes[at] for at in order), *notes]
        if (attribute(node, "style-name") or "") in self._hidden_pages:
            self._unless_hidden("slide", shown, depth)
        else:
            self.walk(shown, depth + 1)

    def _notes(self, node: etree._Element, depth: int) -> None:
        """A speaker's notes."""
        texts = [self._words.text(part) for part in node.iter("{*}p")]
        self._builder.add("quote", "\n".join(filter(None, texts)))
        self._add_hidden()

    def _deletions(self, node: etree._Element) -> None:
        """What was deleted while changes were tracked."""
        for part in node.iter("{*}deletion"):
            if keep("deletion"):
                with self._builder.hidden("deletion"):
                    texts = (paragraph_text(one) for one in part.iter("{*}p", "{*}h"))
                    self._builder.add("paragraph", " ".join(filter(None, texts)))

    def _add_hidden(self) -> None:
        """Count what was hidden in the words read last, and add it where it is wanted."""
        for kind, text in self._words.take_hidden():
            if keep(kind):
                with self._builder.hidden(kind):
                    self._builder.add("paragraph", text)

    def _paragraph(self, node: etree._Element) -> None:
        text, lists = self._words.text(node), self._lists
        if lists.depth:
            mark = lists.take_mark()
            said = f"{'  ' * (lists.depth - 1)}{mark} {text}".rstrip() if text else ""
            self._builder.add("list_item", said, lists.depth)
        else:  # what is numbered as a figure or a table is a caption
            numbered = any(local_name(part) == "sequence" for part in node.iter())
            self._builder.add("caption" if numbered else "paragraph", text)


def _hidden_pages(root: etree._Element) -> set[str]:
    """The styles of slides that are not shown."""
    hidden: set[str] = set()
    for style in root.iter("{*}style"):
        for part in style:
            of_a_page = local_name(part) == "drawing-page-properties"
            if of_a_page and attribute(part, "visibility") == "hidden":
                hidden.add(attribute(style, "name") or "")
    return hidden


def _shapes(node: etree._Element, depth: int) -> Iterator[etree._Element]:
    """What stands on a slide, groups one by one."""
    for part in node:
        if local_name(part) == "g" and depth < _MAX_DEPTH:
            yield from _shapes(part, depth + 1)
        elif local_name(part):
            yield part


def _box(shape: etree._Element) -> Box | None:
    """Where a shape stands on its slide, in points; None where nothing says so."""
    left, top, width, height = (
        _length(attribute(shape, name) or "") for name in ("x", "y", "width", "height")
    )
    moved = re.search(
        r"translate\s*\(\s*(\S+?)[\s,]+(\S+?)\s*\)", attribute(shape, "transform") or ""
    )
    if moved is not None and left is None:
        left, top = _length(moved[1]), _length(moved[2])
    if left is None or top is None:
        return None
    return Box(left, top, left + (width or 0), top + (height or 0))


def _length(text: str) -> float | None:
    """A length in points."""
    match = re.fullmatch(r"(-?\d*\.?\d+)(cm|mm|in|pt|pc|px)", text)
    return None if match is None else float(match[1]) * _POINTS[match[2]]


def _level(node: etree._Element) -> int:
    value = next(
        (value for key, value in node.attrib.items() if str(key).endswith("outline-level")), "1"
    )
    return min(6, max(1, int(value))) if str(value).isdigit() else 1


def _rows(table: etree._Element, words: OdfWords) -> list[list[str]]:
    """Rows of cells; a cell over several columns or rows is repeated in each, as in HTML."""
    rows: list[list[str]] = []
    covered: dict[tuple[int, int], str] = {}
    for row in (node for node in table.iter() if local_name(node) == "table-row"):
        cells: list[str] = []
        for cell in row:
            if local_name(cell) not in ("table-cell", "covered-table-cell"):
                continue
            text = " ".join(
                words.text(part) for part in cell.iter() if local_name(part) in ("p", "h")
            )
            place = len(rows), len(cells)
            for down in range(_number(cell, "rows-spanned", _MAX_SPANNED)):
                for right in range(_number(cell, "columns-spanned", _MAX_SPANNED)):
                    covered.setdefault((place[0] + down, place[1] + right), text)
            times = _number(cell, "columns-repeated", _MAX_REPEATED)
            if local_name(cell) == "covered-table-cell":
                cells += [covered.get((place[0], place[1] + more), "") for more in range(times)]
            else:
                cells += [text] * (times if text else 1)
        rows.append(cells)
    return rows


def _number(cell: etree._Element, name: str, most: int) -> int:
    """The number in an attribute of a cell, 1 where it says none."""
    value = next((str(value) for key, value in cell.attrib.items() if str(key).endswith(name)), "1")
    return max(1, min(int(value), most)) if value.isdigit() else 1
