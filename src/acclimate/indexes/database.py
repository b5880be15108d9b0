"""The SQLite file below the record: opened, upgraded, written in transactions, its errors
translated into ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acclimate.errors import LibraryError
from acclimate.indexes.readonly import connect_read_only, is_read_only, refusal
from acclimate.indexes.same import same_text
from acclimate.indexes.schema import PICTURES, SCHEMA, UPGRADES, VERSION, statements
from acclimate.indexes.sql import Rows, SqlDatabase


class Database(SqlDatabase):
    """The SQLite file at `file`, made where it is missing, over one `connection`; `read_only` where
    it cannot be written.

    Raises LibraryError where the file is damaged, in use, on a full disk, or made by a newer
    version; or by an older version where it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.place, self.read_only = file, str(file), is_read_only(file)
        with self._translated():
            version = self._open_read_only() if self.read_only else self._open()
        if version > VERSION:
            raise LibraryError(
                f"{file} has the format {version}; this Acclimate knows {VERSION}.",
                hint="pip install --upgrade acclimate",
            )

    def _open_read_only(self) -> int:
        """The version of its format, opened."""
        self.connection = connect_read_only(self.file)
        version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
        if version < VERSION:
            self.connection.close()
            raise refusal(self.file, f", and its format {version} must become {VERSION} first")
        return version

    def _open(self) -> int:
        """The version of its format before it was upgraded, opened."""
        file = self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(
            file, timeout=30, isolation_level=None, check_same_thread=False
        )
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.create_function("same_text", 4, same_text, deterministic=True)
        with self.transaction():
            version = int(self.connection.execute("PRAGMA user_version").fetchone()[0])
            for statement in statements(SCHEMA) if version == 0 else []:
                self.connection.execute(statement)
            for older in range(version, VERSION) if version else []:
                for statement in statements(UPGRADES[older]):
                    self.connection.execute(statement)
            if version < VERSION:
                self.connection.execute(f"PRAGMA user_version = {VERSION}")
            for statement in PICTURES:
                self.connection.execute(statement)
        return version

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """See `SqlDatabase`."""
        return self.connection.execute(statement, values)

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """See `SqlDatabase`."""
        self.connection.executemany(statement, rows)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is written inside becomes visible and durable at the end, or not at
        all."""
        if self.read_only:
            raise refusal(self.file)
        with self._translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self.connection.in_transaction:  # a full disk has rolled back already
                    self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `SqlDatabase`. In WAL a reader sees the file as it was when it began."""
        with self._translated():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("COMMIT")

    @contextmanager
    def lock(self, name: str, *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
        """Always to be had: a library in a file is locked by the files beside it."""
        yield True

    def damage(self) -> list[str]:
        """See `SqlDatabase`."""
        return [row[0] for row in self.execute("PRAGMA integrity_check") if row[0] != "ok"]

    def keys_after_copy(self) -> None:
        """Nothing: SQLite looks at the highest key."""

    def forget_changes(self, generation: int) -> None:
        """All of them: every index of the file holds them."""
        with self.transaction():
            self.set_meta("changes_from", str(generation))
            self.execute("DELETE FROM changes")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                raise LibraryError(
                    f"{self.file} is in use by another ingest.",
                    hint="Wait for it, then run again.",
                    retryable=True,
                ) from error
            if "full" in text or "disk I/O" in text:
                raise LibraryError(
                    f"{self.file} cannot grow: {text}.",
                    hint="Free disk space and run again; nothing is lost.",
                    retryable=True,
                ) from error
            raise LibraryError(f"{self.file}: {text}.", hint="acclimate doctor") from error
        except sqlite3.DatabaseError as error:
            raise LibraryError(
                f"{self.file} is damaged: {error}.",
                hint=f"Move {self.file} away and run: acclimate ingest",
            ) from error
