"""What dedoc's readers and its service have in common: its kinds of lines as ours."""

from __future__ import annotations

import re

LIST_ITEMS = ("list_item", "bullet_list_item")
_MARK = re.compile(r"^(?:[•·▪◦‣–-]|(\d+[.)]))\s+")


def list_item(text: str) -> str:
    """An item with the mark that ours have: its number, or a hyphen."""
    mark = _MARK.match(text)
    bare = text[mark.end() :] if mark else text
    return f"{mark[1] if mark and mark[1] else '-'} {bare}"
