"""Turns what the storage below says into errors that name the repair."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acclimate.errors import LibraryError

REPAIR = "acclimate doctor --repair"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ROOM_HINT = "Free some space and run `acclimate ingest` again: what was committed is kept, nothing is lost."


@contextmanager
def storage_errors(file: Path) -> Iterator[None]:
    """Raise what SQLite and the file system report below as LibraryError about `file`."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise LibraryError(f"{file}: the record refused a row: {error}.", hint=REPAIR) from error
    except sqlite3.Error as error:
        raise _from_sqlite(file, error) from error
    except OSError as error:
        if error.errno in _FULL:
            raise LibraryError(f"no room left to write {file}: {error.strerror}.", hint=_NO_ROOM_HINT) from error
        raise LibraryError(f"cannot use {file}: {error}.", hint="Check the folder's owner and permissions.") from error


def _from_sqlite(file: Path, error: sqlite3.Error) -> LibraryError:
    # The low byte is the primary code; the rest says where in the file system it happened (sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return LibraryError(f"could not write {file}: {error}.", hint=_NO_ROOM_HINT)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LibraryError(f"{file} is in use by another process.", hint="Try again.", retryable=True)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return LibraryError(
                f"{file} is damaged: {error}.",
                hint=f"Restore it from a backup, or delete {file.parent} and run `acclimate ingest` to build it anew.",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return LibraryError(f"cannot open {file}: {error}.", hint="Check the folder's owner and permissions.")
        case _:
            return LibraryError(f"{file}: {error}.", hint=REPAIR)
