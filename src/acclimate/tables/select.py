"""Which rows and columns of a table a question names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from acclimate.tables.grid import Table, blank, plain_label, without_brackets, years_in
from acclimate.tables.words import FILLER, Word, names_column, stem, stems

_LIGHT = frozenset(
    stem(word)
    for word in (
        "work use need take get got belong hold come require stand make charge be generate "
        "recognise recognize incur all each name see cost total net pay paid "
        "buy buys bought order sell sold earn receive weigh open close call offer"
    ).split()
)
_SOFT = frozenset("total net of and other less gross".split())
_LEAST_OVERLAP = 0.6  # of a label and what is left of a question, as Dice's coefficient
_MOST_FUZZY = 400  # rows of a table whose labels may be named in part: longer tables are lists


# Numbers that are names: adding them up says nothing.
_NO_QUANTITY = re.compile(
    r"\b(?:extension|phone|telephone|tel|mobile|fax|ids?|code|no|nr|number|zip|postcode|plz|room|year"
    r"|account|iban|durchwahl|telefon|nummer|jahr|article|artikel|page|position|pos|rank|version)\b\.?$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A row that a question names with the words from `first` to `last`, the last one excluded;
    `rows` are all rows with that label."""

    first: int
    last: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a question names, in its order, and the words that are explained by them.
    `loose` says that a label was named in part only."""

    at: tuple[int, ...]
    explained: frozenset[str]
    loose: bool = False


@lru_cache(8)
def _labels(table: Table) -> dict[str, list[tuple[tuple[str, ...], int]]]:
    """The labels of rows as words, with and without what stands in brackets, by their first
    word."""
    found: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
    for at, row in enumerate(table.rows):
        names = [plain_label(row.cells[column].text) for column in table.keys]
        texts = [text for name in names for text in (name, without_brackets(name))]
        for variant in dict.fromkeys(map(stems, texts)):
            if variant:
                found[variant[0]].append((variant, at))
    return found


def named_rows(table: Table, words: Sequence[Word]) -> list[Mention]:
    """The rows whose whole label stands in the question, in its order; of labels inside one
    another only the longest."""
    said = [word.stem for word in words]
    labels = _labels(table)
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for first in range(len(said)):
        for variant, row in labels.get(said[first], ()):
            if tuple(said[first : first + len(variant)]) == variant:
                rows = found[first, first + len(variant)]
                if row not in rows:
                    rows.append(row)
    spans = sorted(found, key=lambda span: (span[0] - span[1], span[0]))
    kept: list[tuple[int, int]] = []
    for span in spans:
        if not any(span[0] < other[1] and other[0] < span[1] for other in kept):
            kept.append(span)
    return [Mention(*span, tuple(found[span])) for span in sorted(kept)]


def choose_rows(table: Table, words: Sequence[Word], columns: Collection[str]) -> Rows | None:
    """The rows that are named, each by its whole label or, where none is, the one that what is left
    of the question names best; None where two fit equally. `columns` are words of column names."""
    said = frozenset(word.stem for word in words)
    mentions = named_rows(table, words)
    strong = [one for one in mentions if not _covered(words, one, columns)]
    if not strong:
        rest = said - frozenset(columns)
        return _nearest(table, words, rest) or _meant(table, rest)
    rows: list[int] = []
    explained: set[str] = set()
    for one in strong:
        explained |= {word.stem for word in words[one.first : one.last]}
        row = _of_group(table, one.rows, said)
        if row is None:
            return None
        explained |= said.intersection(stems(table.rows[row].group))
        rows.append(row)
    weak = said - explained - frozenset(columns) - table.about_stems - FILLER - _LIGHT
    if len(rows) == 1 and weak:
        better = _nearest(table, words, said - frozenset(columns))
        if better is not None and len(better.explained) > len(explained) + 1:
            return better
    return Rows(tuple(dict.fromkeys(rows)), frozenset(explained))


def whole_label(table: Table, said: Sequence[Word], needed: Collection[str]) -> int | None:
    """The only row whose whole label stands in the question with one of the `needed` words in
    it."""
    rows: list[int] = []
    for one in named_rows(table, said):
        if any(word.stem in needed for word in said[one.first : one.last]):
            rows += one.rows
    return rows[0] if len(rows) == 1 else None


def _covered(words: Sequence[Word], mention: Mention, columns: Collection[str]) -> bool:
    """Whether a mention is words of a column's name only."""
    return all(word.stem in columns for word in words[mention.first : mention.last])


def _of_group(table: Table, rows: Sequence[int], said: Collection[str]) -> int | None:
    """Of rows with one label the one whose group the question names; None where that is not
    one."""
    if len(rows) == 1:
        return rows[0]
    best = 0
    found: list[int] = []
    for at in rows:
        count = len(frozenset(stems(table.rows[at].group)).intersection(said))
        if count > best:
            best, found = count, []
        if count == best:
            found.append(at)
    return found[0] if best and len(found) == 1 else None


def _nearest(table: Table, words: Sequence[Word], rest: frozenset[str]) -> Rows | None:
    """The row whose label overlaps most with what is left of the question; or the only one with
    a cell that holds a name in it."""
    rest = rest - (_LIGHT - _SOFT)
    if not rest:
        return None
    ranked: list[tuple[float, int, frozenset[str]]] = []
    for at, row in enumerate(table.rows):
        if len(table.rows) > _MOST_FUZZY:
            break
        label = frozenset(stems(plain_label(row.label)))
        group = frozenset(stems(row.group))
        shared = rest & label
        if not shared - _SOFT:
            continue
        known = (table.about_stems | group | FILLER) - label
        needed = rest - known
        if not label <= rest and (not needed <= label or 2 * len(shared) < len(rest - FILLER)):
            continue
        overlap = 2 * len(needed & label) / max(1, len(needed) + len(label))
        ranked.append((overlap + 0.1 * len(rest & group - label), at, shared | (rest & group)))
    ranked.sort(key=lambda one: -one[0])
    if ranked and ranked[0][0] >= _LEAST_OVERLAP:
        best = ranked[0]
        if len(ranked) == 1 or best[0] > ranked[1][0] + 1e-9:
            return Rows((best[1],), best[2], loose=True)
        return None
    return _holding(table, words, rest)


