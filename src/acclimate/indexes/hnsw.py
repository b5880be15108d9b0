"""Approximate nearest neighbours: a graph (HNSW) that proposes rows, and the exact index that
scores them.

Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs", arXiv 1603.09320, as USearch has it. Scores are exact; what is
approximate is which rows are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.errors import MissingExtraError
from acclimate.indexes.base import Change, Match, Vectors
from acclimate.indexes.filters import Among
from acclimate.indexes.vector import ExactVectorIndex, crc_of, sync

if TYPE_CHECKING:
    from usearch.index import Index

_CONNECTIVITY, _WHEN_ADDED, _WHEN_SEARCHED = 16, 128, 128  # M, efConstruction, ef of the paper
_PROPOSED = 4  # rows looked at for each one wanted
_LEAST_PROPOSED = 64
# as many rows are also the least before threads add beside each other: they drop each other's links
_BATCH = 10_000


class HNSWVectorIndex:
    """An exact index in `folder`, and a graph beside it. What a filter leaves is searched
    exactly."""

    def __init__(self, folder: Path) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise MissingExtraError("an approximate vector index", "ann") from error
        self._make: Any = Index
        self._exact = ExactVectorIndex(folder / "exact")
        self._file, self._stamp = folder / "graph.usearch", folder / "graph.json"
        self._graph: Index | None = None
        self._crc = 0
        self._generation: int | None = None
        self._open()

    @property
    def generation(self) -> int | None:
        """See `VectorIndex`."""
        return self._generation if self._generation == self._exact.generation else None

    def keys(self) -> list[int]:
        """See `Index`."""
        return self._exact.keys()

    def whole(self) -> bool:
        """See `Index`."""
        return self._exact.whole() and (self._graph is None or crc_of(self._file) == self._crc)

    def clear(self) -> None:
        """See `Index`."""
        self._exact.clear()
        self._graph, self._generation = None, None
        for file in (self._stamp, self._file):
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Index`."""
        self._exact.close()

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`; a row that the graph does not lead to is missed."""
        if k < 1 or self._graph is None or not len(self._graph):
            return []
        proposed = max(_PROPOSED * k, _LEAST_PROPOSED)
        if among is not None or proposed >= len(self._graph):
            return self._exact.search(query, k, among)
        keys = np.sort(self._graph.search(query, proposed).keys).tolist()
        matches = self._exact.scores(query, keys)
        return sorted(matches, key=lambda match: (-match.score, match.key))[:k]

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        return self._exact.scores(query, keys)

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`. A crash leaves no stamp, and the graph is built again."""
        self._stamp.unlink(missing_ok=True)
        self._generation = None
        graph = self._writable()
        held = set(graph.keys) if graph is not None else set()
        gone = [key for key in (*change.removed, *change.added) if key in held]
        if graph is not None and gone:
            graph.remove(np.array(gone, np.uint64))
        self._exact.update(change, self._through(graph, vectors))
        self._save(change.generation)

    def _through(
        self, graph: Index | None, vectors: Iterator[tuple[int, Vectors]]
    ) -> Iterator[tuple[int, Vectors]]:
        """Pass the rows on, and put them into the graph on the way."""
        while some := list(islice(vectors, _BATCH)):
            if graph is None:
                settings = {"connectivity": _CONNECTIVITY, "expansion_add": _WHEN_ADDED}
                graph = self._make(
                    ndim=len(some[0][1]),
                    metric="ip",
                    dtype="bf16",
                    expansion_search=_WHEN_SEARCHED,
                    **settings,
                )
            threads = 0 if len(graph) >= _BATCH else 1
            keys, rows = (
                np.array([key for key, _ in some], np.uint64),
                np.stack([vector for _, vector in some]),
            )
            graph.add(keys, rows, threads=threads)
            yield from some
        self._graph = graph

    def _writable(self) -> Index | None:
        """The graph in memory; None where there is none yet."""
        return (
            self._make.restore(str(self._file))
            if self._graph is not None and self._file.exists()
            else None
        )

    def _save(self, generation: int) -> None:
        stamp = {"generation": generation, "rows": 0, "size": 0, "crc32": 0}
        if self._graph is not None:
            part = self._file.with_suffix(".part")
            self._graph.save(str(part))
            with part.open("rb") as written:
                sync(written)
            part.replace(self._file)
            size, crc = self._file.stat().st_size, crc_of(self._file) or 0
            stamp |= {"rows": len(self._graph), "size": size, "crc32": crc}
        with self._stamp.with_suffix(".part").open("w", encoding="utf-8") as out:
            json.dump(stamp, out)
            sync(out)
        self._stamp.with_suffix(".part").replace(self._stamp)
        self._open()

    def _open(self) -> None:
        """Map the graph; one that is missing or has another size than stamped leaves the index
        without generation."""
        self._graph, self._generation = None, None
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
            rows, size, crc = int(stamp["rows"]), int(stamp["size"]), int(stamp["crc32"])
            graph = None
            if rows:
                if self._file.stat().st_size != size:
                    return
                graph = self._make.restore(str(self._file), view=True)
                if graph is None or len(graph) != rows:
                    return
            self._graph, self._generation, self._crc = graph, int(stamp["generation"]), crc
        except (OSError, ValueError, KeyError, TypeError, RuntimeError):
            return
