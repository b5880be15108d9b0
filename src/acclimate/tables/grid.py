"""Tables as rows and columns of cells, each with its place in the document."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from functools import cached_property

from acclimate.tables.numbers import Convention, Value, convention, read_value
from acclimate.tables.words import stems
from acclimate.types import Span

_NOTHING = " \u00a0-–—−$€£%."
_LONGEST_NAME = 60  # characters
_MOST_TURNED = 40  # rows and columns
_CODE = re.compile(r"(?=.*\d)[^\W_]+(?:[-./_ ]?[A-Z\d]+)*")
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_NO_SCALE = re.compile(
    r"per |%|percent|ratio|rate|margin|employees|headcount|shares|number of|years|eps|volatility|yield",
    re.IGNORECASE,
)
_NOTES = re.compile(r"\s*\((?:\d{1,2}|[a-z]{1,3}|refer[^)]*|note[^)]*)\)|[*†‡]+")
_BRACKETS = re.compile(r"\(([^()]*)\)")
_UNIT_IN_HEADER = re.compile(r"(?:\(|,\s|\bin\s|\[)([^()\[\],]{1,12})[)\]]?\s*$")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text and its place in the document's text."""

    text: str
    span: Span


@dataclass(frozen=True)
class Row:
    """A row: its cells, the group row above it ("" none), and whether it adds up others."""

    cells: tuple[Cell, ...]
    group: str = ""
    total: bool = False

    @property
    def label(self) -> str:
        """What the first cell says."""
        return self.cells[0].text


@dataclass(frozen=True, eq=False)
class Table:
    """`header` are the columns' names, `rows` what stands below; `about` is what stands above the
    table: title, headings, caption. `document` is its path, `span` its place there. `scale` is
    "thousand", "million", "billion" or "". `doubtful` says that rows may be counted twice."""

    document: str
    span: Span
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    about: str = ""
    wide: str = ""
    scale: str = ""
    doubtful: bool = False
    page: int | None = None
    headings: tuple[str, ...] = ()
    _values: dict[int, tuple[Value | None, ...]] = field(default_factory=dict, compare=False)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.header)

    @cached_property
    def header_stems(self) -> tuple[tuple[str, ...], ...]:
        """The words of each column's name."""
        return tuple(stems(name) for name in self.header)

    @cached_property
    def about_stems(self) -> frozenset[str]:
        """The words that stand above the table."""
        return frozenset(stems(f"{self.about} {self.wide}"))

    @cached_property
    def conventions(self) -> tuple[Convention, ...]:
        """How the numbers of each column are written; a column that does not tell goes with the
        table."""
        columns = [[row.cells[at].text for row in self.rows] for at in range(self.width)]
        whole = convention(itertools.chain.from_iterable(columns))
        found: list[Convention] = []
        for cells in columns:
            own = convention(cells)
            found.append(whole if own == "unsure" or whole == "comma" else own)
        return tuple(found)

    def values(self, column: int) -> tuple[Value | None, ...]:
        """The numbers of a column, None for cells that hold none."""
        if column not in self._values:
            how = self.conventions[column]
            self._values[column] = tuple(
                read_value(row.cells[column].text, how) for row in self.rows
            )
        return self._values[column]

    def numeric(self, column: int) -> bool:
        """Whether most filled cells of a column, the first one left out, are numbers."""
        if column == 0 and self.width > 1:
            return False
        filled = sum(not blank(row.cells[column].text) for row in self.rows)
        numbers = sum(value is not None for value in self.values(column))
        return numbers > 0 and 5 * numbers >= 3 * filled

    @cached_property
    def keys(self) -> tuple[int, ...]:
        """The columns that name rows: the first, and others of short texts that are all
        different."""
        found = [0]
        rows = [row for row in self.rows if not row.total]
        for at in range(1, self.width):
            texts = [row.cells[at].text for row in rows]
            different = len(set(texts)) == len(texts) > 1
            named = all(
                any(map(str.isalpha, text)) and len(text) <= _LONGEST_NAME for text in texts
            )
            if different and named and not self.numeric(at):
                found.append(at)
        return tuple(found)

    @cached_property
    def name_column(self) -> int:
        """The column that people call rows by: the first, or the next where that holds codes."""
        codes = all(_CODE.fullmatch(row.cells[0].text) for row in self.rows if not row.total)
        return self.keys[1] if codes and len(self.keys) > 1 else 0

    def name_of(self, row: int) -> str:
        """What a row is called."""
        return plain_label(self.rows[row].cells[self.name_column].text)

    @cached_property
    def turned(self) -> Table | None:
        """The table with its columns as rows, for one that compares things side by side; None where
        that makes no sense. Its cell (row, column) is the cell (column - 1, row + 1) of this
        one."""
        plain_rows = not any(row.total or row.group for row in self.rows)
        if not plain_rows or self.years or self.width < 3 or self.width > _MOST_TURNED:
            return None
        labels = [row.label for row in self.rows]
        if len(labels) > _MOST_TURNED or not all(labels) or not all(self.header[1:]):
            return None
        rows = tuple(
            Row((Cell(self.header[at], self.span), *(row.cells[at] for row in self.rows)))
            for at in range(1, self.width)
        )
        return replace(self, header=(self.header[0], *labels), rows=rows, _values={})

    @cached_property
    def years(self) -> dict[int, str]:
        """The columns that are named by one year, with it."""
        found = {}
        for at, name in enumerate(self.header[1:], start=1):
            years = set(YEAR.findall(name))
            if len(years) == 1 and not re.search(
                r"change|increase|decrease|%|variance", name, re.I
            ):
                found[at] = years.pop()
        return found

    def unit_of(self, column: int) -> str:
        """The unit that a column's name gives, such as "NOK" in "Price (NOK)"; "" for none."""
        match = _UNIT_IN_HEADER.search(self.header[column])
        if match is None:
            return ""
        value = read_value(f"1 {match[1].strip()}")
        known = (
            value is not None and value.dimension and value.dimension != match[1].strip().lower()
        )
        return match[1].strip() if known else ""

    def scale_of(self, row: Row, cell: Cell) -> str:
        """The scale of a cell's number."""
        if not self.scale or "%" in cell.text or YEAR.fullmatch(cell.text):
            return ""
        if _NO_SCALE.search(f"{row.label} {row.group}"):
            return ""
        return self.scale


def blank(text: str) -> bool:
    """Whether a cell says nothing: empty, or a dash."""
    return not text.strip(_NOTHING) or text.casefold() in ("n/a", "n.a.", "nm", "na")


def plain_label(text: str) -> str:
    """A label without marks of notes and its colon."""
    return _NOTES.sub("", text).strip(" :.")


def without_brackets(text: str) -> str:
    """A label without what stands in brackets."""
    return _BRACKETS.sub(" ", text).strip()


def years_in(text: str) -> list[str]:
    """The years in a text, in their order."""
    return YEAR.findall(text)
