"""Messages of one thread, newest first: what an older one says may be outdated, above all what a
mail quotes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from acclimate.retrieval.base import Retriever
from acclimate.retrieval.outdated import outdated
from acclimate.types import QUOTED, Chunk, Hit

Metadata = Callable[[Sequence[str]], Mapping[str, Mapping[str, str]]]
"""What documents say about themselves, by path."""
_QUOTED_AT = re.compile(rf"{QUOTED} .*?(\d{{4}}-\d\d-\d\d(?: \d\d:\d\d)?)?")


@dataclass(frozen=True, slots=True)
class NewestRetriever:
    """The hits of `inner`; of one thread, those that were written later take the better places.

    A hit is left out where a later one of its thread says the same with another value, or where it
    is a quotation of another hit. With a quoted message comes what its mail itself says:
    `beginning` gives a document's first chunk. `metadata` gives documents' dates, and the threads
    of those that are messages.
    """

    inner: Retriever
    metadata: Metadata
    beginning: Callable[[Chunk], Chunk]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        hits = self.inner.retrieve(query, k)
        kept = self._kept(query, hits)
        if kept is None:
            return hits
        if len(kept) < k:  # there may be more
            kept = self._kept(query, self.inner.retrieve(query, 2 * k)) or kept
        scores = sorted((hit.score for hit in kept), reverse=True)
        return [
            Hit(hit.chunk, score, rank)
            for rank, (hit, score) in enumerate(zip(kept, scores, strict=True), start=1)
        ][:k]

    def _kept(self, query: str, hits: Sequence[Hit]) -> list[Hit] | None:
        """The hits in their new order, without those that say nothing more; None where none is of a
        thread."""
        known = self.metadata(sorted({hit.chunk.document for hit in hits}))
        threads = {
            path: said["thread"].casefold() for path, said in known.items() if "thread" in said
        }
        if not threads:
            return None
        hits = self._with_beginnings(hits, threads)
        places: dict[str, list[int]] = {}
        for at, hit in enumerate(hits):
            if hit.chunk.document in threads:
                places.setdefault(threads[hit.chunk.document], []).append(at)
        found: dict[int, Hit] = {
            at: hit for at, hit in enumerate(hits) if hit.chunk.document not in threads
        }
        for of_thread in places.values():
            newest = sorted(
                (hits[at] for at in of_thread),
                key=lambda hit: written(hit.chunk, known),
                reverse=True,
            )
            found |= zip(of_thread, _current(query, newest), strict=False)
        return [found[at] for at in sorted(found)]

    def _with_beginnings(self, hits: Sequence[Hit], threads: Mapping[str, str]) -> list[Hit]:
        """The hits, before each quoted message that of its mail's beginning, which may be too short
        to be found."""
        shown = {(hit.chunk.document, hit.chunk.start) for hit in hits}
        found: list[Hit] = []
        for hit in hits:
            if hit.chunk.document in threads and quoted_at(hit.chunk) is not None:
                first = self.beginning(hit.chunk)
                if (first.document, first.start) not in shown:
                    shown.add((first.document, first.start))
                    found.append(replace(hit, chunk=first))
            found.append(hit)
        return found


def _current(query: str, newest: Sequence[Hit]) -> list[Hit]:
    """Hits of one thread, newest first, without what is outdated, or quoted from another of
    them."""
    kept: list[Hit] = []
    for hit in newest:
        quotes = quoted_at(hit.chunk) is not None and any(
            _repeats(hit.chunk, other.chunk) for other in newest if quoted_at(other.chunk) is None
        )
        if not quotes and not any(outdated(query, hit.chunk, later.chunk) for later in kept):
            kept.append(hit)
    return kept


def _repeats(quoted: Chunk, whole: Chunk) -> bool:
    """Whether all that a quotation says stands in another chunk."""
    body = quoted.text.partition("\n")[2] if quoted.text.startswith(QUOTED) else quoted.text
    return " ".join(body.split()) in " ".join(whole.text.split())


def quoted_at(chunk: Chunk) -> str | None:
    """When what a chunk holds was written, where its mail quotes it: "" where that is not said.
    None for any other."""
    for line in (chunk.text.partition("\n")[0], *reversed(chunk.headings)):
        match = _QUOTED_AT.fullmatch(line)
        if match is not None:
            return match[1] or ""
    return None


def written(chunk: Chunk, known: Mapping[str, Mapping[str, str]]) -> tuple[str, bool]:
    """When a chunk was written, for sorting: a quotation without a date before all else."""
    quoted = quoted_at(chunk)
    if quoted is not None:
        return quoted, False
    date = known.get(chunk.document, {}).get("date", "")[:16].replace("T", " ")
    return date if not chunk.text.startswith("Signature of ") else "", True
