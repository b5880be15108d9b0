"""The vectors of pictures, beside the documents in the record: few enough to be compared one by
one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acclimate.indexes.base import Match, Vectors
from acclimate.indexes.filters import Among
from acclimate.indexes.sql import SqlDatabase
from acclimate.types import Picture


class PictureTable:
    """Pictures of the record's documents by the place that stands for each; goes with the document.

    A vector of another embedder than is asked for does not take part. Used inside the record's
    transactions.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._db = database

    def put(self, path: str, pictures: Sequence[Picture], vectors: Vectors, embedder: str) -> None:
        """Keep the vectors [n, d] of a document's n pictures, which it had none of before."""
        self._db.execute_many(
            "INSERT INTO pictures SELECT id, CAST(? AS INTEGER), CAST(? AS INTEGER), ?, ? "
            "FROM documents WHERE path = ?",
            [
                (picture.start, picture.page, embedder, vector.astype("<f4").tobytes(), path)
                for picture, vector in zip(pictures, vectors, strict=True)
            ],
        )

    def count(self, embedder: str) -> int:
        """How many pictures have a vector of this embedder."""
        return int(
            self._db.execute(
                "SELECT count(*) FROM pictures WHERE embedder = ?", (embedder,)
            ).fetchone()[0]
        )

    def search(
        self, query: Vectors, k: int, embedder: str, among: Among | None = None
    ) -> list[Match]:
        """The chunks that hold the k pictures most like a query [d], by cosine, best first, each
        chunk once."""
        rows = self._db.execute(
            "SELECT c.key, p.vector FROM pictures p JOIN chunks c "
            "ON c.document = p.document AND c.start <= p.start AND p.start < c.end WHERE "
            "p.embedder = ?",
            (embedder,),
        ).fetchall()
        if not rows:
            return []
        keys = np.array([row[0] for row in rows], np.int64)
        scores = np.stack([np.frombuffer(row[1], "<f4") for row in rows]) @ query
        allowed = among.holds(keys) if among is not None else np.ones(len(keys), np.bool_)
        best: dict[int, float] = {}
        for at in np.lexsort((keys, -scores)):
            if allowed[at]:
                best.setdefault(int(keys[at]), float(scores[at]))
            if len(best) == k:
                break
        return [Match(key, score) for key, score in best.items()]
