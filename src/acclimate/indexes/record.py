"""The record: what a library holds, in one SQLite file. Reading; `writer.py` writes.

This module knows no files of the user, no models and no indexes. A `Record` may hold a snapshot: then it sees one
generation until it is refreshed, whatever another process commits meanwhile.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.errors import LibraryError
from acclimate.indexes.base import Change, Vectors
from acclimate.indexes.faults import REPAIR, storage_errors
from acclimate.indexes.rows import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    Counts,
    DocumentInfo,
    FileState,
    chunk_from,
    document_from,
)
from acclimate.indexes.schema import connect
from acclimate.types import Chunk, Document

_BATCH = 500  # rows per query: well under SQLite's limit of 32,766 parameters, and a lock is never held for long
_CHUNKS = f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document"  # noqa: S608 - a constant
_VECTORS = (
    "SELECT c.key, v.vector FROM chunks c "
    "JOIN vectors v ON v.hash = c.hash AND v.embedder = (SELECT embedder FROM library) "
)


class Record:
    """Documents, chunks and vectors. Safe to use from several threads. Errors are LibraryError."""

    def __init__(self, file: Path) -> None:
        """Open `file`; it is made where it does not exist."""
        self.file = file
        self._connection = connect(file)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        with self._lock:
            self._connection.close()

    def hold(self) -> None:
        """Look at what is committed now, and go on seeing exactly that until `hold` or `release`."""
        self.release()
        with self._lock, storage_errors(self.file):
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT generation FROM library").fetchone()

    def release(self) -> None:
        """Let go of the snapshot: see each commit as it comes."""
        with self._lock, storage_errors(self.file):
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        with self._lock, storage_errors(self.file):
            return self._connection.execute(sql, values).fetchall()

    @property
    def uuid(self) -> str:
        """Identifies this record among all: two with equal generations need not hold the same."""
        return str(self.query("SELECT uuid FROM library")[0][0])

    @property
    def generation(self) -> int:
        """Counts the transactions that changed what there is to search."""
        return int(self.query("SELECT generation FROM library")[0][0])

    @property
    def embedder(self) -> tuple[str, int] | None:
        """Fingerprint and dimensions of the vectors in use; None where nothing was ingested yet."""
        rows = self.query("SELECT fingerprint, dimensions FROM embedders WHERE id = (SELECT embedder FROM library)")
        return (rows[0][0], rows[0][1]) if rows else None

    def counts(self) -> Counts:
        """How much there is."""
        tables = ("documents", "chunks", "vectors", "failures")
        return Counts(*self.query("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables))[0])  # noqa: S608

    def states(self) -> dict[str, FileState]:
        """Path to what is known of its file, for each document."""
        return {row[0]: FileState(*row) for row in self.query("SELECT path, sha256, size, mtime_ns, made_by FROM documents")}

    def failures(self) -> dict[str, str]:
        """Path to reason, for each file that the last ingest could not read."""
        return dict(self.query("SELECT path, reason FROM failures ORDER BY path"))

    def documents(self) -> list[DocumentInfo]:
        """All documents by path, without their text."""
        rows = self.query(
            "SELECT path, title, media_type, sha256, size, length(text), json_array_length(page_starts), "
            "(SELECT count(*) FROM chunks WHERE document = documents.id) FROM documents ORDER BY path"
        )
        return [DocumentInfo(*row) for row in rows]

    def document(self, path: str) -> Document:
        """The document at `path`. Raises LibraryError where there is none."""
        rows = self.query(f"SELECT {DOCUMENT_COLUMNS} FROM documents WHERE path = ?", (path,))  # noqa: S608
        if not rows:
            raise LibraryError(f"the library holds no document '{path}'.", hint="acclimate ingest")
        return document_from(rows[0])

    def chunks_of(self, path: str) -> list[Chunk]:
        """The chunks of one document in reading order; [] where there is no such document."""
        return [chunk_from(row)[1] for row in self.query(f"{_CHUNKS} WHERE d.path = ? ORDER BY c.key", (path,))]

    def chunks(self, keys: Sequence[int]) -> list[Chunk]:
        """Chunks in the order of `keys`. Raises LibraryError where one is gone."""
        found: dict[int, Chunk] = {}
        for start in range(0, len(keys), _BATCH):
            batch = [int(key) for key in keys[start : start + _BATCH]]
            marks = ",".join("?" * len(batch))
            found.update(chunk_from(row) for row in self.query(f"{_CHUNKS} WHERE c.key IN ({marks})", batch))
        try:
            return [found[int(key)] for key in keys]
        except KeyError as error:
            raise LibraryError(
                f"chunk {error.args[0]} is no longer in {self.file}: an ingest replaced it.", hint="Ask again.", retryable=True
            ) from error

    def changes_since(self, generation: int) -> Change | None:
        """What an index of `generation` lacks; None where the log does not reach back that far."""
        now = self.generation
        rows = self.query("SELECT last_key FROM generations WHERE generation = ?", (generation,))
        if not rows:
            return None
        last_key = rows[0][0]
        removed = self.query(
            "SELECT key FROM removed WHERE generation > ? AND key <= ? ORDER BY key", (generation, last_key)
        )
        added = self.query("SELECT key FROM chunks WHERE key > ? ORDER BY key", (last_key,))
        return Change([row[0] for row in removed], [row[0] for row in added], now)

    def everything(self) -> Change:
        """What an empty index lacks."""
        return Change((), [row[0] for row in self.query("SELECT key FROM chunks ORDER BY key")], self.generation)

    def each_chunk(self, keys: Sequence[int]) -> Iterator[tuple[int, Chunk]]:
        """(key, chunk) for ascending `keys` as a `Change` gives them."""
        for row in self._each(f"{_CHUNKS} WHERE c.key BETWEEN ? AND ? ORDER BY c.key", keys):
            yield chunk_from(row)

    def each_vector(self, keys: Sequence[int]) -> Iterator[tuple[int, Vectors]]:
        """(key, [d]) for ascending `keys` as a `Change` gives them."""
        for key, blob in self._each(f"{_VECTORS} WHERE c.key BETWEEN ? AND ? ORDER BY c.key", keys):
            yield key, np.frombuffer(blob, np.float32)

    def _each(self, sql: str, keys: Sequence[int]) -> Iterator[Any]:
        # `keys` are all that exist from the first to the last, so a range finds them, in order, without a lookup each.
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            rows = self.query(sql, (batch[0], batch[-1]))
            if len(rows) != len(batch):
                raise LibraryError(
                    f"{self.file}: {len(batch)} rows expected from key {batch[0]} to {batch[-1]}, {len(rows)} found.",
                    hint=REPAIR,
                )
            yield from rows
