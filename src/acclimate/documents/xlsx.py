"""XLSX read from its XML, so that each number is shown in its cell's format, and what is hidden is
known.

Tags are compared without their namespace: strict and transitional files are one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from zipfile import ZipFile

from lxml import etree

from acclimate.documents.builder import one_line
from acclimate.documents.number_format import BUILT_IN, general, number_format
from acclimate.documents.safe import attribute, iterate_xml, local_name, parse_xml, read_member
from acclimate.documents.sheet_grid import MOST_CELLS, Area, Sheet, too_many

_WORKBOOK = "xl/workbook.xml"
_PLACE = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DIGITS = "0123456789"
_YES = ("1", "true")
_MAX_CACHED = 200_000
_WHOLE = 1e15  # from here on a double does not tell each integer
_FORMULA_SHOWN = 80  # characters


@dataclass(frozen=True, slots=True)
class _Style:
    """How a cell shows its number; `code` "" is General. `white`: in white letters on no other
    ground."""

    code: str = ""
    white: bool = False


_PLAIN = _Style()


@dataclass(slots=True)
class _Book:
    """What all sheets share. `stale`: its writer computed nothing, and asks that this be done at
    opening."""

    strings: list[str]
    styles: list[_Style]
    from_1904: bool
    stale: bool
    cache: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def style(self, cell: etree._Element) -> _Style:
        number = cell.get("s")
        return self.styles[int(number)] if number and int(number) < len(self.styles) else _PLAIN

    def show(self, raw: str, code: str) -> tuple[str, str]:
        """A number as its format shows it, and the number behind where that is another."""
        found = self.cache.get((raw, code))
        if found is None:
            found = self._show(raw, code)
            if len(self.cache) < _MAX_CACHED:
                self.cache[raw, code] = found
        return found

    def _show(self, raw: str, code: str) -> tuple[str, str]:
        try:
            number = float(raw)
            plain = (
                str(int(number)) if number.is_integer() and abs(number) < _WHOLE else repr(number)
            )
            shown = (
                number_format(code).show(number, from_1904=self.from_1904)
                if code
                else general(number)
            )
        except (ValueError, OverflowError):  # no number at all
            return raw, ""
        shown = one_line(shown)
        return shown, "" if shown.replace(",", "") == plain else plain


def read_xlsx(archive: ZipFile) -> Iterator[Sheet]:
    """The workbook's sheets of cells, in order. Raises DocumentError where a part is missing or
    damaged."""
    names = set(archive.namelist())
    root = parse_xml(read_member(archive, _WORKBOOK))
    settings = {local_name(node): node for node in root}
    calc = settings.get("calcPr")
    book = _Book(
        strings=_strings(archive, names),
        styles=_styles(archive, names),
        from_1904="workbookPr" in settings and settings["workbookPr"].get("date1904") in _YES,
        stale=calc is not None and calc.get("fullCalcOnLoad") in _YES,
    )
    targets = _targets(archive)
    for node in settings.get("sheets", ()):
        member = targets.get(attribute(node, "id") or "", "")
        if member in names:
            hidden = node.get("state") in ("hidden", "veryHidden")
            yield _read_sheet(
                read_member(archive, member), Sheet(node.get("name") or "", hidden), book
            )


def _targets(archive: ZipFile) -> dict[str, str]:
    """Id → member of each sheet of cells."""
    links = parse_xml(read_member(archive, "xl/_rels/workbook.xml.rels"))
    return {
        str(link.get("Id")): posixpath.normpath(
            posixpath.join("/xl", str(link.get("Target")))
        ).lstrip("/")
        for link in links
        if str(link.get("Type")).endswith("/worksheet")
    }


def _strings(archive: ZipFile, names: set[str]) -> list[str]:
    if "xl/sharedStrings.xml" not in names:
        return []
    found = []
    for item in iterate_xml(read_member(archive, "xl/sharedStrings.xml"), "si"):
        found.append(_string(item))
        item.clear()
    return found


def _string(item: etree._Element) -> str:
    """The text of a string without the reading aids (phonetic runs) of East Asian scripts."""
    parts = []
    for part in item:
        name = local_name(part)
        if name == "t":
            parts.append(part.text or "")
        elif name == "r":
            parts += [run.text or "" for run in part if local_name(run) == "t"]
    return one_line(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), "".join(parts)))


def _styles(archive: ZipFile, names: set[str]) -> list[_Style]:
    if "xl/styles.xml" not in names:
        return []
    parts = {local_name(node): node for node in parse_xml(read_member(archive, "xl/styles.xml"))}
    own = {node.get("numFmtId"): node.get("formatCode") or "" for node in parts.get("numFmts", ())}
    white = [_is_white(_child(font, "color")) for font in parts.get("fonts", ())]
    bare = [_is_bare(fill) for fill in parts.get("fills", ())]
    found = []
    for node in parts.get("cellXfs", ()):
        number, font, fill = (node.get(name) or "0" for name in ("numFmtId", "fontId", "fillId"))
        code = own.get(number) or BUILT_IN.get(int(number), "General")
        hides = _at(white, font) and _at(bare, fill, True)
        found.append(_Style("" if code.casefold() in ("general", "@") else code, hides))
    return found


def _child(node: etree._Element, name: str) -> etree._Element | None:
    return next((child for child in node if local_name(child) == name), None)


def _at(flags: list[bool], number: str, otherwise: bool = False) -> bool:
    return flags[int(number)] if int(number) < len(flags) else otherwise


def _is_white(color: etree._Element | None) -> bool:
    """White by value, by the palette, or as the theme's first colour."""
    if color is None or color.get("tint") not in (None, "0"):
        return False
    return (
        (color.get("rgb") or "").upper()[-6:] == "FFFFFF"
        or color.get("indexed") in ("1", "9")
        or (color.get("theme") == "0")
    )


