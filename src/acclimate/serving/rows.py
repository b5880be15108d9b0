"""Filters, passages and citations in the form in which the server's interfaces send them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from acclimate.indexes.filters import Filter
from acclimate.serving.folder import document_id
from acclimate.serving.keys import Caller
from acclimate.types import Answer, Citation, Hit


def filter_of(where: Sequence[str], caller: Caller) -> Filter:
    """The conditions `where` on the documents that `caller` may see. Raises SettingsError."""
    return Filter.parse(where, None if caller.labels is None else sorted(caller.labels))


def hit_row(hit: Hit, address: Callable[[str], str]) -> dict[str, Any]:
    """A passage that was found; `address` gives where a document was mirrored from."""
    chunk = hit.chunk
    return {
        "rank": hit.rank,
        "score": hit.score,
        "document": document_id(chunk.document),
        "path": chunk.document,
        "title": chunk.title,
        "headings": list(chunk.headings),
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "text": chunk.text,
        "url": address(chunk.document),
        "also_in": also_rows(hit.also),
    }


def citation_row(citation: Citation) -> dict[str, Any]:
    """A citation of an answer."""
    return {
        "number": citation.number,
        "document": document_id(citation.document),
        "path": citation.document,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "page": citation.page,
        "headings": list(citation.headings),
        "verbatim": citation.verbatim,
        "also_in": also_rows(citation.also),
        "url": citation.url,
        "claim": [citation.claim.start, citation.claim.end] if citation.claim else None,
    }


def also_rows(paths: Sequence[str]) -> list[dict[str, str]]:
    """Other documents that hold a passage."""
    return [{"document": document_id(path), "path": path} for path in paths]


def footnotes(answer: Answer, *, marked: bool = False) -> str:
    """The marks (unless the text was shown with them, `marked`), steps and lines that follow an
    answer's text, for clients that show text only; "" where the answer cites nothing."""
    if not answer.citations:
        return ""
    numbers = dict.fromkeys(citation.number for citation in answer.citations)
    marks = "" if marked else "".join(f" [{number}]" for number in numbers)
    lines = [answer.working] if answer.working else []
    for citation in answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        quote = " ".join(citation.quote.split())
        at = f" <{citation.url}>" if citation.url else ""
        lines.append(f"[{citation.number}] {citation.document}{page}{at}: “{quote}”")
    return marks + "\n\n" + "\n".join(lines)
