"""Equal passages take one place: copies of a document must not crowd out what else answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from acclimate.indexes.filters import Among
from acclimate.indexes.same import same_key
from acclimate.retrieval.base import Retriever
from acclimate.types import Hit

# Hits asked for beyond k; factor and bound where too many are equal.
_SPARE, _WIDER, _DEEPEST = 4, 4, 20_000
FindSame = Callable[[Sequence[int]], Mapping[int, Sequence[tuple[int, str]]]]
"""(chunk key, document path) of all chunks with the given keys of `same_key`."""


@dataclass(frozen=True, slots=True)
class DistinctRetriever:
    """The hits of `inner`, each passage once, at its best place; `Hit.also` names the other
    documents that hold it.

    `same` finds these in the whole library, of which only chunks `among` the given ones are named.
    `widen` asks `inner` for more until there are k passages; without it fewer may be left.
    """

    inner: Retriever
    same: FindSame
    among: Among | None = None
    widen: bool = True

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        depth = k + _SPARE
        hits = self.inner.retrieve(query, depth)
        found = distinct(hits)
        while self.widen and len(found) < k and len(hits) >= depth and depth < _DEEPEST:
            depth *= _WIDER
            hits = self.inner.retrieve(query, depth)
            found = distinct(hits)
        return self._named(found[:k])

    def _named(self, hits: Sequence[Hit]) -> list[Hit]:
        keys = [same_key(hit.chunk) for hit in hits]
        held = self.same(keys)
        named = []
        for key, hit in zip(keys, hits, strict=True):
            others = {path for chunk, path in held.get(key, ()) if self._seen(chunk)} | {*hit.also}
            named.append(replace(hit, also=tuple(sorted(others - {hit.chunk.document}))))
        return named

    def _seen(self, key: int) -> bool:
        return self.among is None or bool(self.among.holds(np.array([key], np.int64))[0])


def distinct(hits: Sequence[Hit]) -> list[Hit]:
    """Each passage once, ranks 1 to n, with the other documents among `hits` that hold it."""
    found: dict[int, Hit] = {}
    for hit in hits:
        key = same_key(hit.chunk)
        if (first := found.get(key)) is None:
            found[key] = replace(hit, rank=len(found) + 1)
        else:
            others = {*first.also, *hit.also, hit.chunk.document} - {first.chunk.document}
            found[key] = replace(first, also=tuple(sorted(others)))
    return list(found.values())
