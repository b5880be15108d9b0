"""What the record asks of the database below it; one dialect of SQL serves SQLite and PostgreSQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any:
        """The next row; None after the last."""

    def fetchall(self) -> list[Any]:
        """All further rows."""

    def __iter__(self) -> Iterator[Any]:
        """All further rows, one by one."""


class SqlDatabase(ABC):
    """A database with the tables of the record. Statements mark values by `?`, quote `"end"`, and
    use what both SQLite and PostgreSQL know.

    Raises LibraryError where the database cannot be reached, or is damaged or full. Usable from one
    thread at a time.
    """

    place: str  # how messages name it
    read_only = False

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run a statement: within the transaction that is open, else durable by itself."""

    @abstractmethod
    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: what is written inside becomes visible and durable at the end, or not at
        all. One writer at a time; others wait."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """What is read inside is of one moment; nothing is written."""

    @abstractmethod
    def lock(
        self, name: str, *, shared: bool = False, wait: bool = False
    ) -> AbstractContextManager[bool]:
        """Hold a lock among all processes that use this database, on any machine, and tell whether
        it was to be had. It goes with the process, whatever ends it."""

    @abstractmethod
    def damage(self) -> list[str]:
        """What the database itself finds wrong with what it stores, for people."""

    @abstractmethod
    def forget_changes(self, generation: int) -> None:
        """Drop the log of changes up to `generation`, as far as no index can need it."""

    @abstractmethod
    def keys_after_copy(self) -> None:
        """Let new rows begin after the keys that were copied."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""

    def meta(self, key: str) -> str | None:
        """A fact about the whole record; None where it is not known."""
        row = self.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Note a fact about the whole record."""
        self.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
