"""A sheet's cells as they are shown, and the blocks of cells, each a table, that stand on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from acclimate.errors import DocumentError

_Value = TypeVar("_Value")

MOST_CELLS = 5_000_000
_MAX_MERGED = 100_000


@dataclass(frozen=True, slots=True)
class Area:
    """Rows and columns from 0, the last ones included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(slots=True)
class Sheet:
    """One sheet; rows and columns count from 0.

    `rows` holds the texts of cells that show one; `values` the numbers behind those that show
    another form; `veiled` what stands in cells that show nothing, by their format or their colour;
    `unread` counts formulas without a value.
    """

    name: str
    hidden: bool = False
    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    values: dict[tuple[int, int], str] = field(default_factory=dict)
    veiled: dict[tuple[int, int], str] = field(default_factory=dict)
    merged: list[Area] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[range] = field(default_factory=list)
    unread: int = 0

    def hides_column(self, column: int) -> bool:
        """Whether a column is hidden."""
        return any(column in columns for columns in self.hidden_columns)


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells by place, each row and column of the grid with its number in the sheet, -1 for one that
    stands for any number of empty ones."""

    texts: list[list[str]]
    rows: list[int]
    columns: list[int]

    def without(self, rows: set[int], columns: set[int]) -> Grid:
        """The grid less rows and columns of these numbers in the sheet."""
        kept = [at for at, row in enumerate(self.rows) if row not in rows]
        across = [at for at, column in enumerate(self.columns) if column not in columns]
        texts = _picked(self.texts, kept)
        if len(across) < len(self.columns):
            texts = [_picked(line, across) for line in texts]
        return Grid(texts, _picked(self.rows, kept), _picked(self.columns, across))


def _picked(values: Sequence[_Value], places: Sequence[int]) -> list[_Value]:
    return [values[at] for at in places]


def make_grid(sheet: Sheet) -> Grid:
    """The sheet's filled rows and columns; empty ones between them, other than hidden ones, are
    one.

    Merged cells are repeated in each place that they cover, see `_fill_merged`.
    Raises DocumentError for too many cells.
    """
    rows = _with_gaps(sorted(sheet.rows), sheet.hidden_rows.__contains__)
    used = set().union(*sheet.rows.values()) if sheet.rows else set()
    columns = _with_gaps(sorted(used), sheet.hides_column)
    if len(rows) * len(columns) > MOST_CELLS:
        raise too_many()
    none: dict[int, str] = {}
    texts = [[sheet.rows.get(row, none).get(column, "") for column in columns] for row in rows]
    grid = Grid(texts, rows, columns)
    _fill_merged(grid, sheet.merged)
    return grid


def too_many() -> DocumentError:
    """The error to raise for a workbook of more than MOST_CELLS cells."""
    return DocumentError(
        f"it has more than {MOST_CELLS:,} cells.", hint="Save the part you need as CSV."
    )


def _with_gaps(used: Sequence[int], hidden: Callable[[int], bool]) -> list[int]:
    """The numbers with -1 where others, not all of them hidden, are between."""
    out: list[int] = []
    for number in used:
        between = range(out[-1] + 1, number) if out else range(0)
        if not all(hidden(one) for one in between):
            out.append(-1)
        out.append(number)
    return out


def _fill_merged(grid: Grid, merged: Iterable[Area]) -> None:
    """Repeat a merged cell in each place that it covers, as in HTML, where it belongs to a table.

    That is where the row below has a cell under each of its columns, and each of its own rows has
    other cells: a title that was merged over two tables must not join them.
    """
    down = {row: at for at, row in enumerate(grid.rows)}
    across = {column: at for at, column in enumerate(grid.columns)}
    texts = grid.texts
    for area in list(merged)[:_MAX_MERGED]:
        top, left = down.get(area.top), across.get(area.left)
        if top is None or left is None or not (text := texts[top][left]):
            continue
        bottom = max(at for at in range(top, len(texts)) if 0 <= grid.rows[at] <= area.bottom)
        right = max(
            at for at in range(left, len(grid.columns)) if 0 <= grid.columns[at] <= area.right
        )
        under = texts[bottom + 1][left : right + 1] if bottom + 1 < len(texts) else []
        if left < right and not (under and all(under)):
            right = left
        for at in range(top, bottom + 1):
            if at == top or any(texts[at]):
                texts[at][left : right + 1] = [text] * (right + 1 - left)


def blocks(grid: Grid) -> Iterator[Area]:
    """Blocks of filled cells, by place in the grid, with no empty row or column through them."""
    yield from _blocks(grid.texts, Area(0, 0, len(grid.rows) - 1, len(grid.columns) - 1))


def _blocks(texts: Sequence[Sequence[str]], area: Area) -> Iterator[Area]:
    across = range(area.left, area.right + 1)
    filled = [
        any(texts[row][area.left : area.right + 1]) for row in range(area.top, area.bottom + 1)
    ]
    for top, bottom in _runs(filled, area.top):
        lines = texts[top : bottom + 1]
        parts = list(_runs([any(line[column] for line in lines) for column in across], area.left))
        for left, right in parts:
            part = Area(top, left, bottom, right)
            if len(parts) == 1:
                yield part
            else:
                yield from _blocks(texts, part)


def _runs(filled: Sequence[bool], first: int) -> Iterator[tuple[int, int]]:
    """First and last of each run of filled lines; the first line is number `first`."""
    start = None
    for at, full in enumerate([*filled, False], start=first):
        if full and start is None:
            start = at
        elif not full and start is not None:
            yield start, at - 1
            start = None


def address(row: int, column: int) -> str:
    """A cell's address: A1 for the first."""
    letters, column = "", column + 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"
