"""Whole documents, for prompts that read them as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from acclimate.indexes.same import same_key
from acclimate.prompting.recipes import Context, Recipe
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.distinct import distinct
from acclimate.text.hidden import mark_hidden
from acclimate.types import Chunk, Document, Hit, Span

_CHUNKS = 200  # looked at to rank documents
# What an adapter for passages reads well: those that ship were trained on about five passages, 800
# tokens in all, and answer nothing from a full window (docs/decisions, Comparing).
_READER_TOKENS = 1024
FetchDocument = Callable[[str], Document | None]


@dataclass(frozen=True, slots=True)
class DocumentRetriever:
    """Documents as single chunks, of at most `limit` tokens together as `count` counts them.

    All of them in the order of their paths where they fit, so that every question sees the same
    prompt; else the best by their best chunk, of `reach` times the limit together: more than fits
    is for a policy that compresses them or asks about them in parts. A document beyond that is left
    out.
    """

    ranked: Retriever
    paths: Sequence[str]
    fetch: FetchDocument
    count: Callable[[str], int]
    limit: int
    reach: int = 1
    _counted: dict[str, int] = field(default_factory=dict)
    _same: dict[str, int] = field(default_factory=dict)

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; what fits decides, not `k`."""
        chunks, complete = self._take(self.paths, self.limit, skip=False)
        if not complete:
            found = self.ranked.retrieve(query, _CHUNKS)
            best = dict.fromkeys(path for hit in found for path in (hit.chunk.document, *hit.also))
            chunks, _ = self._take(best, self.limit * self.reach, skip=True)
        return distinct([Hit(chunk, 1 / rank, rank) for rank, chunk in enumerate(chunks, start=1)])

    def fitting(self, limit: int) -> int | None:
        """The tokens of all documents together; None where they are more than `limit`."""
        if len(self.paths) > limit:
            return None
        chunks, complete = self._take(self.paths, limit, skip=False)
        counted = {self._same[chunk.document]: self._counted[chunk.document] for chunk in chunks}
        return sum(counted.values()) if complete else None

    def _take(self, paths: Iterable[str], limit: int, *, skip: bool) -> tuple[list[Chunk], bool]:
        """Documents while they fit, and whether that was all; `skip` goes on after one that does
        not."""
        chunks: list[Chunk] = []
        taken: set[int] = set()
        left, complete = limit, True
        for path in paths:
            again = self._same.get(path) in taken
            if path not in self._counted or again or self._counted[path] <= left:
                chunk = whole(self.fetch(path))
                if chunk is None:  # removed since
                    continue
                self._counted[path] = self.count(f"[1] {chunk.heading_path}\n{chunk.text}\n\n")
                self._same[path] = same_key(chunk)
                if self._same[path] in taken:  # takes no room of its own
                    chunks.append(chunk)
                    continue
                if self._counted[path] <= left:
                    left -= self._counted[path]
                    taken.add(self._same[path])
                    chunks.append(chunk)
                    continue
            complete = False
            if not skip:
                break
        return chunks, complete


def choose_context(
    recipe: Recipe, documents: DocumentRetriever, adapted: bool
) -> tuple[Recipe, str]:
    """`auto` as stuffing or rag, and why. `adapted` is whether the model wears an adapter, which
    reads well only about as much as it was trained on."""
    limit = min(documents.limit, _READER_TOKENS) if adapted else documents.limit
    tokens, number = documents.fitting(limit), len(documents.paths)
    fits = tokens is not None
    part: Context = "documents" if fits else "passages"
    name = "+".join(
        {"auto": "stuffing" if fits else "rag"}.get(one, one) for one in recipe.name.split("+")
    )
    bound = f"{limit:,} tokens that " + (
        "its adapter reads well" if limit < documents.limit else "fit the window"
    )
    if fits:
        why = f"stuffing: all documents ({number}, of {tokens:,} tokens) are within the {bound}"
    else:
        why = f"rag: all documents ({number}) have more than the {bound}"
    return replace(recipe, name=name, context=part), why


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
        headings=mark_hidden((), document.elements, Span(0, len(document.text))),
        page=1 if document.page_starts else None,
        breaks=document.page_starts[1:],
    )
