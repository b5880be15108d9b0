"""The mark of passages that their document's author hid."""

from __future__ import annotations

from collections.abc import Iterable

from acclimate.types import Element, Span

HIDDEN, PARTLY_HIDDEN = "hidden in the document", "partly hidden in the document"
"""The last heading of a chunk whose text, all of it or a part, its author hid: shown with it in
prompt and citation."""


def mark_hidden(
    headings: tuple[str, ...], elements: Iterable[Element], span: Span
) -> tuple[str, ...]:
    """The headings of a span of a document with these elements, HIDDEN or PARTLY_HIDDEN last where
    it is that."""
    found = {
        "hidden" in one.metadata
        for one in elements
        if one.start < span.end and one.end > span.start
    }
    kept = tuple(one for one in headings if one not in (HIDDEN, PARTLY_HIDDEN))
    if True not in found:
        return kept
    return (*kept, PARTLY_HIDDEN if False in found else HIDDEN)
