"""Charts of Office documents, as the tables that they draw."""

from __future__ import annotations

from itertools import islice, zip_longest

from lxml import etree

from acclimate.documents.builder import TextBuilder, one_line
from acclimate.documents.number_format import number_format
from acclimate.documents.safe import local_name

_MAX_ROWS = 2000


def add_chart(root: etree._Element, builder: TextBuilder) -> None:
    """Add a chart's title as a caption and its series as columns of a table, whatever kind of chart
    it is."""
    chart = next((node for node in root.iter() if local_name(node) == "chart"), root)
    title = next((node for node in chart if local_name(node) == "title"), None)
    if title is not None:
        texts = [leaf.text or "" for leaf in title.iter() if local_name(leaf) in "tv"]
        builder.add("caption", one_line("".join(texts)))
    names, labels = [""], list[str]()
    columns: list[list[str]] = []
    for node in chart.iter():
        if local_name(node) != "ser":
            continue
        names.append(" ".join(_values(node, "tx")))
        columns.append(_values(node, "val") or _values(node, "yVal"))
        # Series may name different shares of the axis: the longest names most of it.
        labels = max(labels, _values(node, "cat"), _values(node, "xVal"), key=len)
    lines = islice(zip_longest(labels, *columns, fillvalue=""), _MAX_ROWS)
    rows = [list(line) for line in lines]
    if rows:
        builder.add_table([names, *rows])


def _values(series: etree._Element, part: str) -> list[str]:
    """The texts of a part, numbers as their format shows them."""
    found = []
    for node in series:
        if local_name(node) != part:
            continue
        code = next(
            (leaf.text or "" for leaf in node.iter() if local_name(leaf) == "formatCode"), None
        )
        found += [_show(leaf.text or "", code) for leaf in node.iter() if local_name(leaf) == "v"]
    return found


def _show(text: str, code: str | None) -> str:
    if code is None:
        return text
    try:
        return one_line(number_format(code).show(float(text)))
    except (ValueError, OverflowError):  # an error, #N/A
        return text
