"""Reads the tables of a document.

Parsers write a table as Markdown with one header row. Here the header rows that follow it, group
rows ("RSUs" above "Granted"), rows of totals and the scale ("in thousands") are recognised again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from acclimate.tables.grid import YEAR, Cell, Row, Table, blank, plain_label
from acclimate.tables.numbers import read_value
from acclimate.types import Document, Element, Span

MOST_CHARACTERS = 4_000_000  # of a table: longer ones are left to the readers
_CELL = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:+=-]+")
_DATE_OR_YEAR = re.compile(
    r"(?:(?:fy|q[1-4]|fiscal|year|years|ended|ending|as|at|of|on|the|for|months?|weeks?|jan\w*|feb\w*"
    r"|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*|three|six|nine|twelve|\d{1,2}"
    r"|'?(?:19|20)\d\d)[\s,.:;/–-]*)+",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    r"(?:grand |net |sub-?|sub )?total\b|sum(?:me)?\b|gesamt\w*|insgesamt|zwischensumme|overall\b"
    r"|average\b|mean$|median$|ø|durchschnitt|mittelwert|subtotal\b",
    re.IGNORECASE,
)
_SCALE = re.compile(
    r"\b(?P<word>thousand|million|billion)s?\b|(?P<zeros>['’]000)|[€$£]\s?(?P<m>m|bn)\b", re.I
)
_SCALES = {"thousand": "thousand", "million": "million", "billion": "billion"}


def read_tables(document: Document, places: Sequence[Span]) -> list[Table]:
    """The tables of a document that stand, with any part, at one of the places. Those that its
    author hid, and those that are too long, are left out; one that goes on in the next element is
    joined to it."""
    elements = list(document.elements)
    tables: list[Table] = []
    at = 0
    while at < len(elements):
        group = _together(document, elements, at)
        first = elements[at]
        at += max(1, len(group))
        if first.kind != "table" or "hidden" in first.metadata:
            continue
        if not any(one.start < p.end and p.start < one.end for one in group for p in places):
            continue
        if sum(one.end - one.start for one in group) <= MOST_CHARACTERS:
            tables += _read(document, group, elements)
    return tables


def _together(document: Document, elements: Sequence[Element], at: int) -> list[Element]:
    """The table at `at` and those right after it that repeat its header: one table over several
    pages."""
    group = [elements[at]]
    if elements[at].kind != "table":
        return group
    head = document.text[elements[at].start : elements[at].end].partition("\n")[0]
    for one in elements[at + 1 :]:
        text = document.text[one.start : one.end]
        if one.kind != "table" or "hidden" in one.metadata or text.partition("\n")[0] != head:
            break
        group.append(one)
    return group


def _read(document: Document, group: Sequence[Element], elements: Sequence[Element]) -> list[Table]:
    rows: list[list[Cell]] = []
    for number, element in enumerate(group):
        found = _rows(document.text, element)
        rows += found if not number else found[1:]
    width = max((len(row) for row in rows), default=0)
    if len(rows) < 2 or not width:
        return []
    rows = [[*row, *[Cell("", row[-1].span)] * (width - len(row))] for row in rows]
    about, headings = _about(document, group[0], elements)
    doubtful = any("merged" in one.metadata for one in group)
    place = Span(group[0].start, group[-1].end)
    tables = []
    for head, body in _parts(rows):
        header, wide = _header(head, width)
        made = _grouped(body)
        if made:
            scale = _scale(f"{' '.join(cell.text for row in head for cell in row)} {about}")
            tables.append(
                Table(
                    document.path,
                    place,
                    header,
                    tuple(made),
                    about,
                    wide,
                    scale,
                    doubtful,
                    document.page_at(group[0].start),
                    headings,
                )
            )
    return tables


def _rows(text: str, element: Element) -> list[list[Cell]]:
    """The cells of each row of a Markdown table; the rule below the header is left out."""
    rows, at = [], element.start
    for line in text[element.start : element.end].split("\n"):
        if "|" in line and not (_RULE.fullmatch(line) and "-" in line):
            rows.append(_cells(line, at))
        at += len(line) + 1
    return rows


def _cells(line: str, at: int) -> list[Cell]:
    edges = [match.start() for match in _CELL.finditer(line)]
    if not line.lstrip().startswith("|"):
        edges.insert(0, -1)
    if not line.rstrip().endswith("|") or line.rstrip().endswith("\\|"):
        edges.append(len(line))
    cells = []
    for start, end in pairwise(edges):
        body = line[start + 1 : end]
        begin = at + start + 1 + len(body) - len(body.lstrip())
        text = body.strip()
        cells.append(Cell(text.replace("\\|", "|").strip("*_`"), Span(begin, begin + len(text))))
    return cells


def _about(
    document: Document, table: Element, elements: Sequence[Element]
) -> tuple[str, tuple[str, ...]]:
    """Title, headings, and the caption or short paragraph right before a table."""
    path: dict[int, str] = {}
    before = ""
    for one in elements:
        if one.start >= table.start:
            break
        text = document.text[one.start : one.end]
        if one.kind in ("heading", "title"):
            path = {level: name for level, name in path.items() if level < one.level}
            path[one.level] = text.lstrip("# ").strip()
        before = text if one.kind in ("caption", "paragraph") and len(text) < 600 else ""
    headings = tuple(path.values())
    stem = document.path.rpartition("/")[2].rpartition(".")[0]
    return " ".join([document.title, stem, *headings, before]), headings


def _parts(rows: Sequence[list[Cell]]) -> Iterator[tuple[list[list[Cell]], list[list[Cell]]]]:
    """The header rows and the rows below them, again where header rows come between."""
    head, body = [rows[0]], list[list[Cell]]()
    columns = [cell.text for cell in rows[0]]
    for row in rows[1:]:
        names = _names_columns(row, columns if not body else None)
        if names and not body:
            head.append(row)
            columns = [f"{old} {cell.text}".strip() for old, cell in zip(columns, row, strict=True)]
        elif names:
            yield head, body
            head, body = [row], []
            columns = [cell.text for cell in row]
        else:
            body.append(row)
    yield head, body


def _names_columns(row: Sequence[Cell], above: Sequence[str] | None) -> bool:
    """Whether a row below the first names columns too: nothing in its first cell, or years under
    columns without a name; and no numbers. `above` is None further down."""
    rest = [cell.text for cell in row[1:] if cell.text]
    if not rest or len(row) < 3:
        return False
    years = [_DATE_OR_YEAR.fullmatch(text) and YEAR.search(text) for text in rest]
    dated = all(years)
    units = all(read_value(text) is None or YEAR.fullmatch(text) for text in rest)
    if row[0].text:
        return above is not None and any(years) and units and not all(above[1:])
    if above is None:
        return dated or (units and len(rest) >= 2)
    # A nameless row of texts in a list is data where every column has its name already.
    return units and (dated or not above[0] or not all(above[1:]))


def _header(head: Sequence[Sequence[Cell]], width: int) -> tuple[tuple[str, ...], str]:
    """The columns' names, and what header rows say of the table as a whole."""
    names: list[list[str]] = [[] for _ in range(width)]
    wide: list[str] = []
    for number, row in enumerate(head):
        filled = [at for at in range(1, width) if row[at].text]
        if row[0].text:
            names[0].append(row[0].text)
        last = number == len(head) - 1
        if len(filled) == 1 and width > 2 and not last:
            wide.append(row[filled[0]].text)
            continue
        spread = None if last or len(filled) == width - 1 else _spread(row, filled, width)
        for at in range(1, width):
            text = spread[at] if spread else row[at].text
            if text and text not in names[at]:
                names[at].append(text)
    return tuple(" ".join(parts) for parts in names), " ".join(wide)


