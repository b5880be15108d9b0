"""PostgreSQL with pgvector: exact search by a scan, or approximate search by a graph (HNSW).

A graph is built beside a table that is being searched, and used when it is whole; a table that is
filled anew takes the old one's place with its graph.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, LiteralString

import numpy as np

from acclimate.indexes.approximate import (
    CONNECTIVITY,
    WHEN_ADDED,
    Search,
    allowed_of,
    graph_wanted,
    proposals,
)
from acclimate.indexes.base import Change, Match, Vectors
from acclimate.indexes.filters import Among
from acclimate.indexes.postgres import Database, Table

if TYPE_CHECKING:
    from psycopg import Cursor

_VECTORS: LiteralString = (
    "CREATE TABLE IF NOT EXISTS {rows} (key bigint PRIMARY KEY, vector vector NOT NULL)"
)
_MOST_MEMORY = 2_000_000  # kB that a graph's building may take, about a million rows' worth
_ITERATIVE_EF = 1000  # the most that pgvector takes; a deeper search goes on from there
_GRAPH: LiteralString = (
    "CREATE INDEX {how} ON {table} USING hnsw ((vector::halfvec({d})) halfvec_ip_ops) "
    "WITH (m = {m}, ef_construction = {ef})"
)
_GRAPHS: LiteralString = """
SELECT graph.relname, indisvalid FROM pg_index JOIN pg_class graph ON graph.oid = indexrelid
JOIN pg_am ON pg_am.oid = graph.relam WHERE amname = 'hnsw' AND indrelid = to_regclass(%s)
"""
_PROPOSED: LiteralString = """
SELECT key, -(vector <#> %(query)s) FROM {rows}
ORDER BY (vector::halfvec({d})) <#> %(query)s::halfvec({d}) LIMIT %(k)s
"""


class PostgresVectorIndex(Table):
    """Inner products in single precision, by pgvector: of all rows, or of those that a graph over
    half precision proposes."""

    def __init__(self, database: Database, search: Search = "auto") -> None:
        self._search = search
        super().__init__(database, "vector", _VECTORS)

    def search(self, query: Vectors, k: int, among: Among | None = None) -> list[Match]:
        """See `VectorIndex`; a row that the graph does not lead to is missed."""
        if self._search != "exact":
            found = self._approximate(query, k, among)
            if found is not None:
                return found
        only: LiteralString = "" if among is None else "WHERE key = ANY(%(keys)s)"
        return self._found(query, only, max(k, 0), [] if among is None else among.keys.tolist())

    def scores(self, query: Vectors, keys: Sequence[int]) -> list[Match]:
        """See `VectorIndex`."""
        return self._found(query, "WHERE key = ANY(%(keys)s)", len(keys), list(keys))

    def _found(self, query: Vectors, only: LiteralString, k: int, keys: list[int]) -> list[Match]:
        values = {"query": _literal(query), "k": k, "keys": keys}
        best = self._named(
            "SELECT key, -(vector <#> %(query)s) FROM {rows} {only} ORDER BY vector <#> "
            "%(query)s, key LIMIT %(k)s",
            only=only,
        )
        with self._database.transaction() as cursor:
            return [Match(key, float(score)) for key, score in cursor.execute(best, values)]

    def _approximate(self, query: Vectors, k: int, among: Among | None) -> list[Match] | None:
        """What the graph leads to; None where exact search has to answer."""
        with self._database.transaction() as cursor:
            if not any(valid for _, valid in self._graphs(cursor)):
                return None
            wanted = proposals(k, self._count(cursor), among)
            if wanted is None:
                return None
            # Rows are sorted here: a sort there would let the planner scan instead.
            settings = {
                "hnsw.ef_search": str(min(wanted, _ITERATIVE_EF)),
                "hnsw.iterative_scan": "relaxed_order",
                "enable_seqscan": "off",
                "enable_sort": "off",
            }
            cursor.execute(
                "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) "
                "AS chosen (name, value)",
                ([*settings], [*settings.values()]),
            )
            asked = self._named(_PROPOSED, d=len(query))
            values = {"query": _literal(query), "k": wanted}
            found = cursor.execute(asked, values, prepare=False)
            matches = [Match(key, float(score)) for key, score in found]
        allowed = allowed_of(matches, k, among)
        return None if allowed is None else allowed[:k]

    def _graphs(self, cursor: Cursor[Any]) -> list[tuple[str, bool]]:
        """The graphs over the rows by name, and whether each is whole; another process may be
        building one."""
        return cursor.execute(_GRAPHS, (self._name("rows"),)).fetchall()

    def _count(self, cursor: Cursor[Any]) -> int:
        asked: LiteralString = "SELECT rows FROM {stamps} WHERE index = %s"
        found = self._run(cursor, asked, (self._kind,)).fetchone()
        return int(found[0]) if found else 0

    def update(self, change: Change, vectors: Iterator[tuple[int, Vectors]]) -> None:
        """See `VectorIndex`."""
        with self._database.transaction() as cursor:
            if self._stamped(cursor) is None:
                self._build(cursor, vectors)
            else:
                gone = [*change.removed, *change.added]
                self._run(cursor, "DELETE FROM {rows} WHERE key = ANY(%s)", (gone,))
                self._copy(cursor, "{rows}", vectors)
            self._stamp(cursor, change.generation)
        self._tend()

    def _build(self, cursor: Cursor[Any], vectors: Iterator[tuple[int, Vectors]]) -> None:
        """All rows and their graph in a table that takes the old one's place at the end."""
        self._run(cursor, "CREATE TABLE {fresh} (key bigint NOT NULL, vector vector NOT NULL)")
        self._copy(cursor, "{fresh}", vectors)
        self._run(cursor, "ALTER TABLE {fresh} ADD PRIMARY KEY (key)")
        asked: LiteralString = "SELECT count(*), max(vector_dims(vector)) FROM {fresh}"
        rows, dimensions = self._run(cursor, asked).fetchone() or (0, 0)
        if rows and graph_wanted(self._search, rows):
            self._grow(cursor, "{fresh}", "", rows, dimensions)
        self._run(cursor, "DROP TABLE {rows}")
        self._run(cursor, "ALTER TABLE {fresh} RENAME TO {rows}")

    def _copy(
        self, cursor: Cursor[Any], table: LiteralString, vectors: Iterator[tuple[int, Vectors]]
    ) -> None:
        statement: LiteralString = "COPY " + table + " (key, vector) FROM STDIN (FORMAT BINARY)"
        with cursor.copy(self._named(statement)) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for key, vector in vectors:
                copy.write(_packed(key, vector))
            copy.write(b"\xff\xff")

    def _tend(self) -> None:
        """Build the graph where one is wanted and missing, and drop what is not wanted or was cut
        off; searches go on meanwhile."""
        with self._database.transaction(autocommit=True) as cursor:
            lock = (f"{self._database.name} graph",)
            ours = cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", lock).fetchone()
            if ours != (True,):
                return  # another process is at it
            try:
                self._tend_alone(cursor)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", lock)

    def _tend_alone(self, cursor: Cursor[Any]) -> None:
        from psycopg.sql import SQL, Identifier

        rows, whole = self._count(cursor), False
        for name, valid in self._graphs(cursor):
            if valid and self._search != "exact":
                whole = True
            else:
                cursor.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(name)))
        if rows and not whole and graph_wanted(self._search, rows):
            asked: LiteralString = "SELECT vector_dims(vector) FROM {rows} LIMIT 1"
            (dimensions,) = self._run(cursor, asked).fetchone() or (0,)
            self._grow(cursor, "{rows}", "CONCURRENTLY", rows, dimensions)

    def _grow(
        self,
        cursor: Cursor[Any],
        table: LiteralString,
        how: LiteralString,
        rows: int,
        dimensions: int,
    ) -> None:
        """A graph over the rows of a table, in memory where `_MOST_MEMORY` is enough."""
        needed = min(_MOST_MEMORY, max(65_536, rows * (2 * dimensions + 1000) // 1024))
        cursor.execute(
            "SELECT set_config('maintenance_work_mem', greatest(%s, setting::int)::text, %s) "
            "FROM pg_settings WHERE name = 'maintenance_work_mem'",
            (needed, not how),
        )
        statement: LiteralString = _GRAPH.replace("{table}", table)
        cursor.execute(self._named(statement, how=how, d=dimensions, m=CONNECTIVITY, ef=WHEN_ADDED))
        if how:
            cursor.execute("RESET maintenance_work_mem")


def _literal(vector: Vectors) -> str:
    """A vector as pgvector reads it; nine digits bring every float32 back."""
    return (
        "[" + ",".join(f"{number:.9g}" for number in np.asarray(vector, np.float32).tolist()) + "]"
    )


def _packed(key: int, vector: Vectors) -> bytes:
    """A row as COPY reads it in binary: two fields, each with its length before it."""
    numbers = np.asarray(vector, ">f4")
    head = struct.pack(">hiqihh", 2, 8, key, 4 + numbers.nbytes, len(numbers), 0)
    return head + numbers.tobytes()