def _meant(table: Table, rest: frozenset[str]) -> Rows | None:
    """The only row whose label is another word for one in the question: “cost” for “Price”."""
    if table.years:
        return None
    labels = [stems(row.label) for row in table.rows[:_MOST_FUZZY]]
    rows: set[int] = set()
    meant: set[str] = set()
    for at, label in enumerate(labels):
        words = {word for word in rest if word not in label and names_column(word, label)}
        if words:
            rows.add(at)
            meant |= words
    return Rows((rows.pop(),), frozenset(meant), loose=True) if len(rows) == 1 else None


def _holding(table: Table, words: Sequence[Word], rest: frozenset[str]) -> Rows | None:
    """The only row with cells of text that hold all that is left of the question, a name in it."""
    names = frozenset(word.stem for word in words if word.name) & rest
    headers = frozenset(word for header in table.header_stems for word in header)
    needed = rest - table.about_stems - FILLER - _LIGHT - headers
    if not names or not needed:
        return None
    found = []
    for at, row in enumerate(table.rows):
        held = frozenset().union(*(stems(cell.text) for cell in row.cells if cell.text))
        if names <= held and needed <= held:
            found.append(at)
            if len(found) > 1:
                return None
    explained = needed | names | (rest & headers)
    return Rows((found[0],), explained, loose=True) if found else None


def holding_rows(table: Table, said: Collection[str]) -> dict[str, list[int]]:
    """For each of these words the rows with a cell of text that holds it."""
    found: dict[str, list[int]] = {word: [] for word in said}
    for at, row in enumerate(table.rows):
        held = frozenset().union(*(stems(cell.text) for cell in row.cells if cell.text))
        for word in held.intersection(found):
            found[word].append(at)
    return found


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a question names, and the words that are explained by them."""

    at: tuple[int, ...]
    explained: frozenset[str]


def year_columns(table: Table, years: Sequence[str], said: Collection[str]) -> Columns | None:
    """One column for each of the years, in their order; None where one has none, or several."""
    found: list[int] = []
    explained: set[str] = set()
    for year in years:
        columns = [at for at, named in table.years.items() if named == year]
        columns = [at for at in columns if table.numeric(at)] or columns
        if len(columns) > 1:
            shared = {
                at: len(frozenset(table.header_stems[at]).intersection(said)) for at in columns
            }
            best = max(shared.values())
            columns = [at for at, count in shared.items() if count == best and best]
        if len(columns) != 1:
            return None
        explained |= frozenset(table.header_stems[columns[0]]).intersection(said)
        found.append(columns[0])
    return Columns(tuple(found), frozenset(explained))


def choose_columns(table: Table, words: Sequence[Word], *, numeric: bool = False) -> Columns | None:
    """The column whose name the question says, all of it or its greatest part; None for none, and
    where two fit equally."""
    ranked: list[tuple[tuple[float, float], int, frozenset[str]]] = []
    said = [word.stem for word in words]
    for at, header in enumerate(table.header_stems):
        if not header or (numeric and not table.numeric(at)):
            continue
        exact = frozenset(header).intersection(said)
        meant = frozenset(word for word in said if names_column(word, header))
        if exact or meant:
            score = len(exact) / len(frozenset(header)), float(len(exact))
            if not exact:
                score = 0.3, 0.0
            ranked.append((score, at, exact | meant))
    ranked.sort(key=lambda one: (-one[0][0], -one[0][1]))
    if not ranked:
        return None
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        return None
    return Columns((ranked[0][1],), ranked[0][2])


def column_named(table: Table, word: str, *, numeric: bool) -> int | None:
    """The only column that a word means; None where that is none or several."""
    found = [
        at
        for at, header in enumerate(table.header_stems)
        if names_column(word, header) and (not numeric or table.numeric(at))
    ]
    exact = [at for at in found if word in table.header_stems[at]]
    found = exact if len(exact) == 1 else found
    return found[0] if len(found) == 1 else None


def number_columns(table: Table) -> list[int]:
    """The columns of numbers that are no serial numbers or years."""
    found = []
    for at in range(table.width):
        if not table.numeric(at):
            continue
        known = [value for value in table.values(at) if value is not None]
        numbers = [value.number for value in known]
        bare = not any(value.dimension for value in known)
        serial = bare and len(numbers) > 2 and numbers == list(range(1, len(numbers) + 1))
        named = _NO_QUANTITY.search(table.header[at]) is not None
        dates = bare and all(1900 <= one <= 2100 and one == int(one) for one in numbers)
        if not (serial or dates or named):
            found.append(at)
    return found


def unexplained(words: Sequence[Word], explained: Collection[str], table: Table) -> frozenset[str]:
    """The words of a question that neither the table nor what stands above it explains."""
    known = frozenset(explained) | table.about_stems | FILLER | _LIGHT
    known |= frozenset(table.header_stems[0])
    return frozenset(word.stem for word in words) - known


def empty_labels(table: Table) -> bool:
    """Whether rows without a name stand among the others."""
    return any(blank(row.label) and not row.total for row in table.rows)


def has_year_rows(table: Table, years: Sequence[str]) -> bool:
    """Whether the rows are named by these years."""
    labels = [years_in(row.label) for row in table.rows]
    return bool(years) and all([year] in labels for year in years)
