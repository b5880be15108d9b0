"""Vectors in Elasticsearch or OpenSearch: exact search by a script, or approximate search by their
graph (kNN)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from acclimate.indexes.approximate import (
    CONNECTIVITY,
    WHEN_ADDED,
    Search,
    allowed_of,
    graph_wanted,
    proposals,
)
from acclimate.indexes.base import Change, Match, Vectors
from acclimate.indexes.elastic import Rows, batches
from acclimate.indexes.filters import Among
from acclimate.indexes.rest import Rest

_RESCORED = 4  # rows of the graph that are scored exactly, for each one wanted


class ElasticVectorIndex(Rows):
    """Exact inner products of unit vectors, by Elasticsearch's vector functions or OpenSearch's
    k-NN script: of all rows, or of those that the server's graph proposes."""

    def __init__(self, rest: Rest, name: str, search: Search = "auto") -> None:
        super().__init__(rest, name, "vectors")
        self._search = search
        self._opensearch: bool | None = None

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`; a row that the graph does not lead to is missed."""
        stamp = self._stamped() if self._search != "exact" else {}
        rows = stamp.get("rows", 0) if stamp.get("graph") else 0
        wanted = proposals(k, rows, among) if graph_wanted(self._search, rows) else None
        found = [] if wanted is None else self._near(query, wanted)
        allowed = allowed_of(found, k, among)
        if allowed is not None:
            return self._scored(query, k, [match.key for match in allowed[: _RESCORED * k]])
        return self._scored(query, k, None if among is None else among.keys.tolist())

    def _near(self, query: Vectors, wanted: int) -> list[Match]:
        """The rows that the graph leads to; their scores are of codes, in order but not exact."""
        values = query.tolist()
        if self._is_opensearch():
            near: dict[str, Any] = {"vector": {"vector": values, "k": wanted}}
            asked: dict[str, Any] = {"size": wanted, "query": {"knn": near}}
        else:
            near = {"field": "vector", "query_vector": values}
            asked = {"size": wanted, "knn": near | {"k": wanted, "num_candidates": wanted}}
        return [Match(key, score) for key, score in self._hits(asked)]

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        return self._scored(query, len(keys), list(keys))

    def _scored(self, query: Vectors, k: int, keys: list[int] | None) -> list[Match]:
        if k < 1 or keys == []:
            return []
        values = query.tolist()
        if self._is_opensearch():
            params = {"field": "vector", "query_value": values, "space_type": "innerproduct"}
            script: dict[str, Any] = {"lang": "knn", "source": "knn_score", "params": params}
        else:
            # Scores must not be negative, which a cosine of -1 can be by rounding.
            source = "Math.max(0.0, dotProduct(params.query, 'vector') + 1.0)"
            script = {"source": source, "params": {"query": values}}
        inner = (
            {"match_all": {}} if keys is None else {"bool": {"filter": [{"terms": {"key": keys}}]}}
        )
        found = self._best({"script_score": {"query": inner, "script": script}}, k)
        return [Match(key, self._cosine(score)) for key, score in found]

    def _cosine(self, score: float) -> float:
        """A score as the inner product that it was made of; OpenSearch gives 1 / (1 - product) for
        negative ones."""
        return score - 1.0 if score >= 1.0 or not self._is_opensearch() else 1.0 - 1.0 / score

    def _is_opensearch(self) -> bool:
        if self._opensearch is None:
            version = (self._rest.call("GET", "/") or {}).get("version", {})
            self._opensearch = version.get("distribution") == "opensearch"
        return self._opensearch

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`."""
        stamp = self._stamped()
        anew = not stamp.get("whole") or not self._exists()
        graph = self._search != "exact" if anew else bool(stamp["graph"])
        self._unstamp()
        path = None if anew else self._path
        if not anew:
            self._remove(change)
        for some in batches(vectors):
            if path is None:
                settings = {"knn": True} if graph and self._is_opensearch() else {}
                path = self._make(settings, {"vector": self._vector(len(some[0][1]), graph=graph)})
            self._put(path, ((key, {"vector": vector.tolist()}) for key, vector in some))
        if path is not None:
            self._refresh(path)
        rows = self._count(path) if path else 0
        if anew:
            self._serve(path)
        state = {"generation": change.generation, "rows": rows}
        self._write_stamp(**state, whole=True, graph=graph)

    def _vector(self, dimensions: int, *, graph: bool) -> dict[str, Any]:
        """The field of vectors. Lucene builds its graph with each segment, so that it is there
        before it is searched, whatever the number of rows."""
        sizes = {"m": CONNECTIVITY, "ef_construction": WHEN_ADDED}
        if self._is_opensearch():
            method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct"}
            field: dict[str, Any] = {"type": "knn_vector", "dimension": dimensions}
            return field | ({"method": method | {"parameters": sizes}} if graph else {})
        field = {"type": "dense_vector", "dims": dimensions, "index": graph}
        options = {"type": "int8_hnsw"} | sizes
        similar = {"similarity": "max_inner_product", "index_options": options}
        return field | (similar if graph else {})
