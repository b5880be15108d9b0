"""The record's tables, and connections to them.

A chunk's text is stored beside its offsets although the document holds it too: reading 4 hits of a 5 MB document takes
0.04 ms so and 13 ms by slicing the document's text in SQLite. `Library.check` compares the two.

Vectors are kept by the hash of the text that was embedded, not by chunk: a file that was moved or touched, or a passage
that survives an edit, is never embedded twice; and those of a next embedder can be gathered beside the current ones.
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

from acclimate.errors import LibraryError
from acclimate.indexes.faults import storage_errors

VERSION = 1
_BUSY_S = 10.0
_PAGE_BYTES = 8192  # five 384-dimensional float32 vectors a page; in pages of 4096 two, and a quarter stays empty

# Large columns come last: a row's leading columns are read without its overflow pages.
_TABLES = """
CREATE TABLE embedders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    dimensions INTEGER NOT NULL);
CREATE TABLE library (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    uuid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    embedder INTEGER REFERENCES embedders (id),
    unswept INTEGER NOT NULL);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    metadata TEXT NOT NULL,
    page_starts TEXT NOT NULL,
    elements TEXT NOT NULL,
    text TEXT NOT NULL);
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    id TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    page INTEGER,
    headings TEXT NOT NULL,
    text TEXT NOT NULL);
CREATE INDEX chunks_by_document ON chunks (document);
CREATE INDEX chunks_by_hash ON chunks (hash);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY,
    embedder INTEGER NOT NULL REFERENCES embedders (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (embedder, hash));
CREATE TABLE generations (generation INTEGER PRIMARY KEY, last_key INTEGER NOT NULL);
CREATE TABLE removed (key INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE TABLE failures (path TEXT PRIMARY KEY, reason TEXT NOT NULL);
"""


def connect(file: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any thread; makes file and tables where there are none.

    Raises LibraryError where the file is damaged, is another program's, or was written by a newer Acclimate.
    """
    with storage_errors(file):
        connection = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, file)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    version = _version(connection)
    if version > VERSION:
        raise LibraryError(
            f"{file} has format {version}; this Acclimate reads up to {VERSION}.",
            hint="pip install --upgrade acclimate",
        )
    # WAL lets readers go on during a write; FULL makes a commit survive a power cut; secure_delete overwrites what
    # was removed, so that a deleted document's text does not linger in free pages.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    if version < VERSION:
        _create(connection, file)


def _create(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == 0:  # else another process was faster
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise LibraryError(f"{file} is a database of another program.", hint="Move it away.")
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO library VALUES (1, ?, 0, NULL, 0)", (uuid.uuid4().hex,))
            connection.execute("INSERT INTO generations VALUES (0, 0)")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
