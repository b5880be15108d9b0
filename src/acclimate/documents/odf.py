"""OpenDocument text and presentations (ODT, ODP)."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from acclimate.documents.builder import TextBuilder, one_line
from acclimate.documents.odf_lists import Lists, list_styles
from acclimate.documents.properties import office_properties
from acclimate.documents.safe import local_name, open_zip, parse_xml, read_member
from acclimate.errors import DocumentError
from acclimate.types import Document

_SKIPPED = frozenset(("sequence-decls", "tracked-changes", "annotation", "forms", "notes"))
_MAX_DEPTH = 100
_MAX_REPEATED = 200  # a cell may claim to be repeated a million times
_MAX_SPANNED = 50


class OdfParser:
    """Reads content.xml: headings with levels, paragraphs, lists, tables, slides as pages."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        with open_zip(file, path) as archive:
            root = parse_xml(read_member(archive, "content.xml"))
            more = [parse_xml(read_member(archive, "styles.xml"))] if "styles.xml" in archive.namelist() else []
            title, metadata = office_properties(archive)
        body = next((node for node in root if local_name(node) == "body"), None)
        if body is None:
            raise DocumentError(f"{path} has no body.", hint="Save it again.")
        builder = TextBuilder()
        _walk(body, builder, Lists(list_styles(*more, root)), 0)
        return builder.build(path, "", title, metadata)


def _walk(parent: etree._Element, builder: TextBuilder, lists: Lists, depth: int) -> None:
    for node in parent:
        name = local_name(node)
        if name in _SKIPPED or depth > _MAX_DEPTH:
            continue
        if name == "page":
            builder.start_page()
        if name == "h":
            builder.add("heading", _text(node), _level(node))
        elif name == "p":
            _paragraph(node, builder, lists)
            for frame in node:  # text boxes are anchored in paragraphs
                if local_name(frame) in ("frame", "custom-shape"):
                    _walk(frame, builder, Lists(lists.styles), depth + 1)
        elif name == "table":
            builder.add_table(_rows(node))
        elif name == "list":
            lists.begin(node)
            for item in node:
                lists.item(item)
                _walk(item, builder, lists, depth + 2)
            lists.end()
        else:
            _walk(node, builder, lists, depth + 1)


def _paragraph(node: etree._Element, builder: TextBuilder, lists: Lists) -> None:
    text = _text(node)
    if lists.depth:
        mark = lists.take_mark()
        builder.add("list_item", f"{'  ' * (lists.depth - 1)}{mark} {text}".rstrip() if text else "", lists.depth)
    else:  # what is numbered as a figure or a table is a caption
        numbered = any(local_name(part) == "sequence" for part in node.iter())
        builder.add("caption" if numbered else "paragraph", text)


def _level(node: etree._Element) -> int:
    value = next((value for key, value in node.attrib.items() if str(key).endswith("outline-level")), "1")
    return min(6, max(1, int(value))) if str(value).isdigit() else 1


def _text(node: etree._Element) -> str:
    """The text of a paragraph, without that of frames anchored in it."""
    parts = [node.text or ""]
    for child in node:
        name = local_name(child)
        if name in ("s", "tab", "line-break"):
            parts.append(" ")
        elif name not in ("frame", "custom-shape", *_SKIPPED) and name:
            parts.append(_text(child))
        parts.append(child.tail or "")
    return one_line("".join(parts))


def _rows(table: etree._Element) -> list[list[str]]:
    """Rows of cells; a cell over several columns or rows is repeated in each, as in HTML."""
    rows: list[list[str]] = []
    covered: dict[tuple[int, int], str] = {}
    for row in (node for node in table.iter() if local_name(node) == "table-row"):
        cells: list[str] = []
        for cell in row:
            if local_name(cell) not in ("table-cell", "covered-table-cell"):
                continue
            text = " ".join(_text(part) for part in cell.iter() if local_name(part) in ("p", "h"))
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
