"""A record copied from one database into another, row by row, and compared.

A copy that was interrupted goes on after the last document that it holds. Keys, generation and id
stay, so that indexes of the one are those of the other; that is safe because a record that was
moved says so, and opens no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from acclimate.errors import LibraryError
from acclimate.indexes.sql import SqlDatabase

_DOCUMENTS = 50  # in one transaction
_OWN = ("format", "moving", "moved", "run")  # facts about a database, not about the record
_COLUMNS = {
    "documents": "id, path, sha256, size, mtime_ns, chunker, title, media_type, text, elements, "
    "page_starts, metadata, sketch",
    "chunks": 'key, document, id, hash, start, "end", text, headings, page, header, parent_start, '
    "parent_end, breaks, context, same",
    "vectors": "key, embedder, vector, windows",
    "pictures": "document, start, page, embedder, vector",
}
# The rows of each table that belong to the documents from one id to another.
_OF_DOCUMENTS = {
    "documents": "id BETWEEN ? AND ? ORDER BY id",
    "chunks": "document BETWEEN ? AND ? ORDER BY key",
    "vectors": "key IN (SELECT key FROM chunks WHERE document BETWEEN ? AND ?) "
    "ORDER BY key, embedder",
    "pictures": "document BETWEEN ? AND ? ORDER BY document, start, page, embedder",
}

OnDocuments = Callable[[int, int], None]
"""Hears how many documents of how many are there."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A record that was copied; `sha256` is of all its rows, and the same in both databases."""

    documents: int
    chunks: int
    vectors: int
    sha256: str


def move(source: SqlDatabase, target: SqlDatabase, hear: OnDocuments) -> Moved:
    """Copy the record in `source` to `target`, compare them, and mark `source` as moved.

    Raises LibraryError where `target` holds another library, `source` was moved or never filled, or
    the two differ at the end.
    """
    require_whole(source)
    if source.meta("embedder") is None:
        raise LibraryError(
            f"{source.place} holds no library yet.", hint="acclimate ingest makes one."
        )
    moved = copy(source, target, hear)
    with source.transaction():
        source.set_meta("moved", target.place)
    return moved


def copy(source: SqlDatabase, target: SqlDatabase, hear: OnDocuments) -> Moved:
    """Copy the record in `source` to `target`, or what is missing there, and compare them.

    Nothing may write to either meanwhile. Raises LibraryError where `target` holds another library,
    or differs at the end.
    """
    _begin(target, f"{source.meta('id')} {source.meta('generation')}")
    total = _count(source, "documents")
    for first, last in _ranges(source, _last(target)):
        with target.transaction():
            for table in _COLUMNS:
                _copy(source, target, table, first, last)
        hear(_count(target, "documents"), total)
    found, expected = _fingerprint(target), _fingerprint(source)
    if found != expected:
        raise LibraryError(
            f"{target.place} has {found}, and {source.place} has {expected}.",
            hint="Run the same command again with nothing else writing to either.",
        )
    with target.transaction():
        for key, value in source.execute("SELECT key, value FROM meta").fetchall():
            if key not in _OWN:
                target.set_meta(key, value)
        target.set_meta("changes_from", source.meta("generation") or "0")
        target.execute("DELETE FROM changes")
        target.execute("DELETE FROM meta WHERE key IN ('moving', 'moved')")
        target.keys_after_copy()
    return found


def require_whole(database: SqlDatabase) -> None:
    """Raises LibraryError for a record that was moved elsewhere, or to which a move is under way."""
    if place := database.meta("moved"):
        raise LibraryError(
            f"the library in {database.place} was moved to {place}.",
            hint="Set [store] record to where it is now, or move it back: acclimate library move "
            "--to local, or --to postgres",
        )
    if database.meta("moving"):
        raise LibraryError(
            f"a move of the library to {database.place} did not finish.",
            hint="It goes on with the same command: acclimate library move --to local, or --to "
            "postgres",
        )


def _begin(target: SqlDatabase, mark: str) -> None:
    """Take the target for the record of this id and generation, or go on with it."""
    begun = target.meta("moving")
    if begun == mark:
        return
    if not begun and not target.meta("moved") and target.meta("embedder") is not None:
        raise LibraryError(
            f"{target.place} holds another library.",
            hint="Give it another name: [store] library; or move the file away.",
        )
    with target.transaction():
        for table in ("vectors", "pictures", "chunks", "documents", "changes"):
            target.execute(f"DELETE FROM {table}")
        target.set_meta("moving", mark)


def _copy(source: SqlDatabase, target: SqlDatabase, table: str, first: int, last: int) -> None:
    columns = _COLUMNS[table]
    marks = ", ".join("?" * len(columns.split(", ")))
    rows = source.execute(
        f"SELECT {columns} FROM {table} WHERE {_OF_DOCUMENTS[table]}", (first, last)
    ).fetchall()
    if rows:
        target.execute_many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def _ranges(database: SqlDatabase, after: int) -> Iterator[tuple[int, int]]:
    """First and last id of some documents each, ascending, after an id."""
    while True:
        asked = "SELECT id FROM documents WHERE id > ? ORDER BY id LIMIT ?"
        ids = [row[0] for row in database.execute(asked, (after, _DOCUMENTS)).fetchall()]
        if not ids:
            return
        after = ids[-1]
        yield ids[0], after


def _last(database: SqlDatabase) -> int:
    return int(database.execute("SELECT max(id) FROM documents").fetchone()[0] or 0)


def _count(database: SqlDatabase, table: str) -> int:
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _fingerprint(database: SqlDatabase) -> Moved:
    """The numbers of rows, and the SHA-256 of all of them in the order of their keys."""
    digest = hashlib.sha256()
    for first, last in _ranges(database, 0):
        for table, columns in _COLUMNS.items():
            asked = f"SELECT {columns} FROM {table} WHERE {_OF_DOCUMENTS[table]}"
            for row in database.execute(asked, (first, last)):
                _add(digest, row)
    counts = [_count(database, table) for table in ("documents", "chunks", "vectors")]
    return Moved(counts[0], counts[1], counts[2], digest.hexdigest())


def _add(digest: Any, row: tuple[Any, ...]) -> None:
    """Add a row, each value with its kind and length, so that no two rows look alike."""
    for value in row:
        content = value if isinstance(value, bytes) else str(value).encode()
        digest.update(f"{type(value).__name__} {len(content)} ".encode())
        digest.update(content)
