"""The reader of tables: from a question and the passages that were found to an answer by rule, or
none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from acclimate.prompting.citations import Resolved
from acclimate.tables.asked import read_question
from acclimate.tables.found import Found
from acclimate.tables.grid import Table
from acclimate.tables.kinds import Operation
from acclimate.tables.parse import read_tables
from acclimate.tables.rules import answer
from acclimate.tables.words import stems
from acclimate.types import Citation, Document, Hit, Span

# Of the processor, for all tables of one question; what takes longer is left to the readers.
_SECONDS = 1.0
_NEAR = 6_000  # characters around a table whose words may explain a question's
_MOST_CITED = 8
BY_RULE = "rules for tables"
"""What such an answer names as its model."""
_NAMES = {"total": "sum", "most": "greatest", "least": "least"}


@dataclass(frozen=True, slots=True)
class TableReader:
    """Answers from the tables that the passages show, whole: `document` gives a document by its
    path, None where there is none."""

    document: Callable[[str], Document | None]

    def read(self, question: str, hits: Sequence[Hit]) -> Resolved | None:
        """The answer with its cells as citation and its steps; None where no rule is sure, or two
        tables say different things."""
        asked = read_question(question)
        if asked is None or not asked.words:
            return None
        started = time.thread_time()
        found: list[_Read] = []
        for one in self._tables(hits):
            if time.thread_time() - started > _SECONDS:
                return None
            said = answer(asked, one.table, partial(_near, one))
            if said is not None:
                found.append(replace(one, found=said))
        best = _surest(found)
        return None if best is None else _resolved(best, hits[best.number - 1], asked.operation)

    def _tables(self, hits: Sequence[Hit]) -> Iterator[_Read]:
        """The tables that any of the passages shows, each with the number of the first that does,
        document by document."""
        places: dict[str, list[tuple[Span, int]]] = {}
        for number, hit in enumerate(hits, start=1):
            if "|" in hit.chunk.text:
                span = Span(hit.chunk.start, hit.chunk.end)
                places.setdefault(hit.chunk.document, []).append((span, number))
        for path, shown in places.items():
            document = self.document(path)
            if document is None or not all(_stands(hits[n - 1], document) for _, n in shown):
                continue
            for table in read_tables(document, [span for span, _ in shown]):
                touching = (
                    number
                    for span, number in shown
                    if span.start < table.span.end and table.span.start < span.end
                )
                yield _Read(table, next(touching), document)


@dataclass(frozen=True, slots=True)
class _Read:
    """A table, the number of the passage that shows it, its document, and what it says."""

    table: Table
    number: int
    document: Document
    found: Found | None = None


def _stands(hit: Hit, document: Document) -> bool:
    """Whether a passage is still in its document: an ingest may have replaced it."""
    chunk = hit.chunk
    return document.text[chunk.start : chunk.end] == chunk.text


def _near(one: _Read) -> frozenset[str]:
    """The words around a table."""
    span, text = one.table.span, one.document.text
    around = f"{text[max(0, span.start - _NEAR) : span.start]} {text[span.end : span.end + _NEAR]}"
    return frozenset(stems(around))


def _surest(read: Sequence[_Read]) -> _Read | None:
    """The answer that its table explains best; None where another explains the question as well and
    says something else."""

    def explained(one: _Read) -> int:
        return len(one.found.explained) if one.found else 0

    ranked = sorted(read, key=lambda one: (-explained(one), one.number))
    equal = {
        one.found.text for one in ranked if one.found and explained(one) == explained(ranked[0])
    }
    return ranked[0] if len(equal) == 1 else None


def _resolved(one: _Read, hit: Hit, operation: Operation) -> Resolved | None:
    found, text = one.found, one.document.text
    if found is None:
        return None
    citations = tuple(
        Citation(
            number=one.number,
            document=one.document.path,
            start=span.start,
            end=span.end,
            quote=text[span.start : span.end],
            page=one.document.page_at(span.start),
            headings=hit.chunk.headings,
            verbatim=not found.computed or found.text in text[span.start : span.end],
            also=hit.also,
        )
        for span in _spans(found)
    )
    over = f"over {found.over} rows" if found.over > 1 else ""
    return Resolved(
        found.text,
        f"{found.text} [{one.number}]",
        False,
        citations,
        decision=f"by rule from a table: {_NAMES.get(operation, operation)} {over}".strip(),
        by=BY_RULE,
        working=f"{found.working}{f' ({over})' if over else ''}".strip(),
    )


def _spans(found: Found) -> list[Span]:
    """Where the cells stand, those of one row as one span from the row's name on; of many rows the
    first ones."""
    rows: dict[int, list[int]] = {}
    for row, column in found.cells:
        rows.setdefault(row, []).append(column)
    spans = []
    for row, columns in list(rows.items())[:_MOST_CITED]:
        cells = found.table.rows[row].cells
        last = max(*columns, found.table.name_column)
        first = cells[0].span if cells[0].text else cells[min(columns)].span
        spans.append(Span(first.start, cells[last].span.end))
    return spans
