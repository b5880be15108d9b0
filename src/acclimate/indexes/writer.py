"""Writing to the record. Each transaction leaves every document complete or absent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from acclimate.indexes.base import Vectors
from acclimate.indexes.faults import storage_errors
from acclimate.indexes.rows import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    FileState,
    chunk_from,
    document_row,
    embedding_text,
    hash_text,
    headings_json,
)
from acclimate.indexes.schema import connect
from acclimate.types import Chunk, Document

_BATCH = 500


class RecordWriter:
    """The one writer of a record; the library's lock sees to it that there is one. Errors are LibraryError."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection = connect(file)
        self._depth = 0
        self._changed = False

    def close(self) -> None:
        """Close the file, after moving what the log holds into it."""
        with storage_errors(self._file):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction is part of the outer one. Counts the generation up where chunks changed."""
        if self._depth:
            yield
            return
        with storage_errors(self._file):
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth, self._changed = 1, False
            try:
                yield
                if self._changed:
                    self._count_up()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk makes SQLite roll back by itself
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def _count_up(self) -> None:
        self._connection.execute("UPDATE library SET generation = generation + 1, unswept = 1")
        self._connection.execute(
            "INSERT INTO generations SELECT generation, "
            "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'chunks'), 0) FROM library"
        )

    # Vectors

    def embedder_id(self, fingerprint: str, dimensions: int) -> int:
        """The number of an embedder in this record."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR IGNORE INTO embedders (fingerprint, dimensions) VALUES (?, ?)", (fingerprint, dimensions)
            )
        row = self._connection.execute("SELECT id FROM embedders WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return int(row[0])

    def active_embedder(self) -> int | None:
        """The embedder whose vectors are searched; None before the first ingest, and where there is no chunk."""
        row = self._connection.execute(
            "SELECT embedder FROM library WHERE EXISTS (SELECT 1 FROM chunks)"
        ).fetchone()
        return row[0] if row else None

    def activate(self, embedder: int) -> None:
        """Search the vectors of `embedder` from this transaction on."""
        with self.transaction():
            done = self._connection.execute("UPDATE library SET embedder = ?1 WHERE embedder IS NOT ?1", (embedder,))
            self._changed |= done.rowcount > 0

    def known(self, embedder: int, hashes: Sequence[bytes]) -> set[bytes]:
        """Those of `hashes` that have a vector."""
        found: set[bytes] = set()
        for start in range(0, len(hashes), _BATCH):
            batch = hashes[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            sql = f"SELECT hash FROM vectors WHERE embedder = ? AND hash IN ({marks})"  # noqa: S608 - marks only
            found.update(row[0] for row in self._connection.execute(sql, (embedder, *batch)))
        return found

    def put_vectors(self, embedder: int, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Keep [n, d] `vectors` for n text hashes."""
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        with self.transaction():
            self._connection.execute("UPDATE library SET unswept = 1")
            self._connection.executemany(
                "INSERT OR IGNORE INTO vectors (embedder, hash, vector) VALUES (?, ?, ?)",
                ((embedder, key, row.tobytes()) for key, row in zip(hashes, rows, strict=True)),
            )

    def lacking(self, embedder: int, without: set[str]) -> Iterator[tuple[bytes, str]]:
        """(hash, embedding text) of each chunk without a vector of `embedder`, less those of the paths `without`."""
        sql = (
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document WHERE c.key > ? AND NOT EXISTS "  # noqa: S608
            "(SELECT 1 FROM vectors v WHERE v.embedder = ? AND v.hash = c.hash) ORDER BY c.key LIMIT ?"
        )
        last = 0
        while rows := self._connection.execute(sql, (last, embedder, _BATCH)).fetchall():
            for row in rows:
                last, chunk = chunk_from(row)
                if chunk.document not in without:
                    text = embedding_text(chunk)
                    yield hash_text(text), text

    # Documents

    def states(self) -> dict[str, FileState]:
        """Path to what is known of its file, for each document."""
        rows = self._connection.execute("SELECT path, sha256, size, mtime_ns, made_by FROM documents")
        return {row[0]: FileState(*row) for row in rows}

    def put_document(
        self, document: Document, state: FileState, chunks: Sequence[Chunk], hashes: Sequence[bytes]
    ) -> None:
        """Replace whatever is at `document.path`; `hashes` are of the chunks' embedding texts, which have vectors."""
        with self.transaction():
            self.remove_document(document.path)
            self._connection.execute(
                f"INSERT INTO documents ({DOCUMENT_COLUMNS}, size, mtime_ns, made_by) VALUES ({','.join('?' * 11)})",  # noqa: S608
                (*document_row(document), state.size, state.mtime_ns, state.made_by),
            )
            number = self._connection.execute("SELECT id FROM documents WHERE path = ?", (document.path,)).fetchone()[0]
            self._connection.executemany(
                'INSERT INTO chunks (document, id, hash, start, "end", page, headings, text) VALUES (?,?,?,?,?,?,?,?)',
                (
                    (number, chunk.id, key, chunk.start, chunk.end, chunk.page, headings_json(chunk), chunk.text)
                    for chunk, key in zip(chunks, hashes, strict=True)
                ),
            )
            self._changed |= bool(chunks)

    def remove_document(self, path: str) -> None:
        """Remove a document with its chunks; nothing happens where there is none."""
        with self.transaction():
            chunks = "FROM chunks WHERE document = (SELECT id FROM documents WHERE path = ?)"
            logged = self._connection.execute(
                f"INSERT INTO removed SELECT key, (SELECT generation + 1 FROM library) {chunks}", (path,)  # noqa: S608
            )
            self._changed |= logged.rowcount > 0
            self._connection.execute("DELETE FROM documents WHERE path = ?", (path,))

    def touch(self, state: FileState) -> None:
        """Note a new size and time of a file whose bytes are the same."""
        with self.transaction():
            self._connection.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE path = ?", (state.size, state.mtime_ns, state.path)
            )

    def put_failures(self, failures: Mapping[str, str]) -> None:
        """Replace the list of files that could not be read: path to reason."""
        if dict(self._connection.execute("SELECT path, reason FROM failures")) == dict(failures):
            return
        with self.transaction():
            self._connection.execute("DELETE FROM failures")
            self._connection.executemany("INSERT INTO failures VALUES (?, ?)", failures.items())

    # Housekeeping

    def sweep(self) -> None:
        """Remove vectors that no chunk needs, and those of every embedder but the active one."""
        if not self._connection.execute("SELECT unswept FROM library").fetchone()[0] and not self._changed:
            return
        with self.transaction():
            active = "(SELECT embedder FROM library)"
            self._connection.execute(f"DELETE FROM vectors WHERE embedder IS NOT {active}")  # noqa: S608
            self._connection.execute("DELETE FROM vectors WHERE hash NOT IN (SELECT hash FROM chunks)")
            self._connection.execute(f"DELETE FROM embedders WHERE id IS NOT {active}")  # noqa: S608
            self._connection.execute("UPDATE library SET unswept = 0")

    def forget_changes(self, before: int) -> None:
        """Drop the log of changes up to generation `before`, which every index holds."""
        with self.transaction():
            self._connection.execute("DELETE FROM removed WHERE generation <= ?", (before,))
            self._connection.execute("DELETE FROM generations WHERE generation < ?", (before,))

    def run(self, sql: str) -> sqlite3.Cursor:
        """Any other statement."""
        with storage_errors(self._file):
            return self._connection.execute(sql)
