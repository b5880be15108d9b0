"""Qdrant by its REST interface: exact dense search, and BM25 as sparse vectors.

Qdrant has no transactions: an index loses its stamp before a change and gets it back after, so that
one that was cut off is built again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from acclimate.indexes.base import Change, Match, Vectors
from acclimate.indexes.bm25 import BOOSTS, Statistics, fields, frequency, query_words, rounded
from acclimate.indexes.filters import Among
from acclimate.indexes.rest import Rest
from acclimate.types import Chunk, Language

_Item = TypeVar("_Item")
_BATCH = 500  # points in one request
_TIES = 20  # more points than asked for, so that ties at the end go to the lower key
# A sparse vector holds what depends on mean lengths. Below this many rows it is renewed when those
# change at all, above when they changed by `_DRIFT`, which moves scores by less.
_ALWAYS_BELOW, _DRIFT = 20_000, 0.01


class _Collection:
    """What both indexes share: a collection, and its stamp in another one."""

    def __init__(self, rest: Rest, name: str, kind: str, stamp: int) -> None:
        self._rest, self._stamps, self._stamp = rest, f"/collections/{name}_stamps", stamp
        self._path = f"/collections/{name}_{kind}"

    @property
    def generation(self) -> int | None:
        """See `Index`."""
        return self._stamped().get("generation")

    def _stamped(self) -> dict[str, Any]:
        found = self._rest.call("GET", f"{self._stamps}/points/{self._stamp}")
        return dict(found["result"]["payload"]) if found else {}

    def _write_stamp(self, **values: object) -> None:
        if not self._rest.call("GET", self._stamps):
            self._rest.call("PUT", self._stamps, {"vectors": {}})
        point = {"id": self._stamp, "vector": {}, "payload": values | {"rows": self._rows()}}
        self._rest.call("PUT", f"{self._stamps}/points?wait=true", {"points": [point]})

    def _unstamp(self) -> None:
        self._rest.call(
            "POST", f"{self._stamps}/points/delete?wait=true", {"points": [self._stamp]}
        )

    def _rows(self) -> int:
        found = self._rest.call("POST", f"{self._path}/points/count", {"exact": True})
        return int(found["result"]["count"]) if found else 0

    def keys(self) -> list[int]:
        """See `Index`."""
        return sorted(point["id"] for point in self._points())

    def _points(self, *, payload: bool = False) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            asked = {"limit": 10 * _BATCH, "offset": after, "with_payload": payload}
            found = self._rest.call("POST", f"{self._path}/points/scroll", asked)
            if found is None:
                return
            yield from found["result"]["points"]
            after = found["result"]["next_page_offset"]
            if after is None:
                return

    def whole(self) -> bool:
        """See `Index`."""
        return bool(self._stamped().get("rows") == self._rows())

    def clear(self) -> None:
        """See `Index`."""
        self._unstamp()
        self._rest.call("DELETE", self._path)

    def close(self) -> None:
        """See `Index`."""
        self._rest.close()

    def _remove(self, change: Change) -> None:
        for keys in _batches([*change.removed, *change.added]):
            self._rest.call("POST", f"{self._path}/points/delete?wait=true", {"points": keys})

    def _best(self, asked: dict[str, object], k: int, keys: Sequence[int] | None) -> list[Match]:
        if k < 1 or (keys is not None and not len(keys)):
            return []
        body = asked | {"limit": k + _TIES, "params": {"exact": True}}
        if keys is not None:
            body["filter"] = {"must": [{"has_id": list(keys)}]}
        found = self._rest.call("POST", f"{self._path}/points/query", body)
        points = found["result"]["points"] if found else []
        matches = [Match(int(point["id"]), float(point["score"])) for point in points]
        return sorted(matches, key=lambda match: (-match.score, match.key))[:k]


class QdrantVectorIndex(_Collection):
    """Exact inner products in single precision; no graph is built."""

    def __init__(self, rest: Rest, name: str) -> None:
        super().__init__(rest, name, "vectors", 1)

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`."""
        return self._best(
            {"query": query.tolist()}, k, None if among is None else among.keys.tolist()
        )

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        return self._best({"query": query.tolist()}, len(keys), keys)

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`."""
        self._unstamp()
        self._remove(change)
        exists = self._rest.call("GET", self._path)
        for some in _batches(vectors):
            if not exists:
                dense = {"size": len(some[0][1]), "distance": "Dot"}
                exists = self._rest.call(
                    "PUT", self._path, {"vectors": dense, "hnsw_config": {"m": 0}}
                )
            points = [{"id": key, "vector": vector.tolist()} for key, vector in some]
            self._rest.call("PUT", f"{self._path}/points?wait=true", {"points": points})
        self._write_stamp(generation=change.generation)


class QdrantTextIndex(_Collection):
    """BM25 as the local index has it (`acclimate.indexes.bm25`).

    A point's sparse vector holds each word's frequency part, the query's the weights. Counts stay
    in the payload.
    """

    def __init__(self, rest: Rest, name: str, language: Language = "english") -> None:
        self._language = language
        super().__init__(rest, name, "texts", 2)
        self._holding: dict[tuple[int, str], int] = {}  # by generation and word

    def search(self, query: str, k: int, among: Among | None = None) -> list[Match]:
        """See `TextIndex`."""
        return self._found(query, k, None if among is None else among.keys.tolist())

    def scores(self, query: str, keys: Sequence[int]) -> list[Match]:
        """See `TextIndex`."""
        return self._found(query, len(keys), keys)

    def _found(self, query: str, k: int, keys: Sequence[int] | None) -> list[Match]:
        stamp = self._stamped()
        if not stamp:
            return []
        statistics = Statistics(stamp["rows"], stamp["words"])
        weights = {}
        for word in query_words(query, self._language):
            for field in BOOSTS:
                if holding := self._count(stamp["generation"], f"{field}:{word}"):
                    weights[f"{field}:{word}"] = statistics.weight(field, holding)
        return self._best({"query": _sparse(weights), "using": "bm25"}, k, keys) if weights else []

    def _count(self, generation: int, word: str) -> int:
        """How many rows hold a word; remembered while the index stays as it is."""
        if (generation, word) not in self._holding:
            if any(old != generation for old, _ in self._holding) or len(self._holding) > 100_000:
                self._holding = {}
            body = {"exact": True, "filter": {"must": [{"key": "words", "match": {"value": word}}]}}
            found = self._rest.call("POST", f"{self._path}/points/count", body)
            self._holding[generation, word] = found["result"]["count"] if found else 0
        return self._holding[generation, word]

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """See `TextIndex`."""
        stamp = self._stamped()
        self._unstamp()
        words = dict(stamp.get("words", dict.fromkeys(BOOSTS, 0)))
        used = stamp.get("averages")
        self._make()
        for keys in _batches([*change.removed, *change.added]):
            found = self._rest.call(
                "POST", f"{self._path}/points", {"ids": keys, "with_payload": ["lengths"]}
            )
            for point in found["result"]:
                words = {
                    field: words[field] - point["payload"]["lengths"][field] for field in BOOSTS
                }
        self._remove(change)
        for some in _batches(chunks):
            payloads = [(key, _payload(chunk, self._language)) for key, chunk in some]
            for field in BOOSTS:
                words[field] += sum(payload["lengths"][field] for _, payload in payloads)
            used = used or {field: words[field] / len(some) for field in BOOSTS}
            points = [
                {"id": k, "payload": load, "vector": {"bm25": _frequencies(load, used)}}
                for k, load in payloads
            ]
            self._rest.call("PUT", f"{self._path}/points?wait=true", {"points": points})
        averages = {field: Statistics(self._rows(), words).average(field) for field in BOOSTS}
        if used and self._stale(used, averages):
            self._renew(averages)
            used = averages
        self._write_stamp(generation=change.generation, words=words, averages=used)

    def _make(self) -> None:
        if not self._rest.call("GET", self._path):
            self._rest.call("PUT", self._path, {"vectors": {}, "sparse_vectors": {"bm25": {}}})
            index = {"field_name": "words", "field_schema": "keyword"}
            self._rest.call("PUT", f"{self._path}/index?wait=true", index)

    def _stale(self, used: dict[str, float], now: dict[str, float]) -> bool:
        allowed = 0.0 if self._rows() < _ALWAYS_BELOW else _DRIFT
        return any(abs(now[field] - used[field]) > allowed * now[field] for field in BOOSTS)

    def _renew(self, averages: dict[str, float]) -> None:
        """Write all sparse vectors again, for other mean lengths."""
        for some in _batches(self._points(payload=True)):
            points = [
                {"id": p["id"], "vector": {"bm25": _frequencies(p["payload"], averages)}}
                for p in some
            ]
            self._rest.call("PUT", f"{self._path}/points/vectors?wait=true", {"points": points})


def _payload(chunk: Chunk, language: Language) -> dict[str, Any]:
    found = fields(chunk, language)
    counts = {
        f"{name}:{word}": count
        for name, field in found.items()
        for word, count in field.counts.items()
    }
    lengths = {name: field.words for name, field in found.items()}
    return {"words": list(counts), "counts": list(counts.values()), "lengths": lengths}


def _frequencies(payload: dict[str, Any], averages: dict[str, float]) -> dict[str, list[Any]]:
    values = {}
    for word, count in zip(payload["words"], payload["counts"], strict=True):
        field = word.partition(":")[0]
        values[word] = frequency(count, rounded(payload["lengths"][field]), averages[field])
    return _sparse(values)


def _sparse(values: dict[str, float]) -> dict[str, list[Any]]:
    """Words as the 32-bit places of a sparse vector; of 100,000 words, about one shares its place
    with another."""
    places: dict[int, float] = {}
    for word, value in values.items():
        place = zlib.crc32(word.encode())
        places[place] = places.get(place, 0.0) + value
    return {"indices": list(places), "values": list(places.values())}


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    left = iter(items)
    while some := list(islice(left, _BATCH)):
        yield some
