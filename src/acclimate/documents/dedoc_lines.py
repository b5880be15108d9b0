"""dedoc's lines as ours, whether its package or its service read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.documents.builder import TextBuilder

LIST_ITEMS = ("list_item", "bullet_list_item")
_HIDDEN = ("root", "page_id")
_MARK = re.compile(r"^(?:[•·▪◦‣–-]|(\d+(?:\.\d+)*[.)]?))\s+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its kind as dedoc calls it: header, list_item, raw_text, key … `level` is that of
    a heading or an item, from 1; of keys and values of JSON, how deep they stand."""

    kind: str
    text: str
    level: int = 1


def list_item(text: str) -> str:
    """An item with the mark that ours have: its number, or a hyphen."""
    mark = _MARK.match(text)
    bare = text[mark.end() :] if mark else text
    return f"{mark[1] if mark and mark[1] else '-'} {bare}"


def add_line(line: Line, builder: TextBuilder, below: Line | None = None) -> int:
    """Add a line, and with a key of JSON the value `below`, the line after it, that is its own; the
    number of lines added or passed over.

    A key that holds an object or a list is a heading.
    """
    if line.kind in _HIDDEN or not line.text:
        return 1
    if line.kind == "header":
        builder.add("heading", line.text, min(6, max(1, line.level)))
    elif line.kind in LIST_ITEMS:
        builder.add("list_item", list_item(line.text), max(1, line.level))
    elif line.kind == "key":
        return _add_key(line, builder, below)
    else:
        builder.add("footer" if line.kind == "footer" else "paragraph", line.text)
    return 1


def _add_key(line: Line, builder: TextBuilder, below: Line | None) -> int:
    if below is None or below.level <= line.level:
        builder.add("paragraph", f"{line.text}:")
        return 1
    if below.kind != "raw_text":
        builder.add("heading", line.text, min(6, line.level))
        return 1
    builder.add("paragraph", f"{line.text}: {below.text}")
    return 2


def add_lines(lines: Sequence[Line], builder: TextBuilder) -> None:
    """Add lines one after the other."""
    at = 0
    while at < len(lines):
        below = lines[at + 1] if at + 1 < len(lines) else None
        at += add_line(lines[at], builder, below)
