"""OpenDocument spreadsheets read from their XML, which holds the text that each cell shows beside
its value.

OpenDocument 1.3, part 3, §9.1 and §19.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from zipfile import ZipFile

from lxml import etree

from acclimate.documents.builder import one_line
from acclimate.documents.number_format import general
from acclimate.documents.odf_text import paragraph_text
from acclimate.documents.safe import attribute, iterate_xml, read_member
from acclimate.documents.sheet_grid import MOST_CELLS, Area, Sheet, too_many
from acclimate.documents.xlsx import no_value
from acclimate.errors import DocumentError

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_HIDES = ("collapse", "filter")
_MAX_COLUMNS = 16_384


@dataclass(slots=True)
class _Open:
    """The sheet that is being read, and where in it."""

    sheet: Sheet
    row: int = 0
    column: int = 0
    cells: int = field(default=0)


def read_ods(archive: ZipFile) -> Iterator[Sheet]:
    """The sheets in order. Raises DocumentError where the file is damaged or encrypted."""
    if b"encryption-data" in read_member(archive, "META-INF/manifest.xml"):
        raise DocumentError("it is encrypted.", hint="Save it again without a password.")
    hidden_styles: set[str] = set()
    opened = _Open(Sheet(""))
    names = ("style", "table-column", "table-row", "table")
    for node in iterate_xml(read_member(archive, "content.xml"), *names):
        match node.tag.rpartition("}")[2]:
            case "style":
                if any(attribute(part, "display") == "false" for part in node):
                    hidden_styles.add(attribute(node, "name") or "")
            case "table-column":
                times = _number(node, "number-columns-repeated")
                if node.get(f"{_TABLE}visibility") in _HIDES:
                    opened.sheet.hidden_columns.append(range(opened.column, opened.column + times))
                opened.column += times
            case "table-row":
                _read_row(node, opened)
                node.clear()
            case _ if node.tag == f"{_TABLE}table":
                opened.sheet.name = node.get(f"{_TABLE}name") or ""
                opened.sheet.hidden = node.get(f"{_TABLE}style-name") in hidden_styles
                yield opened.sheet
                opened = _Open(Sheet(""))
                node.clear()


def _read_row(node: etree._Element, opened: _Open) -> None:
    sheet, times = opened.sheet, _number(node, "number-rows-repeated")
    cells: dict[int, str] = {}
    values: dict[int, str] = {}
    column = 0
    for cell in node:
        name = cell.tag.rpartition("}")[2]
        if name not in ("table-cell", "covered-table-cell"):
            continue
        repeated = _number(cell, "number-columns-repeated")
        shown, behind = _read_cell(cell, sheet) if name == "table-cell" else ("", "")
        if shown:
            for at in range(column, min(column + repeated, _MAX_COLUMNS)):
                cells[at] = shown
                values |= {at: behind} if behind else {}
            down, across = (
                _number(cell, "number-rows-spanned"),
                _number(cell, "number-columns-spanned"),
            )
            if down > 1 or across > 1:
                sheet.merged.append(
                    Area(opened.row, column, opened.row + down - 1, column + across - 1)
                )
        column += repeated
    if cells:
        opened.cells += times * len(cells)
        if opened.cells > MOST_CELLS:
            raise too_many()
        rows = range(opened.row, opened.row + times)
        sheet.rows |= {row: dict(cells) for row in rows}
        sheet.values |= {(row, at): value for row in rows for at, value in values.items()}
        if node.get(f"{_TABLE}visibility") in _HIDES:
            sheet.hidden_rows.update(rows)
    elif node.get(f"{_TABLE}visibility") in _HIDES:
        sheet.hidden_rows.update(range(opened.row, opened.row + min(times, _MAX_COLUMNS)))
    opened.row += times


def _number(node: etree._Element, name: str) -> int:
    """A count in an attribute, 1 where it says none."""
    value = node.get(f"{_TABLE}{name}") or "1"
    return max(1, int(value)) if value.isdigit() and len(value) < 9 else 1


def _read_cell(cell: etree._Element, sheet: Sheet) -> tuple[str, str]:
    """What a cell shows, and the value behind it where that is another."""
    texts = [paragraph_text(part) for part in cell if part.tag.rpartition("}")[2] in ("p", "h")]
    shown = " ".join(filter(None, texts))
    kind = cell.get(f"{_OFFICE}value-type") or ""
    value = (
        cell.get(f"{_OFFICE}value")
        or cell.get(f"{_OFFICE}date-value")
        or cell.get(f"{_OFFICE}time-value")
        or ""
    )
    if not shown and not value and cell.get(f"{_OFFICE}boolean-value") is None:
        formula = cell.get(f"{_TABLE}formula")
        if formula is None or kind == "string":
            return cell.get(f"{_OFFICE}string-value") or "", ""
        sheet.unread += 1
        return no_value(formula.partition("=")[2]), ""
    shown = shown or _show(cell, kind, value)
    return shown, "" if shown.replace(",", "") == value else value


def _show(cell: etree._Element, kind: str, value: str) -> str:
    """A value whose writer left out the text that the cell shows."""
    if kind == "boolean":
        return (cell.get(f"{_OFFICE}boolean-value") or "").upper()
    try:
        if kind == "percentage":
            return f"{general(float(Decimal(value).scaleb(2)))}%"
        if kind in ("float", "currency"):
            return one_line(f"{general(float(value))} {cell.get(f'{_OFFICE}currency') or ''}")
    except (InvalidOperation, ValueError, OverflowError):
        return value
    if kind == "time":  # a duration of ISO 8601: PT12H30M00S
        return (
            value.removeprefix("PT")
            .replace("H", ":")
            .replace("M", ":")
            .removesuffix("S")
            .partition(".")[0]
        )
    return value.replace("T", " ")
