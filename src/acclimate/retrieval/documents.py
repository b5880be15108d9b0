"""Whole documents, for prompts that read them as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from acclimate.retrieval.base import Retriever
from acclimate.types import Chunk, Document, Hit

_CHUNKS = 200  # looked at to rank documents
FetchDocument = Callable[[str], Document | None]


@dataclass(frozen=True, slots=True)
class DocumentRetriever:
    """Documents as single chunks, of at most `limit` tokens together as `count` counts them.

    All of them in the order of their paths where they fit, so that every question sees the same prompt; else the best
    by their best chunk. A document that does not fit even alone is left out.
    """

    ranked: Retriever
    paths: Sequence[str]
    fetch: FetchDocument
    count: Callable[[str], int]
    limit: int
    _counted: dict[str, int] = field(default_factory=dict)

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; what fits decides, not `k`."""
        chunks, complete = self._take(self.paths, skip=False)
        if not complete:
            best = dict.fromkeys(hit.chunk.document for hit in self.ranked.retrieve(query, _CHUNKS))
            chunks, _ = self._take(best, skip=True)
        return [Hit(chunk, 1 / rank, rank) for rank, chunk in enumerate(chunks, start=1)]

    def _take(self, paths: Iterable[str], *, skip: bool) -> tuple[list[Chunk], bool]:
        """Documents while they fit, and whether that was all; `skip` goes on after one that does not."""
        chunks: list[Chunk] = []
        left, complete = self.limit, True
        for path in paths:
            if path not in self._counted or self._counted[path] <= left:
                chunk = whole(self.fetch(path))
                if chunk is None:  # removed since
                    continue
                self._counted[path] = self.count(f"[1] {chunk.heading_path}\n{chunk.text}\n\n")
                if self._counted[path] <= left:
                    left -= self._counted[path]
                    chunks.append(chunk)
                    continue
            complete = False
            if not skip:
                break
        return chunks, complete


def whole(document: Document | None) -> Chunk | None:
    """A document as one chunk."""
    if document is None:
        return None
    return Chunk(
        id=document.path,
        document=document.path,
        start=0,
        end=len(document.text),
        text=document.text,
        title=document.title,
        page=1 if document.page_starts else None,
        breaks=document.page_starts[1:],
    )
