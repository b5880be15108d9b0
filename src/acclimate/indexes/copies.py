"""The part of the record that tells which passages and documents are the same, and how old
documents are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from acclimate.indexes.same import Sketch, sketch_of
from acclimate.indexes.sql import SqlDatabase
from acclimate.indexes.versions import HEAD, Dated
from acclimate.text.folding import matched

Key = TypeVar("Key")


class CopyTable:
    """Looks for copies in the record's database `db`; what it writes is in a transaction."""

    def __init__(self, db: SqlDatabase) -> None:
        self._db = db

    def holding(self, same: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
        """(chunk key, document path) of all chunks with these keys of `same_key`, ascending."""
        found: dict[int, list[tuple[int, str]]] = {key: [] for key in same}
        for batch in batches(list(found)):
            marks = ",".join("?" * len(batch))
            for key, chunk, path in self._db.execute(
                "SELECT c.same, c.key, d.path FROM chunks c JOIN documents d ON d.id = "
                "c.document "
                f"WHERE c.same IN ({marks}) ORDER BY c.key",
                batch,
            ):
                found[key].append((chunk, path))
        return found

    def sketches(self, paths: Sequence[str] | None = None) -> dict[str, Sketch]:
        """The signatures (`acclimate.indexes.same`) of these documents that have one; None: of all,
        made if need be."""
        missing = self._db.execute("SELECT id, text FROM documents WHERE sketch IS NULL").fetchall()
        if missing and paths is None:
            with self._db.transaction():
                for number, text in missing:
                    content = sketch_of(text).astype("<u4").tobytes()
                    self._db.execute(
                        "UPDATE documents SET sketch = ? WHERE id = ?", (content, number)
                    )
        asked = "SELECT path, sketch FROM documents WHERE sketch IS NOT NULL"
        if paths is None:
            rows = self._db.execute(asked).fetchall()
        else:
            rows = []
            for batch in batches(paths):
                marks = ",".join("?" * len(batch))
                rows += self._db.execute(f"{asked} AND path IN ({marks})", batch).fetchall()
        return {path: np.frombuffer(content, "<u4").astype(np.uint32) for path, content in rows}

    def dated(self, paths: Sequence[str]) -> dict[str, Dated]:
        """What may tell the age of these documents."""
        found: dict[str, Dated] = {}
        for batch in batches(paths):
            marks = ",".join("?" * len(batch))
            for path, title, metadata, head in self._db.execute(
                f"SELECT path, title, metadata, substr(text, 1, {HEAD}) FROM documents WHERE path "
                f"IN ({marks})",
                batch,
            ):
                values = {matched(key): str(value) for key, value in json.loads(metadata).items()}
                found[path] = Dated(path, title, values, head)
        return found

    def metadata(self, paths: Sequence[str]) -> dict[str, dict[str, str]]:
        """What these documents say about themselves, by path."""
        found: dict[str, dict[str, str]] = {}
        for batch in batches(paths):
            marks = ",".join("?" * len(batch))
            rows = self._db.execute(
                f"SELECT path, metadata FROM documents WHERE path IN ({marks})", batch
            )
            found |= {path: json.loads(metadata) for path, metadata in rows}
        return found


def batches(keys: Sequence[Key], size: int = 500) -> Iterator[Sequence[Key]]:
    """Keys in groups that one statement takes."""
    return (keys[start : start + size] for start in range(0, len(keys), size))
