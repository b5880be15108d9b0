"""PostgreSQL: BM25 computed in SQL from stored word counts, and what the vector index beside it
(`postgres_vectors`) shares with it.

Every change of an index and its stamp are one transaction: readers see the state before or after
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from acclimate.errors import LibraryError, MissingExtraError
from acclimate.indexes.base import Change, Match
from acclimate.indexes.bm25 import BOOSTS, K1, B, Statistics, fields
from acclimate.indexes.filters import Among
from acclimate.indexes.words import ENGLISH, Words, together
from acclimate.types import Chunk

if TYPE_CHECKING:
    from psycopg import Connection, Cursor
    from psycopg_pool import ConnectionPool

_STAMPS = "CREATE TABLE IF NOT EXISTS {stamps} (index text PRIMARY KEY, generation bigint NOT NULL, rows bigint)"
_TEXTS: LiteralString = """
CREATE TABLE IF NOT EXISTS {rows} (key bigint PRIMARY KEY, text int NOT NULL, path int NOT NULL);
CREATE TABLE IF NOT EXISTS {words} (word text COLLATE "C", field text COLLATE "C", key bigint, count int, length int,
    PRIMARY KEY (word, field, key) INCLUDE (count, length));
CREATE INDEX IF NOT EXISTS {words_by_key} ON {words} (key)
"""
_BEST: LiteralString = """
SELECT key, sum(asked.weight * count / (count + %(k1)s * (1 - %(b)s + %(b)s * length / asked.average)))::real AS score
FROM unnest(%(words)s::text[], %(fields)s::text[], %(weights)s::float8[], %(averages)s::float8[])
    AS asked (word, field, weight, average)
JOIN {words} USING (word, field) WHERE {condition} GROUP BY key ORDER BY score DESC, key LIMIT %(k)s
"""


class Database:
    """Connections to one database; `name` begins the name of every table. Safe to use from several
    threads."""

    def __init__(self, url: str, name: str, password: str | None = None) -> None:
        try:
            from psycopg_pool import ConnectionPool
        except ImportError as error:
            raise MissingExtraError("a PostgreSQL store", "postgres") from error
        self.name = name
        arguments = {"password": password} if password else {}
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            url,
            kwargs=arguments,
            min_size=1,
            max_size=8,
            open=False,
            timeout=10,
            check=ConnectionPool.check_connection,
        )

    @contextmanager
    def transaction(self, *, autocommit: bool = False) -> Iterator[Cursor[Any]]:
        """One transaction; with `autocommit`, each statement is one. Raises LibraryError where the
        server does not answer or refuses."""
        import psycopg
        from psycopg_pool import PoolTimeout

        try:
            self._pool.open()
            with self._pool.connection() as connection:
                connection.autocommit = autocommit
                try:
                    with connection.cursor() as cursor:
                        yield cursor
                finally:
                    if autocommit and not connection.closed:
                        connection.autocommit = False
        except (psycopg.Error, PoolTimeout) as error:
            raise LibraryError(
                f"the PostgreSQL store: {str(error).strip()}.",
                hint="Check [store] url and key, that the server runs, and that it has the "
                "extension pgvector.",
                retryable=isinstance(error, psycopg.OperationalError),
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class Table:
    """What both indexes share: their tables, made when first needed, and the stamp beside them."""

    def __init__(self, database: Database, kind: LiteralString, tables: LiteralString) -> None:
        self._database, self._kind = database, kind
        with database.transaction() as cursor:
            # Two processes that open an empty database at once must not both make the tables.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (database.name,))
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            for statement in (_STAMPS, *tables.split(";")):
                self._run(cursor, statement)

    def _run(
        self, cursor: Cursor[Any], statement: LiteralString, values: Any = None
    ) -> Cursor[Any]:
        """Run a statement with this index's names of tables filled in."""
        return cursor.execute(self._named(statement), values)

    def _name(self, kind: str) -> str:
        return f"{self._database.name}_{self._kind}_{kind}"

    def _named(self, statement: LiteralString, **parts: LiteralString | int) -> Any:
        from psycopg.sql import SQL, Identifier, Literal

        name = self._database.name
        names = {
            kind: Identifier(self._name(kind))
            for kind in ("rows", "fresh", "words", "words_by_key")
        }
        named = {
            kind: Literal(part) if isinstance(part, int) else SQL(part)
            for kind, part in parts.items()
        }
        return SQL(statement).format(stamps=Identifier(f"{name}_stamps"), **names, **named)

    @property
    def generation(self) -> int | None:
        """See `Index`."""
        with self._database.transaction() as cursor:
            return self._stamped(cursor)

    def _stamped(self, cursor: Cursor[Any]) -> int | None:
        """The generation held, or None where the index is to be built anew."""
        asked: LiteralString = "SELECT generation FROM {stamps} WHERE index = %s"
        found = self._run(cursor, asked, (self._kind,)).fetchone()
        return int(found[0]) if found else None

    def keys(self) -> list[int]:
        """See `Index`."""
        with self._database.transaction() as cursor:
            if self._stamped(cursor) is None:
                return []
            return [key for (key,) in self._run(cursor, "SELECT key FROM {rows} ORDER BY key")]

    def whole(self) -> bool:
        """See `Index`; PostgreSQL keeps checksums of its own."""
        with self._database.transaction() as cursor:
            return bool(
                self._run(
                    cursor,
                    "SELECT rows = (SELECT count(*) FROM {rows}) FROM {stamps} WHERE index = %s",
                    (self._kind,),
                ).fetchone()
                == (True,)
            )

    def clear(self) -> None:
        """See `Index`. The next update takes the rows away, so that whoever searches meanwhile
        finds the old ones, not none."""
        with self._database.transaction() as cursor:
            self._run(cursor, "DELETE FROM {stamps} WHERE index = %s", (self._kind,))

    def close(self) -> None:
        """See `Index`."""
        self._database.close()

    def _stamp(self, cursor: Cursor[Any], generation: int) -> None:
        self._run(
            cursor,
            "INSERT INTO {stamps} SELECT %s, %s, count(*) FROM {rows} "
            "ON CONFLICT (index) DO UPDATE SET generation = excluded.generation, rows = "
            "excluded.rows",
            (self._kind, generation),
        )


