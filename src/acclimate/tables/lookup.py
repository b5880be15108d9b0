"""Looking up cells by the row and the column that a question names."""

from __future__ import annotations

from acclimate.tables.asked import Asked
from acclimate.tables.found import Found
from acclimate.tables.grid import Table, blank
from acclimate.tables.select import (
    Columns,
    choose_columns,
    choose_rows,
    number_columns,
    year_columns,
)
from acclimate.tables.words import stem

_MOST_CELLS = 6  # of one answer


def look_up(asked: Asked, table: Table) -> Found | None:
    """The cells of the rows and columns that a question names; None where that is not clear."""
    columns = _columns(asked, table)
    if columns is None:
        return None
    rows = choose_rows(table, asked.words, columns.explained)
    if rows is None:
        return None
    if len(rows.at) > 1 and len(columns.at) > 1:
        return None
    places = tuple((row, column) for row in rows.at for column in columns.at)
    if not places or len(places) > _MOST_CELLS:
        return None
    if len(rows.at) > 1 and "and" not in asked.text.casefold().split():
        return None
    texts, scales = [], set[str]()
    for row, column in places:
        cell = table.rows[row].cells[column]
        if blank(cell.text):
            return None
        unit = table.unit_of(column) if cell.text[-1:].isdigit() else ""
        scale = table.scale_of(table.rows[row], cell) if table.numeric(column) else ""
        texts.append(" ".join(part for part in (cell.text, unit) if part))
        scales.add(scale)
    explained = rows.explained | columns.explained
    if not rows.explained:
        return None
    scale = f" {max(scales)}" if len(scales) == 1 and max(scales) else ""
    return Found(table, f"{', '.join(texts)}{scale}", "", places, explained, computed=False)


def _columns(asked: Asked, table: Table) -> Columns | None:
    """The columns of the years, the one that is named, or the only one of numbers for “how
    much”."""
    said = frozenset(word.stem for word in asked.words)
    if asked.years:
        return year_columns(table, asked.years, said) if table.years else None
    named = choose_columns(table, asked.words)
    if asked.noun:
        wanted = [at for at, header in enumerate(table.header_stems) if stem(asked.noun) in header]
        if len(wanted) == 1:
            return Columns((wanted[0],), frozenset(table.header_stems[wanted[0]]) & said)
    if named is not None:
        return named
    if asked.text.casefold().startswith("how much"):
        numbers = number_columns(table)
        return Columns((numbers[0],), frozenset()) if len(numbers) == 1 else None
    if table.width == 2 and not table.years:
        return Columns((1,), frozenset())
    return None
