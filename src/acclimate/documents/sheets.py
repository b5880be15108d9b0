"""Spreadsheets (XLSX, XLSM, XLSB, XLS, ODS): each block of filled cells is a table, each sheet a
heading."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from acclimate.documents.builder import TextBuilder, merged
from acclimate.documents.hidden import count_unread, keep
from acclimate.documents.number_format import general
from acclimate.documents.ods import read_ods
from acclimate.documents.properties import office_properties
from acclimate.documents.safe import open_zip
from acclimate.documents.sheet_grid import (
    MOST_CELLS,
    Area,
    Grid,
    Sheet,
    address,
    blocks,
    make_grid,
    too_many,
)
from acclimate.documents.xlsx import read_xlsx
from acclimate.errors import DocumentError
from acclimate.types import Document


class SheetParser:
    """Reads the cells as they are shown; formulas were computed by the program that saved them."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        builder = TextBuilder()
        title = ""
        metadata: dict[str, str] = {}
        if zipfile.is_zipfile(file):
            with open_zip(file, path) as archive:
                title, metadata = office_properties(archive)
                names = archive.namelist()
                if "xl/workbook.xml" in names:
                    _add_sheets(read_xlsx(archive), builder)
                elif "content.xml" in names:
                    _add_sheets(read_ods(archive), builder)
                else:
                    _add_sheets(_read_binary(file, path), builder)
        else:
            _add_sheets(_read_binary(file, path), builder)
        return builder.build(path, "", title or Path(path).stem, metadata)


def _read_binary(file: Path, path: str) -> Iterator[Sheet]:
    """The sheets of XLS and XLSB, whose numbers come without their formats."""
    try:
        book = CalamineWorkbook.from_path(str(file))
    except CalamineError as error:
        reason = "is encrypted" if "password" in str(error).casefold() else f"is damaged ({error})"
        raise DocumentError(
            f"{path} {reason}.", hint="Save it again without a password."
        ) from error
    cells = 0
    for known in book.sheets_metadata:
        try:
            found = book.get_sheet_by_name(known.name)
        except CalamineError:  # a sheet of charts
            continue
        cells += found.height * found.width
        if cells > MOST_CELLS:
            raise too_many()
        sheet = Sheet(known.name, known.visible != SheetVisibleEnum.Visible)
        top, left = found.start or (0, 0)
        for row, line in enumerate(found.to_python(skip_empty_area=True), start=top):
            texts = {
                column: text
                for column, value in enumerate(line, start=left)
                if (text := _text(value))
            }
            sheet.rows |= {row: texts} if texts else {}
        sheet.merged = [Area(*start, *end) for start, end in found.merged_cell_ranges or ()]
        yield sheet


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).upper()
        case float():
            return general(value)
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ")
        case _:
            return " ".join(str(value).split())


def _add_sheets(sheets: Iterator[Sheet], builder: TextBuilder) -> None:
    for sheet in sheets:
        if not sheet.rows and not sheet.veiled:
            continue
        if sheet.hidden:
            if keep("sheet"):
                with builder.hidden("sheet"):
                    _add_sheet(sheet, builder)
        else:
            _add_sheet(sheet, builder)


def _add_sheet(sheet: Sheet, builder: TextBuilder) -> None:
    """A heading, the tables of what is shown, and where it is wanted what is not."""
    grid = make_grid(sheet)
    rows = sheet.hidden_rows.intersection(grid.rows)
    columns = {column for column in grid.columns if sheet.hides_column(column)}
    shown = grid.without(rows, columns) if rows or columns else grid
    builder.add("heading", sheet.name, 1)
    if sheet.unread:
        count_unread("formula", sheet.unread)
    for block in blocks(shown):
        _add_block(shown, block, sheet, builder)
    if rows and keep("row", len(rows)):
        with builder.hidden("row"):
            _add_hidden(grid, sheet, builder, rows, set())
    if columns and keep("column", len(columns)):
        with builder.hidden("column"):
            _add_hidden(grid.without(rows, set()), sheet, builder, set(), columns)
    if sheet.veiled and keep("cell", len(sheet.veiled)):
        with builder.hidden("cell"):
            cells = (f"{address(*place)}: {text}" for place, text in sorted(sheet.veiled.items()))
            builder.add("paragraph", "\n".join(cells))


def _add_block(grid: Grid, area: Area, sheet: Sheet, builder: TextBuilder) -> None:
    """A table; a first row with one text is its caption."""
    first, last = area.left, area.right + 1
    rows = [line[first:last] for line in grid.texts[area.top : area.bottom + 1]]
    numbers = grid.rows[area.top : area.bottom + 1]
    while len(rows) > 1 and any(sum(map(bool, row)) > 1 for row in rows[1:]):
        texts = set(filter(None, rows[0]))
        if len(texts) != 1:
            break
        builder.add("caption", texts.pop())
        rows.pop(0)
        numbers = numbers[1:]
    columns = grid.columns[first:last]
    repeated = merged(rows=_joins_rows(sheet, numbers[1:], columns))
    builder.add_table(rows, metadata={**_behind(sheet, numbers, columns), **repeated})


def _joins_rows(sheet: Sheet, rows: Sequence[int], columns: Sequence[int]) -> bool:
    """Whether a merged cell covers several of these rows, in each of which it is repeated."""
    return any(
        area.left <= columns[-1]
        and columns[0] <= area.right
        and sum(area.top <= row <= area.bottom for row in rows) > 1
        for area in sheet.merged
    )


def _behind(sheet: Sheet, rows: Sequence[int], columns: Sequence[int]) -> dict[str, str]:
    """The numbers behind the cells of a table that show them in another form."""
    if not sheet.values:
        return {}
    places = ((row, column) for row in rows for column in columns)
    found = {address(*place): value for place in places if (value := sheet.values.get(place))}
    return {"values": json.dumps(found, separators=(",", ":"))} if found else {}


def _add_hidden(
    grid: Grid, sheet: Sheet, builder: TextBuilder, rows: set[int], columns: set[int]
) -> None:
    """Of each block its hidden rows under its header, or its hidden columns beside its first shown
    one."""
    for area in blocks(grid):
        down = range(area.top, area.bottom + 1)
        across = range(area.left, area.right + 1)
        if rows:
            head = next(
                (
                    at
                    for at in down
                    if sum(map(bool, grid.texts[at][area.left : area.right + 1])) > 1
                ),
                area.top,
            )
            kept = [at for at in down if grid.rows[at] in rows]
            down_kept, across_kept = (
                ([head] if kept and head not in kept else []) + kept,
                list(across),
            )
        else:
            kept = [at for at in across if grid.columns[at] in columns]
            label = next((at for at in across if grid.columns[at] not in columns), None)
            down_kept, across_kept = (
                list(down),
                ([label] if kept and label is not None else []) + kept,
            )
        if kept:
            texts = [[grid.texts[at][column] for column in across_kept] for at in down_kept]
            numbers, places = (
                [grid.rows[at] for at in down_kept],
                [grid.columns[at] for at in across_kept],
            )
            builder.add_table(texts, metadata=_behind(sheet, numbers, places))