class PostgresTextIndex(Table):
    """BM25 as the local index has it; see `acclimate.indexes.bm25`."""

    def __init__(self, database: Database, words: Words = ENGLISH) -> None:
        self._words = words
        super().__init__(database, "text", _TEXTS)

    def search(self, query: str, k: int, among: Among | None = None) -> list[Match]:
        """See `TextIndex`."""
        return self._found(query, max(k, 0), None if among is None else among.keys.tolist())

    def scores(self, query: str, keys: Sequence[int]) -> list[Match]:
        """See `TextIndex`."""
        return self._found(query, len(keys), list(keys))

    def _found(self, query: str, k: int, keys: list[int] | None) -> list[Match]:
        asked = self._words.asked(query)
        if not asked or not k:
            return []
        with self._database.transaction() as cursor:
            # One state for statistics and ranking.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            values = self._weights(cursor, asked) | {"k": k, "keys": keys, "k1": K1, "b": B}
            best = self._named(_BEST, condition="TRUE" if keys is None else "key = ANY(%(keys)s)")
            return [Match(key, float(score)) for key, score in cursor.execute(best, values)]

    def _weights(self, cursor: Cursor[Any], asked: list[tuple[str, ...]]) -> dict[str, object]:
        """What each word counts in each field that it occurs in."""
        rows, *sums = self._run(
            cursor, "SELECT count(*), sum(text), sum(path) FROM {rows}"
        ).fetchone() or (0, 0, 0)
        statistics = Statistics(
            rows, {field: int(words or 0) for field, words in zip(BOOSTS, sums, strict=True)}
        )
        found = self._run(
            cursor,
            "SELECT word, field, count(*) FROM {words} WHERE word = ANY(%s) GROUP BY word, field",
            (sorted({word for group in asked for word in group}),),
        ).fetchall()
        shared = {
            field: together(asked, {word: n for word, its, n in found if its == field}, rows)
            for field in BOOSTS
        }
        return {
            "words": [word for word, _, _ in found],
            "fields": [field for _, field, _ in found],
            "weights": [statistics.weight(field, shared[field][word]) for word, field, _ in found],
            "averages": [statistics.average(field) for _, field, _ in found],
        }

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """See `TextIndex`."""
        gone = [*change.removed, *change.added]
        with self._database.transaction() as cursor:
            only: LiteralString = "TRUE" if self._stamped(cursor) is None else "key = ANY(%s)"
            for delete in ("DELETE FROM {words} WHERE ", "DELETE FROM {rows} WHERE "):
                self._run(cursor, delete + only, (gone,) if only != "TRUE" else None)
            rows = []
            with cursor.copy(
                self._named("COPY {words} (word, field, key, count, length) FROM STDIN")
            ) as copy:
                for key, chunk in chunks:
                    found = fields(chunk, self._words.of(chunk))
                    rows.append((key, found["text"].words, found["path"].words))
                    for name, field in found.items():
                        for word, count in field.counts.items():
                            copy.write_row((word, name, key, count, field.length))
            with cursor.copy(self._named("COPY {rows} (key, text, path) FROM STDIN")) as copy:
                for row in rows:
                    copy.write_row(row)
            self._stamp(cursor, change.generation)
