"""The text of a paragraph of OpenDocument."""

from __future__ import annotations

from lxml import etree

from acclimate.documents.builder import one_line
from acclimate.documents.safe import local_name

SKIPPED = frozenset(("sequence-decls", "tracked-changes", "annotation", "annotation-end", "forms", "notes"))


def paragraph_text(node: etree._Element) -> str:
    """The text of a paragraph, without that of frames anchored in it."""
    if len(node) == 0:
        return one_line(node.text or "")
    parts = [node.text or ""]
    for child in node:
        name = local_name(child)
        if name in ("s", "tab", "line-break"):
            parts.append(" ")
        elif name and name not in ("frame", "custom-shape", *SKIPPED):
            parts.append(paragraph_text(child))
        parts.append(child.tail or "")
    return one_line("".join(parts))
