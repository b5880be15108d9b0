"""Spreadsheets (XLSX, XLSM, XLSB, XLS, ODS): each block of filled cells is a table, each sheet a heading."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from acclimate.documents.builder import TextBuilder
from acclimate.documents.properties import office_properties
from acclimate.documents.safe import open_zip
from acclimate.errors import DocumentError
from acclimate.types import Document

_MAX_CELLS = 5_000_000
_MAX_MERGED = 100_000


class SheetParser:
    """Reads the values that the cells show; formulas were computed by the program that saved them."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        try:
            book = CalamineWorkbook.from_path(str(file))
        except CalamineError as error:
            reason = "is encrypted" if "password" in str(error).casefold() else f"is damaged ({error})"
            raise DocumentError(f"{path} {reason}.", hint="Save it again without a password.") from error
        builder, cells = TextBuilder(), 0
        for name in book.sheet_names:
            try:
                sheet = book.get_sheet_by_name(name)
            except CalamineError:  # a sheet of charts
                continue
            cells += sheet.height * sheet.width
            if cells > _MAX_CELLS:
                raise DocumentError(
                    f"{path} has more than {_MAX_CELLS:,} cells.", hint="Save the part you need as CSV."
                )
            rows = [[_text(value) for value in row] for row in sheet.to_python(skip_empty_area=True)]
            _fill_merged(rows, sheet)
            blocks = list(_blocks(rows))
            if blocks:
                builder.add("heading", name, 1)
            for block in blocks:
                _add_block(block, builder)
        title, metadata = _properties(file, path)
        return builder.build(path, "", title or Path(path).stem, metadata)


def _properties(file: Path, path: str) -> tuple[str, dict[str, str]]:
    if not zipfile.is_zipfile(file):
        return "", {}
    with open_zip(file, path) as archive:
        return office_properties(archive)


def _fill_merged(rows: list[list[str]], sheet: CalamineSheet) -> None:
    """Repeat a merged cell in each place that it covers, as in HTML, where it belongs to a table.

    That is where the row below has a cell under each of its columns, and each of its own rows has other cells: a title
    that was merged over two tables must not join them.
    """
    first_row, first_column = sheet.start or (0, 0)
    for (top, left), (bottom, right) in (sheet.merged_cell_ranges or [])[:_MAX_MERGED]:
        top, bottom = max(0, top - first_row), min(bottom - first_row, len(rows) - 1)
        left, right = max(0, left - first_column), min(right - first_column, len(rows[0]) - 1 if rows else 0)
        if top > bottom or left > right or not (text := rows[top][left]):
            continue
        under = rows[bottom + 1][left : right + 1] if bottom + 1 < len(rows) else []
        if left < right and not (under and all(under)):
            right = left
        for at in range(top, bottom + 1):
            if at == top or any(rows[at]):
                rows[at][left : right + 1] = [text] * (right + 1 - left)


def _add_block(block: Sequence[Sequence[str]], builder: TextBuilder) -> None:
    """A table; a first row with one text is its caption."""
    rows = list(block)
    while len(rows) > 1 and any(sum(map(bool, row)) > 1 for row in rows[1:]):
        texts = set(filter(None, rows[0]))
        if len(texts) != 1:
            break
        builder.add("caption", texts.pop())
        rows.pop(0)
    builder.add_table(rows)


def _blocks(rows: Sequence[Sequence[str]]) -> Iterator[list[list[str]]]:
    """Blocks of filled cells with no empty row or column through them."""
    for run in _runs(rows, [any(row) for row in rows]):
        columns = [list(column) for column in zip(*run, strict=True)]
        parts = list(_runs(columns, [any(column) for column in columns]))
        for part in parts:
            block = [list(row) for row in zip(*part, strict=True)]
            if len(parts) == 1:
                yield block
            else:
                yield from _blocks(block)


def _runs(lines: Sequence[Sequence[str]], filled: Sequence[bool]) -> Iterator[list[Sequence[str]]]:
    run: list[Sequence[str]] = []
    for line, full in [*zip(lines, filled, strict=True), ((), False)]:
        if full:
            run.append(line)
        elif run:
            yield run
            run = []


def _text(value: object) -> str:
    match value:
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ")
        case _:
            return " ".join(str(value).split())
