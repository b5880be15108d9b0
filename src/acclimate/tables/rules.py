"""One rule for each operation: from a question and a table to an answer, or None where it is not
sure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from acclimate.tables import compute
from acclimate.tables.asked import Asked
from acclimate.tables.extremes import most_or_least
from acclimate.tables.found import Found, worked_out
from acclimate.tables.grid import Table
from acclimate.tables.kinds import Operation
from acclimate.tables.lists import count, list_rows, over_rows
from acclimate.tables.lookup import look_up
from acclimate.tables.numbers import Value
from acclimate.tables.select import (
    Columns,
    Rows,
    choose_columns,
    choose_rows,
    column_named,
    number_columns,
    unexplained,
    whole_label,
    year_columns,
)
from acclimate.tables.words import read_words, stem

_CHANGE_WORDS = frozenset(map(stem, ("change", "increase", "decrease", "growth", "difference")))
_ADDED = re.compile(r"\b(?:total|sum)\b.*\b(?:between|from|over|across|altogether)\b", re.I)


def answer(asked: Asked, table: Table, near: Callable[[], frozenset[str]]) -> Found | None:
    """The answer of one table. `near` gives the words of the text around it, which may explain
    what the table does not where an answer is worked out."""
    rule = _RULES[asked.operation]
    found = rule(asked, table)
    if found is None and table.turned is not None:
        found = rule(asked, table.turned)
        found = found if found is None else found.turned_back(table)
    if found is None:
        return None
    rest = unexplained(asked.words, found.explained, table)
    if rest and found.computed and not found.over and 3 * len(rest) <= len(asked.words):
        rest -= near()
    return None if rest else found


def _operands(asked: Asked, table: Table) -> tuple[Rows, Columns] | None:
    """The rows and columns that a question names; all columns of years where it names none."""
    said = frozenset(word.stem for word in asked.words)
    if asked.years and table.years:
        columns = year_columns(table, asked.years, said)
    elif table.years:
        columns = Columns(tuple(table.years), frozenset())
        columns = columns if len(set(table.years.values())) == len(table.years) else None
    else:
        columns = _named_columns(asked, table)
    if columns is None:
        return None
    rows = choose_rows(table, asked.words, columns.explained)
    return None if rows is None else (rows, columns)


def _named_columns(asked: Asked, table: Table) -> Columns | None:
    named = choose_columns(table, asked.words, numeric=True)
    if named is not None:
        return named
    if asked.text.casefold().startswith("how much"):
        price = column_named(table, stem("cost"), numeric=True)
        if price is not None:
            return Columns((price,), frozenset())
    numbers = number_columns(table)
    return Columns(tuple(numbers), frozenset()) if len(numbers) == 1 else None


def _value(table: Table, row: int, column: int) -> Value | None:
    return table.values(column)[row]


def _cells(table: Table, places: Sequence[tuple[int, int]]) -> list[Value] | None:
    """The numbers at these places; None where one has none."""
    found: list[Value] = []
    for row, column in places:
        value = _value(table, row, column)
        if value is None:
            return None
        found.append(value)
    return found


def _two_years(asked: Asked, table: Table) -> tuple[int, int] | None:
    """The columns of the earlier and the later year: of those named, of the one named and the year
    before it, or of the only two."""
    years = list(asked.years)
    if len(years) == 1:
        years.append(str(int(years[0]) - 1))
    elif not years and len(table.years) == 2:
        years = list(table.years.values())
    if len(years) != 2 or len(set(years)) != 2:
        return None
    said = frozenset(word.stem for word in asked.words)
    columns = year_columns(table, sorted(years), said)
    return None if columns is None else (columns.at[0], columns.at[1])


def _in_one_row(
    asked: Asked, table: Table, columns: tuple[int, int]
) -> tuple[tuple[tuple[int, int], ...], list[Value], frozenset[str]] | None:
    """The places of the one row that is asked about in two columns, their numbers, and the words
    that row and columns explain."""
    said = frozenset(word for at in columns for word in table.header_stems[at])
    rows = choose_rows(table, asked.words, said)
    if rows is None or len(rows.at) != 1:
        return None
    places = tuple((rows.at[0], column) for column in columns)
    values = _cells(table, places)
    return None if values is None else (places, values, rows.explained | said)


def _between_years(asked: Asked, table: Table) -> Found | None:
    """A change of one row from the earlier to the later year."""
    columns = _two_years(asked, table)
    found = None if columns is None else _in_one_row(asked, table, columns)
    if found is None:
        return None
    places, (old, new), explained = found
    change = asked.operation == "percentage change"
    if change:
        result = compute.percentage_change(old, new)
    elif re.match(
        r"(?:by )?how much\b.*\b(?:decrease|fall|drop|decline|go down)", asked.text, re.I
    ):
        result = compute.difference(old, new)
    else:
        result = compute.difference(new, old)
    return worked_out(table, result, places, explained)


def _between_rows(asked: Asked, table: Table) -> Found | None:
    """A difference of two rows in one column."""
    said = frozenset(word.stem for word in asked.words)
    columns = year_columns(table, asked.years, said) if asked.years else None
    if columns is None and not asked.years:
        columns = _by_measure(asked, table) or _named_columns(asked, table)
    if columns is None or len(columns.at) != 1:
        return None
    rows = choose_rows(table, asked.words, columns.explained)
    if rows is None or len(rows.at) != 2:
        rows = _shared_tail(asked, table, columns)
    if rows is None or len(rows.at) != 2:
        return None
    places = tuple((row, columns.at[0]) for row in rows.at)
    values = _cells(table, places)
    if values is None:
        return None
    first, second = values
    if asked.operation == "percentage change":
        result = compute.percentage_change(first, second)
    elif " more " in f" {asked.text} " or asked.measure:
        less = compute.difference(second, first)
        result = less if first.size < second.size else compute.difference(first, second)
    else:
        larger, smaller = (first, second) if first.number >= second.number else (second, first)
        result = compute.difference(larger, smaller)
    return worked_out(table, result, places, rows.explained | columns.explained)


def _between_columns(asked: Asked, table: Table) -> Found | None:
    """A difference of two columns in one row: “between the high and the low price of …”."""
    if asked.operation != "difference":
        return None
    said = frozenset(word.stem for word in asked.words)
    scored = {
        at: len(frozenset(table.header_stems[at]).intersection(said))
        for at in range(1, table.width)
        if table.numeric(at)
    }
    best = max(scored.values(), default=0)
    columns = [at for at, score in scored.items() if score == best]
    if not best or len(columns) != 2:
        return None
    found = _in_one_row(asked, table, (columns[0], columns[1]))
    if found is None:
        return None
    places, values, explained = found
    high, low = sorted(values, key=lambda value: -value.number)
    return worked_out(table, compute.difference(high, low), places, explained)


def _by_measure(asked: Asked, table: Table) -> Columns | None:
    if not asked.measure:
        return None
    named = choose_columns(table, read_words(asked.measure), numeric=True)
    return (
        None if named is None else replace(named, explained=named.explained | {stem(asked.measure)})
    )


def _shared_tail(asked: Asked, table: Table, columns: Columns) -> Rows | None:
    """Two rows that share a noun: “domestic and international discount rate”."""
    text = asked.text
    lower = text.casefold()
    at = lower.find(" and ")
    if at < 0:
        return None
    words = [word for word in asked.words if word.stem not in columns.explained]
    before = [word for word in words if word.end <= at]
    after = [word for word in words if word.start >= at]
    if not before or not after:
        return None
    tail = after[1:]
    first = choose_rows(table, [*before[-1:], *tail], columns.explained)
    second = choose_rows(table, after, columns.explained)
    if first is None or second is None or len(first.at) != 1 or len(second.at) != 1:
        return None
    if first.at == second.at:
        return None
    return Rows((*first.at, *second.at), first.explained | second.explained, loose=True)


def _change(asked: Asked, table: Table) -> Found | None:
    named = whole_label(table, asked.said, _CHANGE_WORDS)
    if named is not None and len(asked.years) < 2:
        return look_up(replace(asked, words=asked.said, operation="look up"), table)
    if table.years and len(asked.years) in (0, 1, 2):
        found = _between_years(asked, table)
        if found is not None or len(asked.years) == 2:
            return found
    return _between_rows(asked, table) or _between_columns(asked, table)


def _difference(asked: Asked, table: Table) -> Found | None:
    if len(asked.years) == 2 and table.years:
        return _between_years(asked, table)
    return _between_rows(asked, table) or _between_columns(asked, table)


def _average(asked: Asked, table: Table) -> Found | None:
    found = _operands(asked, table)
    if found is not None:
        rows, columns = found
        places = tuple((row, column) for row in rows.at for column in columns.at)
        values = _cells(table, places)
        if values is not None and len(values) > 1 and _joined(asked, rows):
            result = compute.average(values)
            return worked_out(table, result, places, rows.explained | columns.explained)
        if values is not None and len(values) == 1 and rows.explained:
            return None
    return over_rows(asked, table)


def _total(asked: Asked, table: Table) -> Found | None:
    """A row with that name is looked up; else several rows or years are added, or a column."""
    named = whole_label(table, asked.said, {"total"})
    if named is not None:
        listed = len(asked.years) > 1 and "respectively" not in asked.text
        if not listed or not _ADDED.search(asked.text):
            return look_up(asked, table)
    return _sum(asked, table)


def _sum(asked: Asked, table: Table) -> Found | None:
    """Several rows or years are added; else a column is."""
    found = _operands(asked, table)
    if found is not None:
        rows, columns = found
        places = tuple((row, column) for row in rows.at for column in columns.at)
        if len(places) == 1:
            return None
        listed = bool(asked.years) or len(columns.at) == 1
        values = _cells(table, places) if listed else None
        single = len(rows.at) == 1 or len(columns.at) == 1
        if values is not None and single and _joined(asked, rows):
            result = compute.total(values)
            return worked_out(table, result, places, rows.explained | columns.explained)
        return None
    return over_rows(asked, table)


def _joined(asked: Asked, rows: Rows) -> bool:
    """Whether several rows are named one beside the other."""
    return len(rows.at) == 1 or re.search(r"\band\b|,|\bplus\b|&", asked.text, re.I) is not None


def _share(asked: Asked, table: Table) -> Found | None:
    """One row in percent of another, in one column."""
    said = frozenset(word.stem for word in asked.words)
    if asked.years and table.years:
        columns = year_columns(table, asked.years[:1], said) if len(asked.years) == 1 else None
    else:
        columns = _named_columns(asked, table)
    if columns is None or len(columns.at) != 1:
        return None
    sides = []
    for part in asked.parts:
        inside = [word for word in read_words(part) if word.stem in said]
        rows = choose_rows(table, inside, columns.explained)
        if rows is None or len(rows.at) != 1:
            return None
        sides.append(rows)
    places = tuple((side.at[0], columns.at[0]) for side in sides)
    values = _cells(table, places)
    if values is None or len(set(places)) != 2:
        return None
    explained = sides[0].explained | sides[1].explained | columns.explained
    result = compute.ratio(*values) if asked.noun else compute.share(*values)
    return worked_out(table, result, places, explained, relative=True)


def _look_up(asked: Asked, table: Table) -> Found | None:
    return list_rows(asked, table) if asked.bound is not None else look_up(asked, table)


_RULES: dict[Operation, Callable[[Asked, Table], Found | None]] = {
    "look up": _look_up,
    "percentage change": _change,
    "change": _change,
    "difference": _difference,
    "average": _average,
    "sum": _sum,
    "total": _total,
    "share": _share,
    "count": count,
    "most": most_or_least,
    "least": most_or_least,
}