def _spread(row: Sequence[Cell], filled: Sequence[int], width: int) -> list[str] | None:
    """A header row over groups of equally many columns, each with one name: the name over all of
    its group."""
    count = len(filled)
    if not count or (width - 1) % count:
        return None
    size = (width - 1) // count
    if any((at - 1) // size != number for number, at in enumerate(filled)):
        return None
    return ["", *(row[filled[(at - 1) // size]].text for at in range(1, width))]


def _grouped(body: Sequence[Sequence[Cell]]) -> list[Row]:
    """The rows with what they belong to: a row with a first cell only is the name of those below
    it, to the next such row or a total."""
    rows: list[Row] = []
    group = ""
    for cells in body:
        label = plain_label(cells[0].text)
        if label and len(cells) > 1 and all(not cell.text for cell in cells[1:]):
            group = label
            continue
        total = bool(_TOTAL.match(label)) if label else _all_numbers(cells)
        rows.append(Row(tuple(cells), group, total))
    return rows


def _all_numbers(cells: Sequence[Cell]) -> bool:
    """Whether a row without a label holds numbers only, as a row of totals below a line does."""
    texts = [cell.text for cell in cells[1:] if not blank(cell.text)]
    return bool(texts) and all(read_value(text) is not None for text in texts)


def _scale(text: str) -> str:
    found = set()
    for match in _SCALE.finditer(text):
        if match["word"]:
            before = text[: match.start()].rstrip()
            if before[-1:].isdigit():
                continue  # "2.5 million" is a value
            found.add(_SCALES[match["word"].casefold()])
        else:
            found.add(
                "thousand"
                if match["zeros"]
                else {"m": "million", "bn": "billion"}[match["m"].lower()]
            )
    return found.pop() if len(found) == 1 else ""
