"""The record's tables in PostgreSQL: one schema for each library, for any number of processes on
any number of machines.

Writers commit one after another, in the order of the generations: each locks the row that counts
them, for as long as it writes. Files are read and embedded outside of that.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from acclimate.errors import LibraryError, MissingExtraError
from acclimate.indexes.bm25 import ANALYSIS
from acclimate.indexes.postgres_schema import SCHEMA
from acclimate.indexes.schema import EMBEDDED_FORM, VERSION
from acclimate.indexes.sql import Rows, SqlDatabase

if TYPE_CHECKING:
    from psycopg import Connection

# Indexes of other machines may be behind by so many changed chunks without being built anew.
_CHANGES_KEPT = 1_000_000
# What a machine that lost its power or network held is free again after a minute, not two hours;
# also what a process holds that was stopped in the middle of a transaction.
_SESSION = (
    "SET search_path TO {schema}",
    "SET client_encoding TO 'UTF8'",
    "SET tcp_keepalives_idle TO 20",
    "SET tcp_keepalives_interval TO 10",
    "SET tcp_keepalives_count TO 4",
    "SET idle_in_transaction_session_timeout TO '60s'",
    "SET synchronous_commit TO on",
)
# An index, or an answer, may take long between two reads.
_SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
    "SET LOCAL idle_in_transaction_session_timeout TO 0"
)


class PostgresDatabase(SqlDatabase):
    """The library `schema` in the database at `url`, made where it is missing.

    Raises MissingExtraError without the extra postgres, and LibraryError where the server does not
    answer or refuses, or the library was made by a newer version.
    """

    def __init__(self, url: str, schema: str, password: str | None = None) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtraError("a record in PostgreSQL", "postgres") from error
        self._errors = psycopg.Error, psycopg.OperationalError
        self._url, self.schema, self._password = url, schema, password
        self.place = f"the PostgreSQL library {schema}"
        self._inside = False
        with self._translated():
            self._connection = self._connect()
        try:
            with self._translated():
                self._make()
            if (version := int(self.meta("format") or 0)) != VERSION:
                raise LibraryError(
                    f"{self.place} has the format {version}; this Acclimate knows {VERSION}.",
                    hint="Use the version of Acclimate that made it.",
                )
        except BaseException:
            self.close()
            raise

    def another(self) -> PostgresDatabase:
        """The same library over a connection of its own, for another thread."""
        return PostgresDatabase(self._url, self.schema, self._password)

    def _connect(self) -> Connection[Any]:
        import psycopg
        from psycopg.sql import SQL, Identifier

        given: dict[str, Any] = {"password": self._password} if self._password else {}
        connection: Connection[Any] = psycopg.connect(
            self._url, autocommit=True, connect_timeout=10, **given
        )
        for statement in _SESSION:
            connection.execute(SQL(statement).format(schema=Identifier(self.schema)))
        return connection

    def _make(self) -> None:
        from psycopg.sql import SQL, Identifier

        known = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'meta'"
        if self._connection.execute(known, (self.schema,)).fetchone():
            return
        with self._connection.transaction():
            # Two processes that open an empty database at once must not both make the tables.
            self._connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self.schema,))
            if self._connection.execute(known, (self.schema,)).fetchone():
                return
            made = SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(self.schema))
            self._connection.execute(made)
            self._connection.execute(SCHEMA)
            facts = {
                "format": str(VERSION),
                "generation": "0",
                "id": secrets.token_hex(8),
                "language": f"english {ANALYSIS}",
                "embedded_form": EMBEDDED_FORM,
            }
            for key, value in facts.items():
                self._connection.execute("INSERT INTO meta VALUES (%s, %s)", (key, value))

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """See `SqlDatabase`. A connection that was lost between statements is made again."""
        made = _marked(statement)
        with self._translated():
            try:
                return self._connection.execute(made, values)
            except self._errors[1]:
                if self._inside or not self._connection.broken:
                    raise
                self._connection = self._connect()
                return self._connection.execute(made, values)

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """See `SqlDatabase`."""
        with self._translated(), self._connection.cursor() as cursor:
            cursor.executemany(_marked(statement), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `SqlDatabase`."""
        self.execute("SELECT 1")  # a lost connection is made again here, not inside
        with self._translated(), self._connection.transaction():
            self._inside = True
            try:
                self.execute("SELECT value FROM meta WHERE key = 'generation' FOR UPDATE")
                yield
            finally:
                self._inside = False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `SqlDatabase`."""
        self.execute("SELECT 1")
        with self._translated(), self._connection.transaction():
            self._inside = True
            try:
                self._connection.execute(_SNAPSHOT)
                yield
            finally:
                self._inside = False

    @contextmanager
    def lock(self, name: str, *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
        """See `SqlDatabase`; the lock is a connection's own, which ends it."""
        with self._translated():
            connection = self._connect()
        try:
            with self._translated():
                call = f"pg_{'' if wait else 'try_'}advisory_lock{'_shared' if shared else ''}"
                got = connection.execute(
                    f"SELECT {call}(hashtext(%s), hashtext(%s))",
                    (self.schema, name),
                ).fetchone()
            yield wait or bool(got and got[0])
        finally:
            connection.close()

    def damage(self) -> list[str]:
        """None: PostgreSQL keeps checksums of its own."""
        return []

    def keys_after_copy(self) -> None:
        """See `SqlDatabase`."""
        for table, key in (("documents", "id"), ("chunks", "key")):
            self.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), "
                f"(SELECT coalesce(max({key}), 0) + 1 FROM {table}), false)"
            )

    def forget_changes(self, generation: int) -> None:
        """Keeps the last million, for the indexes of other machines."""
        old = self.execute(
            "SELECT generation FROM changes WHERE rowid <= (SELECT max(rowid) FROM changes) - ? "
            "ORDER BY rowid DESC LIMIT 1",
            (2 * _CHANGES_KEPT,),
        ).fetchone()
        if old is None:
            return
        with self.transaction():
            row = self.execute(
                "SELECT max(generation) FROM changes WHERE rowid <= (SELECT max(rowid) FROM "
                "changes) - ?",
                (_CHANGES_KEPT,),
            ).fetchone()
            kept_from = min(int(row[0] or 0), generation)
            self.set_meta("changes_from", str(kept_from))
            self.execute("DELETE FROM changes WHERE generation <= ?", (kept_from,))

    def close(self) -> None:
        """See `SqlDatabase`."""
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._errors[0] as error:
            raise LibraryError(
                f"{self.place}: {str(error).strip()}.",
                hint="Check [store] record_url (or url) and its key, and that the server runs.",
                retryable=isinstance(error, self._errors[1]),
            ) from error


def _marked(statement: str) -> Any:
    """A statement with PostgreSQL's marks for values."""
    return statement.replace("%", "%%").replace("?", "%s")