def _is_bare(fill: etree._Element) -> bool:
    pattern = _child(fill, "patternFill")
    if pattern is None:
        return False
    kind = pattern.get("patternType") or "none"
    return kind == "none" or (kind == "solid" and _is_white(_child(pattern, "fgColor")))


def _read_sheet(content: bytes, sheet: Sheet, book: _Book) -> Sheet:  # noqa: C901
    painted, row, count = False, -1, 0
    white: dict[tuple[int, int], str] = {}
    for node in iterate_xml(
        content, "row", "col", "mergeCell", "conditionalFormatting", "tablePart"
    ):
        match local_name(node):
            case "row":
                row = int(node.get("r") or row + 2) - 1
                if node.get("hidden") in _YES or _is_zero(node.get("ht")):
                    sheet.hidden_rows.add(row)
                _read_row(node, row, sheet, book, white)
                count += len(node)
                if count > MOST_CELLS:
                    raise too_many()
                node.clear()
            case "col":
                if node.get("hidden") in _YES or _is_zero(node.get("width")):
                    sheet.hidden_columns.append(
                        range(int(node.get("min") or 1) - 1, int(node.get("max") or 1))
                    )
            case "mergeCell":
                if area := _area(node.get("ref") or ""):
                    sheet.merged.append(area)
            case _:  # a ground that is painted by a rule or by a table's style shows white letters
                painted = True
    for (down, across), text in white.items():
        if painted:
            sheet.rows.setdefault(down, {})[across] = text
        else:
            sheet.veiled[down, across] = text
    return sheet


def _is_zero(size: str | None) -> bool:
    return size is not None and float(size) == 0


def _area(reference: str) -> Area | None:
    ends = [_PLACE.fullmatch(part) for part in reference.replace("$", "").split(":")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    (left, top), (right, bottom) = (ends[0].groups(), ends[1].groups())
    return Area(int(top) - 1, _column(left), int(bottom) - 1, _column(right))


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number - 1


def _read_row(
    node: etree._Element, row: int, sheet: Sheet, book: _Book, white: dict[tuple[int, int], str]
) -> None:
    cells: dict[int, str] = {}
    column = -1
    for cell in node:
        place = cell.get("r")
        column = _column(place.rstrip(_DIGITS)) if place else column + 1
        style = book.style(cell)
        shown, behind = _read_cell(cell, style.code, book, sheet)
        if not shown and behind:
            sheet.veiled[row, column] = behind
        elif shown and style.white:
            white[row, column] = shown
        elif shown:
            cells[column] = shown
            if behind:
                sheet.values[row, column] = behind
    if cells:
        sheet.rows[row] = cells


class _Stored(NamedTuple):
    """What the file holds of a cell; None for what is not there."""

    raw: str | None
    formula: str | None
    inline: str


def _stored(cell: etree._Element) -> _Stored:
    raw, formula, inline = None, None, ""
    for part in cell:
        match part.tag.rpartition("}")[2]:
            case "v":
                raw = part.text or ""
            case "f":
                formula = part.text or ""
            case "is":
                inline = _string(part)
    return _Stored(raw, formula, inline)


def _read_cell(cell: etree._Element, code: str, book: _Book, sheet: Sheet) -> tuple[str, str]:
    """What a cell shows, and the number or text behind it where that is another."""
    kind = cell.get("t") or "n"
    # Most cells are a number and nothing else.
    if kind == "n" and len(cell) == 1 and cell[0].tag.endswith("}v") and cell[0].text:
        return book.show(cell[0].text, code)
    raw, formula, inline = _stored(cell)
    unknown = (
        raw is None or (not raw and kind != "str") or (kind == "n" and book.stale and raw == "0")
    )
    if formula is not None and unknown:
        sheet.unread += 1
        return no_value(formula), ""
    raw = raw or ""
    if kind == "n":
        return book.show(raw, code) if raw else ("", "")
    if kind == "b":
        return "TRUE" if raw in _YES else "FALSE", ""
    text = inline
    if kind == "s":
        text = book.strings[int(raw)] if raw.isdigit() and int(raw) < len(book.strings) else ""
    elif kind != "inlineStr":  # the text of a formula, an error, a date
        text = one_line(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), raw))
    shown = (
        one_line(number_format(code).show_text(text))
        if code and kind in ("s", "inlineStr", "str")
        else text
    )
    return shown, text if shown != text else ""


def no_value(formula: str) -> str:
    """What stands in the place of a formula that has no value."""
    formula = one_line(formula)
    if not formula:
        return "[formula without a stored value]"
    more = "…" if len(formula) > _FORMULA_SHOWN else ""
    return f"[formula without a stored value: ={formula[:_FORMULA_SHOWN]}{more}]"
