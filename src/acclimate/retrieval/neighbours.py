"""Reading on: the chunks before and after a hit, and hits that touch, as one exact span of their
document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from acclimate.retrieval.base import Retriever
from acclimate.types import Chunk, Hit, Span


@dataclass(frozen=True, slots=True)
class ChunkRange:
    """Chunks `first` to `last` of a document, counted from 0 in the order of the text; `rank` is
    its best hit's."""

    document: str
    first: int
    last: int
    rank: int


@dataclass(frozen=True, slots=True)
class NeighbourRetriever:
    """The hits of `inner` with `count` chunks on each side; what touches is joined at the better
    place.

    `outline` gives a document's chunks in the order of the text, as spans with the table header
    shown before each; `cut` gives a span of the chunk's document as a chunk.
    """

    inner: Retriever
    outline: Callable[[str], Sequence[tuple[Span, str]]]
    cut: Callable[[Chunk, Span], Chunk]
    count: int

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; hits that were joined leave fewer than k."""
        hits = self.inner.retrieve(query, k)
        outlines = {path: self.outline(path) for path in {hit.chunk.document for hit in hits}}
        runs = []
        for hit in hits:
            chunk, spans = hit.chunk, outlines[hit.chunk.document]
            inside = [
                at
                for at, (span, _) in enumerate(spans)
                if span.start < chunk.end and chunk.start < span.end
            ]
            if inside:
                first, last = (
                    max(0, inside[0] - self.count),
                    min(len(spans) - 1, inside[-1] + self.count),
                )
                runs.append(ChunkRange(chunk.document, first, last, hit.rank))
        found = []
        for rank, run in enumerate(join(runs), start=1):
            best, spans = hits[run.rank - 1], outlines[run.document]
            end = max(span.end for span, _ in spans[run.first : run.last + 1])
            (start, header) = spans[run.first][0].start, spans[run.first][1]
            chunk = self.cut(replace(best.chunk, header=header), Span(start, end))
            found.append(replace(best, chunk=chunk, rank=rank))
        return found


def join(runs: Sequence[ChunkRange]) -> list[ChunkRange]:
    """Runs of the same document that overlap or touch as one, by their best rank."""
    joined: list[ChunkRange] = []
    for run in sorted(runs, key=lambda run: (run.document, run.first)):
        before = joined[-1] if joined else None
        if before and before.document == run.document and run.first <= before.last + 1:
            rank, last = min(before.rank, run.rank), max(before.last, run.last)
            joined[-1] = replace(before, last=last, rank=rank)
        else:
            joined.append(run)
    return sorted(joined, key=lambda run: run.rank)
