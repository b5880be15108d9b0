"""Which rows of a sheet of text are a table, which is its header, and which are lines of text
around it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from acclimate.documents.builder import TextBuilder, one_line

Rows = Sequence[Sequence[str]]

_MONEY = r"(?:[€$£¥%]|EUR|USD|CHF|GBP)?"
_NUMBER = re.compile(
    rf"[-+−(]?\s?{_MONEY}\s?[-+−]?\d[\d.,'’\u00a0\u202f ]*(?:[eE][-+]?\d+)?\s?{_MONEY}[-)]?"
)
_DATE = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\.?(?:[ T]\d{1,2}:\d\d.*)?|\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?"
)
_YEAR = re.compile(r"(?:19|20)\d\d(?:[/-]\d\d(?:\d\d)?)?")
_LABEL_SHARE = 0.6  # of a table's columns that its header names
_TYPED_SHARE = 0.6  # of a column's cells that are of one type
_HEAD_ROWS = 30  # looked at for a header
_TYPE_ROWS = 500  # looked at for the types of columns
_FEW_ROWS = 3  # beside a table, fewer rows without a header are text


@dataclass(frozen=True, slots=True)
class _Table:
    """A table in a block: rows before and after it are text. `header` is None where no row names
    the columns."""

    before: Rows
    header: Sequence[str] | None
    body: Rows
    after: Rows
    width: int


def add_blocks(blocks: Sequence[Rows], builder: TextBuilder) -> None:
    """Append blocks of rows, which blank rows separate, as tables and paragraphs in their order.

    Rows that go on with the table before them after a blank row are joined to it: as wide, and
    without a header.
    """
    last: _Table | None = None
    for block in blocks:
        table = _find_table(block, alone=len(blocks) == 1)
        if last is not None and _continues(last, table, block):
            last = replace(last, body=[*last.body, *block])
            continue
        _flush(last, builder)
        few = (
            table is not None
            and table.header is None
            and len(block) < _FEW_ROWS
            and len(blocks) > 1
        )
        last = None if few else table
        if last is None:
            _add_text(block, builder)
    _flush(last, builder)


def _continues(last: _Table, table: _Table | None, block: Rows) -> bool:
    """Whether a block is more rows of the table before it."""
    if last.after or last.width != (_width(block) if table is None else table.width):
        return False
    types = _typed(last.body, last.width)
    if table is None:
        return last.width > 1 and any(_fits(row, types) for row in block)
    return not (table.before or table.after) and (
        table.header is None or not _typed(table.body, table.width)
    )


def _flush(table: _Table | None, builder: TextBuilder) -> None:
    if table is None:
        return
    _add_text(table.before, builder)
    header = table.header or [f"Column {number}" for number in range(1, table.width + 1)]
    builder.add_table([header, *table.body])
    _add_text(table.after, builder)


def _add_text(rows: Rows, builder: TextBuilder) -> None:
    """Rows as lines of one paragraph: what the first cell names, then the others."""
    lines = []
    for row in rows:
        name, *values = [one_line(cell) for cell in row if cell]
        joined = ", ".join(values)
        lines.append(f"{name.removesuffix(':')}: {joined}" if values else name)
    builder.add("paragraph", "\n".join(lines))


def _find_table(block: Rows, *, alone: bool) -> _Table | None:
    """The table in a block; None where it is text, or pairs of names and values. `alone`: there is
    no other block."""
    width = _width(block)
    if width < 2:
        single = (
            alone
            and len(block) > 1
            and all(_extent(row) == 1 for row in block)
            and not _is_prose(block)
        )
        return _Table((), block[0], block[1:], (), 1) if single else None
    end = len(block)
    while width > 2 and end > 1 and _extent(block[end - 1]) == 1:
        end -= 1
    rows, after = block[:end], block[end:]
    comments = [
        row for row in rows if row[0].startswith("#") and _filled(row) < _LABEL_SHARE * width
    ]
    rows = [row for row in rows if row not in comments]
    if not rows or _is_pairs(rows, width):
        return None
    at, named = _find_header(rows, width)
    before = [*comments, *rows[:at]]
    if not named:
        return _Table(before, None, rows[at:], after, width)
    return _Table(before, rows[at], rows[at + 1 :], after, width)


def _width(block: Rows) -> int:
    """The number of columns whose rows hold most cells beside their first; 1 where only single rows
    have more."""
    counts = Counter(_extent(row) for row in block)
    if len(block) <= 2:
        return max(counts)
    return max(
        counts,
        key=lambda width: (
            (width - 1) * (counts[width] if counts[width] > 1 else 0),
            width == 1,
            width,
        ),
    )


def _find_header(rows: Rows, width: int) -> tuple[int, bool]:
    """The row where the table begins, and whether that row names the columns."""
    needed = max(2, _LABEL_SHARE * width)
    types = _typed(rows, width)
    full = [at for at, row in enumerate(rows[:_HEAD_ROWS]) if _filled(row) >= needed]
    if not full:
        return 0, True
    if not types:
        return full[0], True
    # The first row with values as most rows have them: the header is the one before it.
    first = next((at for at in full if _fits(rows[at], types)), None)
    if first is None:
        return full[0], True
    names = [at for at in full if at < first and _is_label(rows[at], types)]
    if names:
        best = max(_filled(rows[at]) for at in names)
        return next(at for at in reversed(names) if _filled(rows[at]) == best), True
    if _is_series(rows[first], types, rows[first + 1 :]):
        return first, True
    return first, False


def _typed(rows: Rows, width: int) -> dict[int, str]:
    """The columns whose cells are mostly numbers or mostly dates, with which."""
    found = {}
    for column in range(width):
        kinds = Counter(
            _kind(row[column]) for row in rows[:_TYPE_ROWS] if len(row) > column and row[column]
        )
        kind, times = max(kinds.items(), key=lambda item: item[1], default=("", 0))
        typed = kind in ("number", "date") and (
            times >= _TYPED_SHARE * kinds.total() or 1 < times == kinds.total() - 1
        )
        if typed or (kinds.total() == 2 and kinds["text"] == 1):
            found[column] = (
                kind if kind != "text" else next(other for other in kinds if other != "text")
            )
    return found


def _fits(row: Sequence[str], types: dict[int, str]) -> bool:
    """Whether most typed columns that a row fills are of their type."""
    kinds = [
        _kind(row[column]) == kind
        for column, kind in types.items()
        if column < len(row) and row[column]
    ]
    return bool(kinds) and 2 * sum(kinds) > len(kinds)


def _is_label(row: Sequence[str], types: dict[int, str]) -> bool:
    """Whether a row names columns: in those of numbers and dates it holds neither, unless a series
    names them."""
    kinds = [_kind(row[column]) for column in types if column < len(row) and row[column]]
    others = [_kind(cell) for column, cell in enumerate(row) if column not in types and cell]
    return bool(kinds) and all(kind == "text" for kind in kinds) and "date" not in others


def _is_series(row: Sequence[str], types: dict[int, str], below: Rows) -> bool:
    """Whether numbers name the columns: years, or 1, 2, 3 …, that go up from cell to cell."""
    cells = [row[column] for column in types if column < len(row) and row[column]]
    if len(cells) < 2 or not below:
        return False
    if not all(map(_YEAR.fullmatch, cells)):
        return cells == [str(number) for number in range(1, len(cells) + 1)]
    years = [int(cell[:4]) for cell in cells]
    rising = sorted(set(years))
    return years in (rising, rising[::-1]) and not all(_are_years(other, types) for other in below)


def _are_years(row: Sequence[str], types: dict[int, str]) -> bool:
    return all(_YEAR.fullmatch(row[column]) for column in types if column < len(row))


def _is_pairs(rows: Rows, width: int) -> bool:
    """Whether two columns are names and their values, a line each, as before the table of a bank's
    export."""
    if width != 2:
        return False
    marked = sum(row[0].endswith(":") for row in rows)
    return 2 * marked > len(rows) or (len(rows) == 1 and _kind(rows[0][0]) == "text")


def _is_prose(block: Rows) -> bool:
    """Whether single cells are sentences, or lines under a mark of comments."""
    marked = sum(row[0].startswith(("#", "//", "--")) for row in block)
    ended = sum(row[0].endswith((".", ":", "!", "?")) for row in block)
    return 2 * marked > len(block) or 2 * ended > len(block)


def _kind(cell: str) -> str:
    if _DATE.fullmatch(cell):
        return "date"
    return "number" if _NUMBER.fullmatch(cell) else "text"


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell) for cell in row)


def _extent(row: Sequence[str]) -> int:
    """The number of cells up to the last that is not empty."""
    return max((at for at, cell in enumerate(row, start=1) if cell), default=0)
