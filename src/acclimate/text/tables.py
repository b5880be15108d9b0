"""Rows of tables in plain words."""

from __future__ import annotations

import re

from acclimate.types import Span

_RULE = re.compile(r"[\s|:+-]+")


def row_as_prose(text: str, span: Span, header: str = "") -> str:
    """The rows of a pipe table that `span` of `text` touches, each as "column: value; column:
    value"; "" where it touches none.

    `header` are the names of the columns where the table began before the text.
    """
    rows = [line for line in text[span.start : span.end].split("\n") if _is_row(line)]
    if not rows or len(rows) < len(
        [line for line in text[span.start : span.end].split("\n") if line.strip()]
    ):
        return ""
    names = _names(text[: span.end], header)
    found = []
    for row in rows:
        cells = _cells(row)
        if _RULE.fullmatch(row) or cells == names:
            continue
        if len(cells) == len(names):
            pairs = zip(names, cells, strict=True)
            found.append(
                "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
            )
        else:
            found.append("; ".join(cell for cell in cells if cell))
    return "\n".join(found)


def _names(text: str, header: str) -> list[str]:
    """The column names of the last table in `text`: those above its rule, else of `header`."""
    names: list[str] = []
    before = ""
    for line in text.split("\n"):
        if _RULE.fullmatch(line) and "-" in line and "|" in line and _is_row(before):
            names = _cells(before)
        before = line
    lines = [line for line in header.split("\n") if _is_row(line) and not _RULE.fullmatch(line)]
    return names or (_cells(lines[0]) if lines else [])


def _is_row(line: str) -> bool:
    return line.strip().startswith("|") and line.count("|") > 1


def _cells(row: str) -> list[str]:
    return [cell.strip().strip("*_ ") for cell in row.strip().strip("|").split("|")]
