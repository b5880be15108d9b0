"""Looking up cells by the row and the column that a question names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from acclimate.tables.asked import Asked
from acclimate.tables.found import Found
from acclimate.tables.grid import Table, blank
from acclimate.tables.select import (
    Columns,
    choose_columns,
    choose_rows,
    column_named,
    number_columns,
    year_columns,
)
from acclimate.tables.words import stem, stems

_MOMENT = re.compile(
    r"\d{1,4}[./:-]\d{1,2}|\d\s?[ap]\.?m\b|\b(?:19|20)\d\d\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|closed|daily|noon|midnight",
    re.I,
)
_MOST_CELLS = 6  # of one answer


def look_up(asked: Asked, table: Table) -> Found | None:
    """The cells of the rows and columns that a question names; None where that is not clear."""
    for columns in _columns(asked, table):
        found = _cells(asked, table, columns)
        if found is not None:
            return found
    return None


def _cells(asked: Asked, table: Table, columns: Columns) -> Found | None:
    rows = choose_rows(table, asked.words, columns.explained)
    if rows is None or not rows.explained:
        return None
    if len(rows.at) > 1 and (len(columns.at) > 1 or not re.search(r"\band\b|,", asked.text)):
        return None
    places = tuple((row, column) for row in rows.at for column in columns.at)
    if len(places) > _MOST_CELLS:
        return None
    said = frozenset(word.stem for word in asked.said)
    texts, scales = [], set[str]()
    for row, column in places:
        cell = table.rows[row].cells[column]
        words = frozenset(stems(cell.text))
        if blank(cell.text) or (words and words <= said) or not _fits(asked, cell.text):
            return None  # it says nothing that the question did not say, or not what was asked
        unit = table.unit_of(column) if cell.text[-1:].isdigit() else ""
        texts.append(f"{cell.text} {unit}".strip())
        scales.add(table.scale_of(table.rows[row], cell) if table.numeric(column) else "")
    scale = f" {max(scales)}" if len(scales) == 1 and max(scales) else ""
    explained = rows.explained | columns.explained
    return Found(table, f"{', '.join(texts)}{scale}", "", places, explained, computed=False)


def _fits(asked: Asked, text: str) -> bool:
    """Whether a cell can answer the question's kind: a number for “how much”, none for “who”, no
    plain amount for “when”."""
    first, *rest = asked.text.casefold().split()[:2]
    if first == "how" and rest and rest[0] in ("much", "many", "long", "old", "tall", "high"):
        return any(map(str.isdigit, text))
    if first in ("who", "whom", "whose", "where"):
        return any(map(str.isalpha, text))
    if first == "when":
        return _MOMENT.search(text) is not None or re.fullmatch(r"\d{3,4}", text) is not None
    return True


def _columns(asked: Asked, table: Table) -> Iterator[Columns]:
    """The columns that may be meant, the likeliest first: those of the years; that of persons for
    “who”, of dates for “when”; that of the noun; the one that is named; that of prices, or the only
    one of numbers, for “how much”."""
    said = frozenset(word.stem for word in asked.words)
    if asked.years and table.years:
        columns = year_columns(table, asked.years, said)
        if columns is not None:
            yield columns
        return
    named = choose_columns(table, asked.words)
    explained = named.explained if named is not None else frozenset()
    kind = asked.text.split(maxsplit=1)[0].casefold()
    if kind in ("who", "when", "where"):
        at = column_named(table, kind, numeric=False)
        if at is not None:
            yield Columns(
                (at,), explained if named is not None and named.at == (at,) else frozenset()
            )
    if asked.noun:
        wanted = [at for at, header in enumerate(table.header_stems) if stem(asked.noun) in header]
        if len(wanted) == 1:
            yield Columns((wanted[0],), frozenset(table.header_stems[wanted[0]]) & said)
    if named is not None:
        yield named
    elif asked.text.casefold().startswith("how much"):
        yield from _amounts(table)
    elif table.width == 2 and not table.years:
        yield Columns((1,), frozenset())


def _amounts(table: Table) -> Iterator[Columns]:
    """The column of prices or amounts, else the only one of numbers."""
    at = column_named(table, stem("cost"), numeric=True)
    numbers = number_columns(table)
    if at is not None:
        yield Columns((at,), frozenset())
    elif len(numbers) == 1:
        yield Columns((numbers[0],), frozenset())
