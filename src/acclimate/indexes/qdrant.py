"""Qdrant by its REST interface: dense search, exact or by a graph, and BM25 as sparse vectors.

Qdrant has no transactions: an index loses its stamp before a change and gets it back after, so that
one that was cut off is built again. That is done in another collection, whose alias is moved to it
when it is whole: who searches meanwhile finds what was there before.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Any, TypeVar
from uuid import uuid4

from acclimate.indexes.approximate import (
    CONNECTIVITY,
    WHEN_ADDED,
    Search,
    allowed_of,
    graph_wanted,
    proposals,
)
from acclimate.indexes.base import Change, Match, Vectors
from acclimate.indexes.bm25 import BOOSTS, Statistics, fields, frequency, rounded
from acclimate.indexes.filters import Among
from acclimate.indexes.rest import Rest
from acclimate.indexes.words import ENGLISH, Words, together
from acclimate.types import Chunk, Language

_Item = TypeVar("_Item")
_BATCH = 500  # points in one request
_TIES = 20  # more points than asked for, so that ties at the end go to the lower key
# A sparse vector holds what depends on mean lengths. Below this many rows it is renewed when those
# change at all, above when they changed by `_DRIFT`, which moves scores by less.
_ALWAYS_BELOW, _DRIFT = 20_000, 0.01
_LEAST_EF = 256  # rows that a search of the graph keeps in sight
_OVERSAMPLING = 2.0  # rows taken by their eight-bit codes and scored exactly, for each one wanted
# Eight-bit codes stay in memory, the rows themselves may stay on the disk.
_CODES = {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}}


class _Collection:
    """What both indexes share: a collection behind an alias, and its stamp in another one."""

    def __init__(self, rest: Rest, name: str, kind: str, stamp: int) -> None:
        self._rest, self._stamps, self._stamp = rest, f"/collections/{name}_stamps", stamp
        self._alias = f"{name}_{kind}"
        self._path = f"/collections/{self._alias}"

    @property
    def generation(self) -> int | None:
        """See `Index`."""
        stamp = self._stamped()
        return stamp["generation"] if stamp.get("whole") else None

    def _stamped(self) -> dict[str, Any]:
        found = self._rest.call("GET", f"{self._stamps}/points/{self._stamp}")
        return dict(found["result"]["payload"]) if found else {}

    def _write_stamp(self, **values: object) -> None:
        if not self._rest.call("GET", self._stamps):
            self._rest.call("PUT", self._stamps, {"vectors": {}})
        point = {"id": self._stamp, "vector": {}, "payload": values}
        self._rest.call("PUT", f"{self._stamps}/points?wait=true", {"points": [point]})

    def _unstamp(self) -> None:
        """Say that the index is not whole; what the stamp says of its rows holds for searches."""
        if stamp := self._stamped():
            self._write_stamp(**stamp | {"whole": False})

    def _make(self, shape: dict[str, Any]) -> str:
        """A new collection that nobody searches yet: its path."""
        fresh = f"/collections/{self._alias}_{uuid4().hex[:8]}"
        self._rest.call("PUT", fresh, shape)
        return fresh

    def _serve(self, fresh: str | None) -> None:
        """Let the alias lead to another collection from now on, or to none, and drop what it led
        to and what was left of changes that were cut off."""
        found = self._rest.call("GET", "/collections")["result"]["collections"]
        names = [row["name"] for row in found]
        aliases = self._rest.call("GET", "/aliases")["result"]["aliases"]
        if self._alias in names:  # a collection of a version that knew no aliases
            self._rest.call("DELETE", self._path)
        actions: list[dict[str, Any]] = []
        if any(row["alias_name"] == self._alias for row in aliases):
            actions.append({"delete_alias": {"alias_name": self._alias}})
        served = fresh.removeprefix("/collections/") if fresh else None
        if served:
            new = {"collection_name": served, "alias_name": self._alias}
            actions.append({"create_alias": new})
        if actions:
            self._rest.call("POST", "/collections/aliases", {"actions": actions})
        for name in names:
            if name.startswith(f"{self._alias}_") and name != served:
                self._rest.call("DELETE", f"/collections/{name}")

    def _rows(self, path: str | None = None) -> int:
        found = self._rest.call("POST", f"{path or self._path}/points/count", {"exact": True})
        return int(found["result"]["count"]) if found else 0

    def keys(self) -> list[int]:
        """See `Index`."""
        if self.generation is None:
            return []
        return sorted(point["id"] for point in self._points(self._path))

    def _points(self, path: str, *, payload: bool = False) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            asked = {"limit": 10 * _BATCH, "offset": after, "with_payload": payload}
            found = self._rest.call("POST", f"{path}/points/scroll", asked)
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
        """See `Index`. The next update takes the rows away, so that whoever searches meanwhile
        finds the old ones, not none."""
        self._unstamp()

    def close(self) -> None:
        """See `Index`."""
        self._rest.close()

    def _remove(self, change: Change) -> None:
        for keys in _batches([*change.removed, *change.added]):
            self._rest.call("POST", f"{self._path}/points/delete?wait=true", {"points": keys})

    def _best(self, asked: dict[str, object], k: int, keys: Sequence[int] | None) -> list[Match]:
        """Exactly, whatever the collection has."""
        if k < 1 or (keys is not None and not len(keys)):
            return []
        body = asked | {"limit": k + _TIES, "params": {"exact": True}}
        if keys is not None:
            body["filter"] = {"must": [{"has_id": list(keys)}]}
        matches = self._matches(body)
        return sorted(matches, key=lambda match: (-match.score, match.key))[:k]

    def _matches(self, body: dict[str, object]) -> list[Match]:
        found = self._rest.call("POST", f"{self._path}/points/query", body)
        points = found["result"]["points"] if found else []
        return [Match(int(point["id"]), float(point["score"])) for point in points]


class QdrantVectorIndex(_Collection):
    """Inner products in single precision: of all rows, or of those that a graph and eight-bit
    codes propose."""

    def __init__(self, rest: Rest, name: str, search: Search = "auto") -> None:
        self._search = search
        super().__init__(rest, name, "vectors", 1)

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`; a row that the graph does not lead to is missed."""
        if self._search != "exact":
            stamp = self._stamped()
            wanted = proposals(k, stamp.get("rows", 0), among) if stamp.get("graph") else None
            found = [] if wanted is None else self._proposed(query, wanted, k, among)
            allowed = allowed_of(found, k, among)
            if allowed is not None:
                return allowed[:k]
        return self._best(
            {"query": query.tolist()}, k, None if among is None else among.keys.tolist()
        )

    def _proposed(self, query: Vectors, wanted: int, k: int, among: Among | None) -> list[Match]:
        """The rows that the graph leads to. To score and send one costs more than to look at it, so
        without a filter only few of those in sight are."""
        limit = wanted if among is not None else min(wanted, max(_TIES, k) * 2)
        codes = {"rescore": True, "oversampling": 1.0 if among is not None else _OVERSAMPLING}
        params = {"hnsw_ef": max(wanted, _LEAST_EF), "quantization": codes}
        return self._matches({"query": query.tolist(), "limit": limit, "params": params})

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        return self._best({"query": query.tolist()}, len(keys), keys)

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`. A graph is built by the server afterwards; rows that are not in it yet
        are compared one by one, so searches miss nothing meanwhile."""
        anew = self.generation is None or not self._rest.call("GET", self._path)
        self._unstamp()
        path = None if anew else self._path
        if not anew:
            self._remove(change)
        for some in _batches(vectors):
            if path is None:
                dense = {"size": len(some[0][1]), "distance": "Dot"}
                # A graph that grows with each batch would be built several times.
                path = self._make({"vectors": dense, "hnsw_config": {"m": 0}})
            points = [{"id": key, "vector": vector.tolist()} for key, vector in some]
            self._rest.call("PUT", f"{path}/points?wait=true", {"points": points})
        rows = self._rows(path) if path else 0
        graph = self._tend(path, rows) if path else False
        if anew:
            self._serve(path)
        self._write_stamp(generation=change.generation, whole=True, rows=rows, graph=graph)

    def _tend(self, path: str, rows: int) -> bool:
        """Have the server build a graph where one is wanted, and drop one that is not; whether
        there is to be one."""
        config = self._rest.call("GET", path)["result"]["config"]
        has = bool(config["hnsw_config"]["m"])
        dimensions = config["params"]["vectors"]["size"]
        if has == (wanted := self._wanted(rows, has=has)):
            return has
        graph = {"m": CONNECTIVITY, "ef_construct": WHEN_ADDED} if wanted else {"m": 0}
        # Parts of an index that are smaller than this, in kB, are compared row by row.
        least = max(1, min(10_000, rows * dimensions * 4 // 1024 // 10))
        self._rest.call(
            "PATCH",
            path,
            {
                "hnsw_config": graph,
                "quantization_config": _CODES if wanted else "Disabled",
                "optimizers_config": {"indexing_threshold": least},
            },
        )
        return wanted

    def _wanted(self, rows: int, *, has: bool) -> bool:
        """A graph that is there stays when the index shrinks, unless search is to be exact."""
        return graph_wanted(self._search, rows) or (has and self._search != "exact")


class QdrantTextIndex(_Collection):
    """BM25 as the local index has it (`acclimate.indexes.bm25`).

    A point's sparse vector holds each word's frequency part, the query's the weights. Counts stay
    in the payload.
    """

    def __init__(self, rest: Rest, name: str, words: Words = ENGLISH) -> None:
        self._words = words
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
        groups = self._words.asked(query)
        for field in BOOSTS:
            holding = {
                word: self._count(stamp["generation"], f"{field}:{word}")
                for group in groups
                for word in group
            }
            for word, count in together(groups, holding, stamp["rows"]).items():
                if holding[word]:
                    weights[f"{field}:{word}"] = statistics.weight(field, count)
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
        anew = not stamp.get("whole") or not self._rest.call("GET", self._path)
        if anew:
            stamp = {}
        self._unstamp()
        words = dict(stamp.get("words", dict.fromkeys(BOOSTS, 0)))
        used = stamp.get("averages")
        path = self._made() if anew else self._path
        if not anew:
            self._take(change, words)
        for some in _batches(chunks):
            payloads = [(key, _payload(chunk, self._words.of(chunk))) for key, chunk in some]
            for field in BOOSTS:
                words[field] += sum(payload["lengths"][field] for _, payload in payloads)
            used = used or {field: words[field] / len(some) for field in BOOSTS}
            points = [
                {"id": k, "payload": load, "vector": {"bm25": _frequencies(load, used)}}
                for k, load in payloads
            ]
            self._rest.call("PUT", f"{path}/points?wait=true", {"points": points})
        rows = self._rows(path)
        averages = {field: Statistics(rows, words).average(field) for field in BOOSTS}
        if used and self._stale(used, averages, rows):
            self._renew(path, averages)
            used = averages
        if anew:
            self._serve(path)
        state = {"generation": change.generation, "rows": rows}
        self._write_stamp(**state, whole=True, words=words, averages=used)

    def _made(self) -> str:
        path = self._make({"vectors": {}, "sparse_vectors": {"bm25": {}}})
        index = {"field_name": "words", "field_schema": "keyword"}
        self._rest.call("PUT", f"{path}/index?wait=true", index)
        return path

    def _take(self, change: Change, words: dict[str, int]) -> None:
        """Remove rows, and their lengths from the sums `words`."""
        for keys in _batches([*change.removed, *change.added]):
            body = {"ids": keys, "with_payload": ["lengths"]}
            found = self._rest.call("POST", f"{self._path}/points", body)
            for point, field in product(found["result"], BOOSTS):
                words[field] -= point["payload"]["lengths"][field]
        self._remove(change)

    def _stale(self, used: dict[str, float], now: dict[str, float], rows: int) -> bool:
        allowed = 0.0 if rows < _ALWAYS_BELOW else _DRIFT
        return any(abs(now[field] - used[field]) > allowed * now[field] for field in BOOSTS)

    def _renew(self, path: str, averages: dict[str, float]) -> None:
        """Write all sparse vectors again, for other mean lengths."""
        for some in _batches(self._points(path, payload=True)):
            points = [
                {"id": p["id"], "vector": {"bm25": _frequencies(p["payload"], averages)}}
                for p in some
            ]
            self._rest.call("PUT", f"{path}/points/vectors?wait=true", {"points": points})


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
