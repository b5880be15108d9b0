"""Questions over many rows: counts, sums and averages of a column, the most and the least, and rows
above or below a bound."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from acclimate.tables import compute
from acclimate.tables.asked import Asked, Bound
from acclimate.tables.found import Found, worked_out
from acclimate.tables.grid import Table, blank
from acclimate.tables.numbers import Value
from acclimate.tables.select import (
    Columns,
    choose_columns,
    choose_rows,
    column_named,
    empty_labels,
    holding_rows,
    number_columns,
    year_columns,
)
from acclimate.tables.words import FILLER, names_column, read_words, stem, stems

_MOST_LISTED = 12
NAMES = frozenset(
    "item entri row article product compon type kind categori segment line one thing name record".split()
)
_PEOPLE = frozenset(
    map(
        stem,
        ("people", "person", "persons", "employees", "staff", "colleagues", "members", "workers"),
    )
)
_ADDS_UP = frozenset({"gross", "net", "total"})
_GENERIC = frozenset("item entri row record line".split())


def over_rows(asked: Asked, table: Table) -> Found | None:
    """The sum or the average of a column over all rows, or those that a value in the question
    names; a row of totals is taken as it stands for a sum over all."""
    columns = measured(asked, table)
    if columns is None or not countable(table):
        return None
    rows, explained = filtered(asked, table, columns.explained)
    column = columns.at[0]
    if rows is None:
        return None
    added = asked.operation in ("sum", "total")
    if added and not explained:
        totals = [at for at, row in enumerate(table.rows) if row.total]
        if totals:
            return _only_total(table, totals, column, columns.explained)
    pairs = [(at, table.values(column)[at]) for at in rows]
    known = [(at, value) for at, value in pairs if value is not None]
    odd = [at for at, value in pairs if value is None and not blank(cell_text(table, at, column))]
    if len(known) < 2 or odd:
        return None
    values = [value for _, value in known]
    if added and _adds_up(values):
        return None
    if column in table.years and len({value.decimals for value in values}) > 1:
        return None  # a statement with lines of several sorts, not a list
    result = compute.total(values) if added else compute.average(values)
    places = tuple((at, column) for at, _ in known)
    return worked_out(table, result, places, columns.explained | explained, len(known))


def _only_total(
    table: Table, totals: Sequence[int], column: int, explained: frozenset[str]
) -> Found | None:
    """The one row of totals, where it says what the others add up to."""
    value = table.values(column)[totals[0]]
    if len(totals) != 1 or value is None:
        return None
    result = compute.Result(cell_text(table, totals[0], column))
    return worked_out(table, result, ((totals[0], column),), explained | {"total"}, 1)


def count(asked: Asked, table: Table) -> Found | None:
    """How many rows, or years of one row, there are that meet what the question says."""
    noun = stems(asked.noun)
    if not noun:
        return None
    if noun[-1] == "year" and asked.bound is not None:
        return _count_years(asked, table, asked.bound)
    column = column_named(table, noun[-1], numeric=True)
    if column is not None and asked.bound is None and "per" not in table.header[column].split():
        return _number_of(asked, table, column)
    if asked.bound is None and (known := _pieces(asked, table)) is not None:
        return known
    if not countable(table) or not _counts(table, noun):
        return None
    if asked.bound is not None:
        return _count_beyond(asked, table, noun, asked.bound)
    rows, explained = filtered(asked, table, frozenset(noun))
    grouped = _group(asked, table)
    if grouped is not None:
        rows, explained = grouped
    if rows is None or not rows:
        return None
    if not explained and not _of_all(asked):
        return None
    places = tuple((at, 0) for at in rows)
    working = _listed(table, rows)
    return Found(table, str(len(rows)), working, places, explained | set(noun), len(rows))


def _of_all(asked: Asked) -> bool:
    """Whether a question counts all there are: “how many … are there”, “… are listed”."""
    lower = asked.text.casefold()
    return any(
        f" {end}" in lower for end in ("there", "listed", "in the list", "in the table", "have")
    )


def _number_of(asked: Asked, table: Table, column: int) -> Found | None:
    """A number that a column holds already: “how many pieces of … are in stock”."""
    rows = choose_rows(table, asked.words, frozenset(table.header_stems[column]))
    if rows is None or len(rows.at) != 1 or not _is_number(table, rows.at[0], column):
        return None
    place = (rows.at[0], column)
    explained = (
        rows.explained | frozenset(table.header_stems[column]) | frozenset(stems(asked.noun))
    )
    text = cell_text(table, *place)
    return Found(table, text, "", (place,), explained, computed=False)


def _pieces(asked: Asked, table: Table) -> Found | None:
    """The number that a column of quantities gives for a row that is named: “how many washers are
    in stock”."""
    column = choose_columns(table, asked.words, numeric=True)
    if column is None or not names_column("stock", table.header_stems[column.at[0]]):
        return None
    rows = choose_rows(table, asked.words, column.explained)
    if rows is None or len(rows.at) != 1:
        return None
    place = (rows.at[0], column.at[0])
    if not _is_number(table, *place):
        return None
    explained = rows.explained | column.explained
    return Found(table, cell_text(table, *place), "", (place,), explained, computed=False)


def _is_number(table: Table, row: int, column: int) -> bool:
    """Whether a cell holds a number of things: no sum of money and no share."""
    value = table.values(column)[row]
    return value is not None and not value.before and "%" not in value.after


def _count_years(asked: Asked, table: Table, bound: Bound) -> Found | None:
    columns = list(table.years)
    rows = choose_rows(table, asked.words, frozenset())
    if not columns or rows is None or len(rows.at) != 1:
        return None
    row = rows.at[0]
    places = tuple((row, at) for at in columns)
    values = [table.values(at)[row] for at in columns]
    scale = table.scale_of(table.rows[row], table.rows[row].cells[columns[0]])
    held = _held(values, bound, scale)
    if held is None:
        return None
    named = [table.years[at] for at, holds in zip(columns, held, strict=True) if holds]
    working = f"{', '.join(named) or 'none'} of {', '.join(table.years.values())}"
    return Found(table, str(sum(held)), working, places, rows.explained | {"year"})


def _held(values: Sequence[Value | None], bound: Bound, scale: str) -> list[bool] | None:
    """Which values are on the right side of a bound; None where their units or scales differ from
    its own, or one has no number."""
    factor = _factor(bound.scale, scale)
    limit = bound.value
    if factor is None or any(value is None for value in values):
        return None
    held = []
    for value in values:
        if value is None or (limit.dimension and value.dimension not in ("", limit.dimension)):
            return None
        if value.dimension and not limit.dimension:
            held.append(bound.holds(value.number * factor))
        elif limit.dimension and not value.dimension:
            held.append(bound.holds(value.number * factor * limit.factor))
        else:
            held.append(bound.holds(value.size * factor))
    return held


def _factor(asked: str, cells: str) -> Decimal | None:
    """What a cell's number is times to compare with a bound's."""
    powers = {"": 0, "thousand": 3, "million": 6, "billion": 9}
    if asked == cells or not asked:
        return Decimal(1)
    return Decimal(1).scaleb(powers[cells] - powers[asked]) if cells else None


def _beyond(
    asked: Asked, table: Table, bound: Bound, noun: Sequence[str]
) -> tuple[list[int], int, frozenset[str]] | None:
    """The rows whose value is on the right side of a bound, the column, and the words that this
    explains."""
    columns = measured(asked, table, bound)
    if columns is None:
        return None
    column = columns.at[0]
    rows, explained = filtered(asked, table, columns.explained | set(noun))
    if rows is None:
        return None
    rows = [at for at in rows if not blank(cell_text(table, at, column))]
    if not rows:
        return None
    scale = table.scale_of(table.rows[rows[0]], table.rows[rows[0]].cells[column])
    held = _held([table.values(column)[at] for at in rows], bound, scale)
    if held is None:
        return None
    chosen = [at for at, holds in zip(rows, held, strict=True) if holds]
    return chosen, column, columns.explained | explained


def _count_beyond(asked: Asked, table: Table, noun: Sequence[str], bound: Bound) -> Found | None:
    found = _beyond(asked, table, bound, noun)
    if found is None:
        return None
    rows, column, explained = found
    every = [at for at, row in enumerate(table.rows) if not row.total]
    places = tuple((at, column) for at in rows or every)  # for none, all that were looked at
    over = len(every)
    working = _listed(table, rows)
    return Found(table, str(len(rows)), working, places, explained | set(noun), over)


def list_rows(asked: Asked, table: Table) -> Found | None:
    """The names of the rows above or below a bound."""
    if asked.bound is None or not asked.noun or not countable(table):
        return None
    noun = stems(asked.noun)
    if not noun or not _counts(table, noun):
        return None
    found = _beyond(asked, table, asked.bound, noun)
    if found is None or not 0 < len(found[0]) <= _MOST_LISTED:
        return None
    rows, column, explained = found
    text = ", ".join(table.name_of(at) for at in rows)
    places = tuple((at, column) for at in rows)
    over = max(1, sum(not row.total for row in table.rows))
    return Found(table, text, "", places, explained | set(noun), over)


def measured(asked: Asked, table: Table, bound: Bound | None = None) -> Columns | None:
    """The column of numbers that is meant: by its year, its name, the adjective, the unit of the
    bound, or as the only one."""
    said = frozenset(word.stem for word in asked.words)
    if asked.years:
        return year_columns(table, asked.years, said) if len(asked.years) == 1 else None
    if asked.measure:
        named = choose_columns(table, read_words(asked.measure), numeric=True)
        if named is not None:
            return Columns(named.at, frozenset({stem(asked.measure)}))
        return None
    named = choose_columns(table, asked.words, numeric=True)
    numbers = number_columns(table)
    if named is not None:
        return named if named.at[0] in numbers else None
    if bound is not None and bound.value.dimension:
        wanted = bound.value.dimension
        numbers = [at for at in numbers if wanted in _dimensions(table, at)] or numbers
    return Columns((numbers[0],), frozenset()) if len(numbers) == 1 and bound is not None else None


def _dimensions(table: Table, column: int) -> set[str]:
    return {value.dimension for value in table.values(column) if value is not None}


def filtered(
    asked: Asked, table: Table, used: frozenset[str]
) -> tuple[list[int] | None, frozenset[str]]:
    """The rows that hold the question's other words in a cell of text, and these words; all rows
    where there are none; None where such words name different things."""
    every = [at for at, row in enumerate(table.rows) if not row.total]
    rest = frozenset(word.stem for word in asked.words) - used - FILLER - _GENERIC
    rest -= frozenset(word for header in table.header_stems for word in header)
    held = {word: rows for word, rows in holding_rows(table, rest).items() if rows}
    if not held:
        return every, frozenset()
    rows = set(every)
    for at in held.values():
        rows &= set(at)
    # A word that only some cells hold by the way ("pump" in "heat pump filter") is no condition:
    # one column must hold it in all of these rows.
    if not rows or not any(_one_column(table, rows, held) for _ in (0,)):
        return None, frozenset()
    return sorted(rows), frozenset(held)


def _one_column(table: Table, rows: set[int], words: dict[str, list[int]]) -> bool:
    """Whether one column holds the words in all of the rows, and nothing else beside them."""
    for at in range(table.width):
        cells = {stems(table.rows[row].cells[at].text) for row in rows}
        if len(cells) == 1 and frozenset(words) <= frozenset(cells.pop()):
            return True
    return False


def _group(asked: Asked, table: Table) -> tuple[list[int], frozenset[str]] | None:
    """The rows below the group row that a question names."""
    said = frozenset(word.stem for word in asked.words)
    groups = {row.group for row in table.rows if row.group}
    named = [group for group in groups if stems(group) and frozenset(stems(group)) <= said]
    if len(named) != 1:
        return None
    rows: list[int] = []
    words = frozenset(stems(named[0]))
    for at, row in enumerate(table.rows):
        if row.group != named[0]:
            continue
        label = frozenset(stems(row.label))
        if row.total or (words <= label and label & _ADDS_UP):
            break  # what follows belongs to the group no more
        rows.append(at)
    labels = {row.label for at, row in enumerate(table.rows) if at in rows}
    return (rows, words) if len(labels) == len(rows) else None


def _counts(table: Table, noun: Sequence[str]) -> bool:
    """Whether a row of a table is one of what the noun says."""
    first = frozenset(table.header_stems[0]) | frozenset(table.header_stems[table.name_column])
    if noun[-1] in _PEOPLE and names_column("who", table.header_stems[0]):
        return True
    return (
        noun[-1] in first
        or noun[-1] in _GENERIC
        or noun[-1] in table.about_stems
        or (noun[-1] in NAMES)
    )


def countable(table: Table) -> bool:
    """Whether its rows are each one thing: none is counted twice, and each has a name."""
    return not table.doubtful and not empty_labels(table) and len(table.rows) > 1


def _adds_up(values: Sequence[Value]) -> bool:
    """Whether the last value is the sum of the others: a row of totals without that name."""
    if len(values) < 3:
        return False
    return sum((value.number for value in values[:-1]), Decimal(0)) == values[-1].number


def _listed(table: Table, rows: Sequence[int]) -> str:
    names = [table.name_of(at) for at in rows[:_MOST_LISTED]]
    more = f" and {len(rows) - len(names)} more" if len(rows) > len(names) else ""
    return f"{', '.join(names)}{more}" if names else ""


def cell_text(table: Table, row: int, column: int) -> str:
    """What a cell says."""
    return table.rows[row].cells[column].text
