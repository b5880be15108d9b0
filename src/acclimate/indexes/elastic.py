"""Elasticsearch or OpenSearch by their REST interface: the local index's BM25, and what the vector
index beside it (`elastic_vectors`) shares with it.

Words are analysed and weighed here, as for every store; the server multiplies each word's weight
with its part of the row, by a scripted similarity. It has no transactions: an index loses its stamp
before a change and gets it back after, so that one that was cut off is built again. That is done in
another one, whose alias is moved to it when it is whole: who searches meanwhile finds what was
there before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, product
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from acclimate.errors import LibraryError
from acclimate.indexes.base import Change, Match
from acclimate.indexes.bm25 import BOOSTS, K1, B, Statistics, fields
from acclimate.indexes.filters import Among
from acclimate.indexes.rest import Rest
from acclimate.indexes.words import ENGLISH, Words, together
from acclimate.types import Chunk, Language

_Item = TypeVar("_Item")
_BATCH = 500  # rows in one request
_MOST = 1_000_000  # rows of one answer, and keys of one filter; the server's own limits are lower
# Change of a mean length above which a large index is told of it; scores move by less.
_DRIFT = 0.01
_ALWAYS_BELOW = 20_000  # rows; smaller indexes are told of every change
# What the row adds to a word's weight, which comes as the query's boost. `doc.length` is rounded by
# Lucene as `bm25.rounded` does.
_PART = f"query.boost * doc.freq / (doc.freq + {K1} * ({1 - B} + {B} * doc.length / AVERAGE))"


class Rows:
    """What both indexes share: the server's index behind an alias, and its stamp in another one."""

    def __init__(self, rest: Rest, name: str, kind: str) -> None:
        self._rest, self._stamp = rest, f"/{name}_stamps/_doc/{kind}"
        self._alias, self._path = f"{name}_{kind}", f"/{name}_{kind}"

    @property
    def generation(self) -> int | None:
        """See `Index`."""
        stamp = self._stamped()
        return stamp["generation"] if stamp.get("whole") else None

    def _stamped(self) -> dict[str, Any]:
        found = self._rest.call("GET", self._stamp)
        return dict(found["_source"]) if found and found.get("found") else {}

    def _write_stamp(self, **values: object) -> None:
        self._rest.call("PUT", f"{self._stamp}?refresh=true", values)

    def _unstamp(self) -> None:
        """Say that the index is not whole; what the stamp says of its rows holds for searches."""
        if stamp := self._stamped():
            self._write_stamp(**stamp | {"whole": False})

    def _count(self, path: str | None = None) -> int:
        body: dict[str, Any] = {"query": {"match_all": {}}}
        found = self._rest.call("POST", f"{path or self._path}/_count", body)
        return int(found["count"]) if found else 0

    def keys(self) -> list[int]:
        """See `Index`."""
        keys: list[int] = []
        while self.generation is not None:
            asked = {
                "size": 10_000,
                "_source": False,
                "sort": [{"key": "asc"}],
                "query": {"match_all": {}},
            }
            found = self._rest.call(
                "POST",
                f"{self._path}/_search",
                asked | ({"search_after": keys[-1:]} if keys else {}),
            )
            hits = found["hits"]["hits"] if found else []
            keys += [int(hit["_id"]) for hit in hits]
            if len(hits) < 10_000:
                break
        return keys

    def whole(self) -> bool:
        """See `Index`."""
        return bool(self._stamped().get("rows") == self._count())

    def clear(self) -> None:
        """See `Index`. The next update takes the rows away, so that whoever searches meanwhile
        finds the old ones, not none."""
        self._unstamp()

    def close(self) -> None:
        """See `Index`."""
        self._rest.close()

    def _make(self, settings: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
        """A new index that nobody searches yet: its path."""
        shape = {
            "max_result_window": _MOST,
            "max_terms_count": _MOST,
            "number_of_replicas": 0,
        } | dict(settings)
        mappings = {"dynamic": "strict", "properties": {"key": {"type": "long"}} | dict(properties)}
        fresh = f"/{self._alias}_{uuid4().hex[:8]}"
        self._rest.call("PUT", fresh, {"settings": {"index": shape}, "mappings": mappings})
        return fresh

    def _serve(self, fresh: str | None) -> None:
        """Let the alias lead to another index from now on, or to none, and drop what it led to and
        what was left of changes that were cut off."""
        found = [self._rest.call("GET", path) or {} for path in (f"{self._path}_*", self._path)]
        served = fresh.removeprefix("/") if fresh else None
        old = sorted({*found[0], *found[1]} - {served})
        actions: list[dict[str, Any]] = [{"remove_index": {"index": name}} for name in old]
        if served:
            actions.append({"add": {"index": served, "alias": self._alias}})
        if actions:
            self._rest.call("POST", "/_aliases", {"actions": actions})

    def _exists(self) -> bool:
        return self._rest.call("GET", self._path) is not None

    def _remove(self, change: Change) -> None:
        for keys in batches([*change.removed, *change.added]):
            self._bulk(self._path, [{"delete": {"_id": str(key)}} for key in keys])

    def _put(self, path: str, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        lines: list[Mapping[str, Any]] = []
        for key, row in rows:
            lines += [{"index": {"_id": str(key)}}, {"key": key} | dict(row)]
        self._bulk(path, lines)

    def _bulk(self, path: str, lines: Sequence[Mapping[str, Any]]) -> None:
        content = "".join(json.dumps(line) + "\n" for line in lines)
        done = self._rest.call("POST", f"{path}/_bulk", content=content)
        items = chain.from_iterable(row.values() for row in (done or {}).get("items", []))
        wrong = [item for item in items if "error" in item]
        if wrong:
            raise LibraryError(
                f"the Elasticsearch store refused a row: {wrong[0]['status']} "
                f"{str(wrong[0]['error'])[:300]}.",
                hint="acclimate doctor --repair",
                retryable=wrong[0]["status"] == httpx.codes.TOO_MANY_REQUESTS,
            )

    def _refresh(self, path: str) -> None:
        self._rest.call("POST", f"{path}/_refresh")

    def _best(self, query: Mapping[str, Any], k: int) -> list[tuple[int, float]]:
        """(key, score), best first, ties by lower key."""
        order = [{"_score": "desc"}, {"key": "asc"}]
        return self._hits({"size": min(k, _MOST), "sort": order, "query": query})

    def _hits(self, asked: dict[str, Any]) -> list[tuple[int, float]]:
        found = self._rest.call("POST", f"{self._path}/_search", asked | {"_source": False})
        hits = found["hits"]["hits"] if found else []
        return [(int(hit["_id"]), float(hit["_score"])) for hit in hits]


class ElasticTextIndex(Rows):
    """BM25 as the local index has it (`acclimate.indexes.bm25`)."""

    def __init__(self, rest: Rest, name: str, words: Words = ENGLISH) -> None:
        self._analysis = words
        super().__init__(rest, name, "texts")
        self._holding: dict[tuple[int, str, str], int] = {}  # by generation, field and word

    def search(self, query: str, k: int, among: Among | None = None) -> list[Match]:
        """See `TextIndex`."""
        return self._found(query, k, None if among is None else among.keys.tolist())

    def scores(self, query: str, keys: Sequence[int]) -> list[Match]:
        """See `TextIndex`."""
        return self._found(query, len(keys), list(keys))

    def _found(self, query: str, k: int, keys: list[int] | None) -> list[Match]:
        stamp, groups = self._stamped(), self._analysis.asked(query)
        if k < 1 or keys == [] or not stamp or not groups:
            return []
        statistics, asked = Statistics(stamp["rows"], stamp["words"]), []
        words = list(dict.fromkeys(word for group in groups for word in group))
        self._look_up(stamp["generation"], words)
        for field in BOOSTS:
            holding = {word: self._holding[stamp["generation"], field, word] for word in words}
            for word, count in together(groups, holding, stamp["rows"]).items():
                if holding[word]:
                    term = {"value": word, "boost": statistics.weight(field, count)}
                    asked.append({"term": {field: term}})
        if not asked:
            return []
        must: dict[str, Any] = {"should": asked, "minimum_should_match": 1}
        if keys is not None:
            must["filter"] = [{"terms": {"key": keys}}]
        return [Match(key, score) for key, score in self._best({"bool": must}, k)]

    def _look_up(self, generation: int, words: Sequence[str]) -> None:
        """How many rows hold each word, in one request; remembered while the index stays as it
        is."""
        if any(old != generation for old, _, _ in self._holding) or len(self._holding) > 100_000:
            self._holding = {}
        asked_for = product(words, BOOSTS)
        missing = [(f, w) for w, f in asked_for if (generation, f, w) not in self._holding]
        if not missing:
            return
        asked = {f"{at}": {"term": {field: word}} for at, (field, word) in enumerate(missing)}
        body = {"size": 0, "aggs": {"words": {"filters": {"filters": asked}}}}
        found = self._rest.call("POST", f"{self._path}/_search", body)
        buckets = found["aggregations"]["words"]["buckets"] if found else {}
        for at, (field, word) in enumerate(missing):
            self._holding[generation, field, word] = buckets.get(f"{at}", {}).get("doc_count", 0)

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """See `TextIndex`."""
        stamp = self._stamped()
        anew = not stamp.get("whole") or not self._exists()
        self._unstamp()
        path = None if anew else self._path
        used: dict[str, float] | None = None if anew else stamp.get("averages")
        if not anew:
            self._remove(change)
        for some in batches(chunks):
            rows = [(key, _row(chunk, self._analysis.of(chunk))) for key, chunk in some]
            if path is None or used is None:
                used = {
                    field: sum(row["lengths"][field] for _, row in rows) / len(rows)
                    for field in BOOSTS
                }
                path = self._make({"similarity": _similarity(used)}, _PROPERTIES)
            self._put(path, rows)
        words, rows_now = dict.fromkeys(BOOSTS, 0), 0
        if path is not None and used is not None:
            self._refresh(path)
            words, rows_now = self._words(path), self._count(path)
            averages = {field: Statistics(rows_now, words).average(field) for field in BOOSTS}
            if self._stale(used, averages, rows_now):
                self._renew(path, averages)
                used = averages
        if anew:
            self._serve(path)
        state = {"generation": change.generation, "rows": rows_now}
        self._write_stamp(**state, whole=True, words=words, averages=used)

    def _words(self, path: str) -> dict[str, int]:
        """Words of all rows, by field."""
        sums = {field: {"sum": {"field": f"lengths.{field}"}} for field in BOOSTS}
        found = self._rest.call("POST", f"{path}/_search", {"size": 0, "aggs": sums})
        return {field: int(found["aggregations"][field]["value"]) for field in BOOSTS}

    def _stale(self, used: Mapping[str, float], now: Mapping[str, float], rows: int) -> bool:
        allowed = 0.0 if rows < _ALWAYS_BELOW else _DRIFT
        return any(abs(now[field] - used[field]) > allowed * now[field] for field in BOOSTS)

    def _renew(self, path: str, averages: Mapping[str, float]) -> None:
        """Tell the server the mean lengths; it takes them while the index is closed."""
        self._rest.call("POST", f"{path}/_close")
        settings = {"index": {"similarity": _similarity(averages)}}
        self._rest.call("PUT", f"{path}/_settings", settings)
        self._rest.call("POST", f"{path}/_open?wait_for_active_shards=1")


_PROPERTIES = {
    **{
        f: {"type": "text", "analyzer": "whitespace", "similarity": f, "index_options": "freqs"}
        for f in BOOSTS
    },
    "lengths": {"properties": {field: {"type": "integer"} for field in BOOSTS}},
}


def _similarity(averages: Mapping[str, float]) -> dict[str, Any]:
    """A scripted similarity for each field."""
    return {
        # An empty field has no row to score; its average only must not be 0.
        field: {
            "type": "scripted",
            "script": {
                "source": f"return {_PART.replace('AVERAGE', repr(float(average) or 1.0))};"
            },
        }
        for field, average in averages.items()
    }


def _row(chunk: Chunk, language: Language) -> dict[str, Any]:
    found = fields(chunk, language)
    texts = {name: " ".join(field.counts.elements()) for name, field in found.items()}
    return texts | {"lengths": {name: field.words for name, field in found.items()}}


def batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Lists of as many items as one request takes."""
    left = iter(items)
    while some := list(islice(left, _BATCH)):
        yield some
