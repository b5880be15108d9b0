"""Charts of Office documents, as the tables that they draw."""

from __future__ import annotations

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
        builder.add(
            "caption",
            one_line("".join(leaf.text or "" for leaf in title.iter() if local_name(leaf) in "tv")),
        )
    series = [node for node in chart.iter() if local_name(node) == "ser"]
    names = [" ".join(_values(one, "tx")) for one in series]
    labels = max(
        (_values(one, part) for one in series for part in ("cat", "xVal")), key=len, default=[]
    )
    columns = [_values(one, "val") or _values(one, "yVal") for one in series]
    height = min(max(map(len, [labels, *columns]), default=0), _MAX_ROWS)
    rows = [
        [column[at] if at < len(column) else "" for column in [labels, *columns]]
        for at in range(height)
    ]
    if rows:
        builder.add_table([["", *names], *rows])


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
