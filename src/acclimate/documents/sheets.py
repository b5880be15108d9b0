"""Spreadsheets (XLSX, XLSM, XLSB, XLS, ODS): each block of filled cells is a table, each sheet a heading."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from acclimate.documents.builder import TextBuilder
from acclimate.errors import DocumentError
from acclimate.types import Document

_MAX_CELLS = 5_000_000


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
            blocks = list(_blocks([[_text(value) for value in row] for row in sheet.to_python(skip_empty_area=True)]))
            if blocks:
                builder.add("heading", name, 1)
            for block in blocks:
                _add_block(block, builder)
        return builder.build(path, "", Path(path).stem)


def _add_block(block: Sequence[Sequence[str]], builder: TextBuilder) -> None:
    """A table; a first row with one cell is its caption."""
    rows = list(block)
    while len(rows) > 1 and sum(map(bool, rows[0])) == 1 and any(sum(map(bool, row)) > 1 for row in rows[1:]):
        builder.add("caption", " ".join(rows.pop(0)).strip())
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
