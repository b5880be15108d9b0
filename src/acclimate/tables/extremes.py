"""The most and the least: a year, a row, or the value itself."""

from __future__ import annotations

from acclimate.tables import compute
from acclimate.tables.asked import Asked
from acclimate.tables.found import Found
from acclimate.tables.grid import Table, blank
from acclimate.tables.lists import NAMES, cell_text, countable, filtered, measured
from acclimate.tables.select import choose_rows, column_named
from acclimate.tables.words import stem, stems


def most_or_least(asked: Asked, table: Table) -> Found | None:
    """The year, the row or the value that is the greatest or the least."""
    if asked.noun == "year" or (not asked.noun and "year" in asked.text.casefold().split()):
        return _best_year(asked, table)
    if not countable(table):
        return None
    columns = measured(asked, table)
    if columns is None:
        return None
    column = columns.at[0]
    named = choose_rows(table, asked.words, columns.explained | {stem(asked.noun)})
    if named is not None and len(named.at) > 1:
        rows, explained = list(named.at), named.explained
    else:
        chosen, explained = filtered(asked, table, columns.explained | {stem(asked.noun)})
        if chosen is None:
            return None
        rows = chosen
    rows = [at for at in rows if not blank(cell_text(table, at, column))]
    values = [table.values(column)[at] for at in rows]
    known = [value for value in values if value is not None]
    best = compute.extreme(known, most=asked.operation == "most")
    if len(known) != len(values) or len(known) < 2 or best is None:
        return None
    row = rows[best]
    shown = cell_text(table, row, column)
    explained |= columns.explained
    if _asks_for_value(asked, table, column):
        text, working = shown, f"{table.name_of(row)}: {shown}"
    else:
        named_by = _name_column(asked, table, column)
        if named_by is None or not _each_once(table, named_by):
            return None
        text, working = cell_text(table, row, named_by), f"{table.header[column]}: {shown}"
        explained |= frozenset(stems(asked.noun))
    return Found(table, text, working, ((row, column),), explained, len(known))


def _asks_for_value(asked: Asked, table: Table, column: int) -> bool:
    """Whether the value itself is wanted (“what is the highest price”), not the row's name."""
    if asked.noun and asked.noun != "who":
        return stem(asked.noun) in table.header_stems[column]
    return asked.noun == ""


def _each_once(table: Table, column: int) -> bool:
    """Whether no two rows have the same name: a customer with several invoices has no one sum."""
    names = [row.cells[column].text for row in table.rows if not row.total]
    return len(set(names)) == len(names)


def _name_column(asked: Asked, table: Table, column: int) -> int | None:
    """The column that names what is looked for: the first, or the one that the noun means."""
    noun = stem(asked.noun)
    named = [at for at, header in enumerate(table.header_stems) if noun in header and at != column]
    if len(named) == 1:
        return named[0]
    if named:
        return None
    if asked.noun == "who":
        return column_named(table, "who", numeric=False)
    texts = [at for at in range(table.width) if not table.numeric(at)]
    best = table.name_column
    return best if best in texts and (noun in NAMES or noun in table.about_stems) else None


def _best_year(asked: Asked, table: Table) -> Found | None:
    columns = list(table.years)
    rows = choose_rows(table, asked.words, frozenset({"year"}))
    if len(columns) < 2 or rows is None or len(rows.at) != 1:
        return None
    if len(set(table.years.values())) != len(columns):
        return None
    values = [table.values(at)[rows.at[0]] for at in columns]
    known = [value for value in values if value is not None]
    best = compute.extreme(known, most=asked.operation == "most")
    if len(known) != len(columns) or best is None:
        return None
    places = tuple((rows.at[0], at) for at in columns)
    texts = [f"{table.years[at]}: {cell_text(table, rows.at[0], at)}" for at in columns]
    explained = rows.explained | {"year"}
    return Found(table, table.years[columns[best]], ", ".join(texts), places, explained)
