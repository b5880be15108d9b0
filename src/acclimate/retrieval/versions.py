"""Of two versions of a passage the newer one ranks first, where the documents say which that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from acclimate.indexes.same import LEAST, Sketch, share_of
from acclimate.indexes.versions import Dated, marks_of, newer_of, numbers_in, same_family
from acclimate.retrieval.base import Retriever
from acclimate.text.folding import matched
from acclimate.types import Hit

# share of the words of two passages that both have, from which one is a version of the other
_COMMON = 0.5
_WORD = re.compile(r"\w+")
FindSketches = Callable[[Sequence[str]], Mapping[str, Sketch]]
FindDated = Callable[[Sequence[str]], Mapping[str, Dated]]


@dataclass(frozen=True, slots=True)
class NewestFirstRetriever:
    """The hits of `inner`; where two are versions of one passage, the newer takes the better of
    their places.

    Both stay: a question may be about the older one, and one that names its version or year is left
    as it is.
    """

    inner: Retriever
    sketches: FindSketches
    dated: FindDated

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; a score stays at its rank."""
        hits = self.inner.retrieve(query, k)
        paths = list(dict.fromkeys(hit.chunk.document for hit in hits))
        if len(paths) < 2:
            return hits
        sketches = self.sketches(paths)
        drawn = [path for path in paths if path in sketches]
        pairs = [
            (one, other)
            for one, other in combinations(drawn, 2)
            if share_of(sketches[one], sketches[other]) >= LEAST
        ]
        if not pairs:
            return hits
        known = self.dated(sorted({path for pair in pairs for path in pair}))
        older = {_order(known[one], known[other], query) for one, other in pairs} - {None}
        return _reordered(hits, {pair for pair in older if pair is not None})


def _order(one: Dated, other: Dated, query: str) -> tuple[str, str] | None:
    """(older, newer) of two documents; None where that is not known or the question names the older
    one."""
    newer = newer_of(one, other) if same_family(one, other) else ""
    if not newer:
        return None
    old, new = (other, one) if newer == one.path else (one, other)
    named = (marks_of(old) - marks_of(new)) & numbers_in(query)
    return None if named else (old.path, new.path)


def _reordered(hits: Sequence[Hit], older: set[tuple[str, str]]) -> list[Hit]:
    chunks = [(hit.chunk, hit.also) for hit in hits]
    for _ in chunks:  # three versions may take three rounds
        swapped = False
        for place, (first, _also) in enumerate(chunks):
            for later in range(place + 1, len(chunks)):
                second = chunks[later][0]
                if (first.document, second.document) in older and _common(
                    first.shown, second.shown
                ) >= _COMMON:
                    chunks[place], chunks[later] = chunks[later], chunks[place]
                    swapped = True
                    break
        if not swapped:
            break
    return [
        replace(hit, chunk=chunk, also=also)
        for hit, (chunk, also) in zip(hits, chunks, strict=True)
    ]


def _common(one: str, other: str) -> float:
    first, second = set(_WORD.findall(matched(one))), set(_WORD.findall(matched(other)))
    return len(first & second) / max(1, len(first | second))
