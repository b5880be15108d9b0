"""Libraries that may be read but not written: a read-only mount, or another user's folder."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from acclimate.errors import LibraryError


def can_write(place: Path) -> bool:
    """Whether this process may write to a file or folder that is there."""
    effective = os.access in os.supports_effective_ids
    return os.access(place, os.W_OK, effective_ids=effective)


def is_read_only(database: Path) -> bool:
    """Whether a database that is there cannot be opened for writing: SQLite also makes files beside
    it."""
    return database.exists() and not (can_write(database) and can_write(database.parent))


def refusal(file: Path, what: str = "") -> LibraryError:
    """The error for a change of what cannot be written."""
    return LibraryError(
        f"{file} cannot be written: it, or its folder, is read-only here{what}.",
        hint="Run the command where it can be written, or copy the project.",
    )


def connect_read_only(database: Path) -> sqlite3.Connection:
    """A connection to the database `database` that changes no file.

    SQLite wants to write to a file beside the database even for reading, where it was opened for
    writing ahead (WAL). What a writer left there, because it lives or was killed, is read with it;
    without any, the database is told to be immutable. Raises LibraryError where what was left
    cannot be read without writing.
    """
    ahead = database.with_name(f"{database.name}-wal")
    left = ahead.exists() and (
        ahead.stat().st_size > 0 or database.with_name(f"{database.name}-shm").exists()
    )
    how = "mode=ro" if left else "mode=ro&immutable=1"
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(database.absolute()))}?{how}",
        uri=True,
        timeout=30,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if not left:
            raise
        raise refusal(
            database, f", and {ahead.name} holds changes that are not in it yet"
        ) from error
    return connection
