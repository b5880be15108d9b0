"""A knowledge graph over chunks and the entities that they mention, searched by personalised
PageRank."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.errors import LibraryError
from acclimate.indexes.base import Change, Match
from acclimate.indexes.entities import Extract, Extraction, Mention, Relation, moved, names_in
from acclimate.indexes.filters import Among
from acclimate.indexes.readonly import connect_read_only, is_read_only
from acclimate.types import Chunk

TELEPORT = 0.5
"""Probability that a walk ends at each step: short walks, as one document leads to the next
(HippoRAG, 2405.14831)."""
_LEAST = 1e-3  # probability below which a walk is not followed further
_ROUNDS = 8
_HUB = 500  # an entity that more chunks mention says nothing about any of them
_UNSURE = 0.5  # weight of phrases beside names
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stamp (generation INTEGER NOT NULL, extractor TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (key INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entities (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, shown TEXT NOT NULL,
    chunks INTEGER NOT NULL DEFAULT 0, certain INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS mentions (key INTEGER, entity INTEGER, start INTEGER, end INTEGER, certain INTEGER,
    PRIMARY KEY (key, entity, start, end)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mentions_of_entity ON mentions (entity, key, certain);
CREATE TABLE IF NOT EXISTS relations (key INTEGER, head INTEGER, predicate TEXT, tail INTEGER, start INTEGER,
    end INTEGER);
CREATE INDEX IF NOT EXISTS relations_of_chunk ON relations (key);
CREATE INDEX IF NOT EXISTS relations_of_head ON relations (head, tail);
CREATE INDEX IF NOT EXISTS relations_of_tail ON relations (tail, head);
CREATE TABLE IF NOT EXISTS extractions (text TEXT, extractor TEXT, found TEXT, PRIMARY KEY (text, extractor))
    WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation as it was found: `key` is the chunk, the span that of the document's text."""

    head: str
    predicate: str
    tail: str
    key: int
    start: int
    end: int


class SQLiteGraphIndex:
    """The graph in `folder`; `extractor` names what `extract` is, and a graph made by another is
    built again.

    `keep` remembers what was extracted from a text as long as a chunk has it, for extractors that
    take long. Usable from several threads.
    """

    def __init__(
        self, folder: Path, extract: Extract, extractor: str, *, keep: bool = False
    ) -> None:
        self._file, self._extract, self._extractor, self._keep = (
            folder / "graph.db",
            extract,
            extractor,
            keep,
        )
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None

    @property
    def generation(self) -> int | None:
        """See `Index`."""
        if not self._file.exists():
            return None
        try:
            row = self._read("SELECT generation, extractor FROM stamp")
        except LibraryError:
            return None
        return int(row[0][0]) if row and row[0][1] == self._extractor else None

    def keys(self) -> list[int]:
        """See `Index`."""
        return [row[0] for row in self._read("SELECT key FROM chunks ORDER BY key")]

    def whole(self) -> bool:
        """See `Index`."""
        try:
            sound = self._read("PRAGMA integrity_check") == [("ok",)]
            return sound and self._read("SELECT rows FROM stamp") == self._read(
                "SELECT COUNT(*) FROM chunks"
            )
        except LibraryError:
            return False

    def clear(self) -> None:
        """See `Index`. What was extracted at length stays, beside the graph."""
        try:
            with self._transaction() as db:
                for table in ("stamp", "chunks", "mentions", "relations", "entities"):
                    db.execute(f"DELETE FROM {table}")
        except LibraryError:
            self.close()
            for suffix in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """See `Index`."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """See `GraphIndex`. All of it or, cut off, nothing."""
        with self._transaction() as db:
            touched: set[int] = set()
            for key in (*change.removed, *change.added):
                touched |= {
                    row[0]
                    for row in db.execute("SELECT entity FROM mentions WHERE key = ?", (key,))
                }
                for table in ("chunks", "mentions", "relations"):
                    db.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
            known: dict[str, int] = {}
            for key, chunk in chunks:
                text = hashlib.sha256(f"{chunk.heading_path}\0{chunk.text}".encode()).hexdigest()
                db.execute("INSERT INTO chunks VALUES (?, ?)", (key, text))
                self._put(db, key, self._extracted(db, chunk, text), known)
            db.executemany(
                "UPDATE entities SET (chunks, certain) = (SELECT COUNT(DISTINCT key), "
                "IFNULL(MAX(certain), 0) "
                "FROM mentions WHERE entity = id) WHERE id = ?",
                [(entity,) for entity in sorted(touched | set(known.values()))],
            )
            db.execute("DELETE FROM entities WHERE chunks = 0")
            db.execute("DELETE FROM extractions WHERE text NOT IN (SELECT text FROM chunks)")
            db.execute("DELETE FROM stamp")
            db.execute(
                "INSERT INTO stamp SELECT ?, ?, COUNT(*) FROM chunks",
                (change.generation, self._extractor),
            )

    def search(
        self, query: str, near: Sequence[Match], k: int, among: Among | None = None
    ) -> list[Match]:
        """See `GraphIndex`: those that walks from there visit most; half of the walks begin at each
        kind of node."""
        if k < 1 or (among is not None and not len(among.keys)):
            return []
        named, total = self._named(query), sum(max(0.0, match.score) for match in near)
        by_names = 0.5 if total else 1.0
        by_chunks = 1.0 - by_names if named else 1.0
        # Entities are negative nodes.
        start = {-entity: by_names * weight for entity, weight in named.items()}
        if total:
            for match in near:
                start[match.key] = by_chunks * (max(0.0, match.score) / total)
        visited = self._walk(start, among)
        matches = [Match(node, score) for node, score in visited.items() if node > 0]
        return sorted(matches, key=lambda match: (-match.score, match.key))[:k]

    def edges(self, name: str, limit: int = 100) -> list[Edge]:
        """The relations of the entities that `name` may be, in the order of the chunks."""
        found = list(self._named(name))
        marks = ",".join("?" * len(found))
        rows = self._read(
            "SELECT h.shown, r.predicate, t.shown, r.key, r.start, r.end FROM relations "
            "r "
            "JOIN entities h ON h.id = r.head JOIN entities t ON t.id = r.tail "
            f"WHERE r.head IN ({marks}) OR r.tail IN ({marks}) ORDER BY r.key, r.start LIMIT ?",
            (*found, *found, limit),
        )
        return [Edge(*row) for row in rows]

    def _named(self, query: str) -> dict[int, float]:
        """Entities that the query names, by weight; the weights add up to 1."""
        names = names_in(query)
        marks = ",".join("?" * len(names))
        rows = self._read(
            f"SELECT id, chunks, certain FROM entities WHERE name IN ({marks}) ORDER BY id",
            names,
        )
        total = self._rows()
        weights = {
            entity: _weight(total, count, certain)
            for entity, count, certain in rows
            if count <= _HUB
        }
        whole = sum(weights.values())
        return {entity: weight / whole for entity, weight in weights.items()} if whole else {}

    def _rows(self) -> int:
        rows = self._read("SELECT rows FROM stamp")
        return int(rows[0][0]) if rows else 0

    def _walk(self, start: Mapping[int, float], among: Among | None) -> dict[int, float]:
        """Personalised PageRank by pushing probability forward from the nodes of `start`, most of
        it first.

        Andersen, Chung, Lang, "Local Graph Partitioning using PageRank Vectors", FOCS 2006, section
        3: it looks only at what the walks reach. Chunks are positive nodes, entities negative ones.
        """
        reached: dict[int, float] = defaultdict(float)
        residual = dict(start)
        for _ in range(_ROUNDS):
            pushed = {node: mass for node, mass in sorted(residual.items()) if mass >= _LEAST}
            if not pushed:
                break
            nearby = self._neighbours(list(pushed), among)
            residual = defaultdict(
                float, {node: mass for node, mass in residual.items() if node not in pushed}
            )
            for node, mass in pushed.items():
                reached[node] += TELEPORT * mass
                total = sum(nearby[node].values())
                for other, weight in nearby[node].items():
                    residual[other] += (1 - TELEPORT) * mass * weight / total
        return dict(reached)

    def _neighbours(self, nodes: Sequence[int], among: Among | None) -> dict[int, dict[int, float]]:
        """Of chunks, the entities that they mention, by weight; of entities, chunks and related
        entities alike."""
        found: dict[int, dict[int, float]] = {node: {} for node in nodes}
        total = self._rows()
        for some in _batches([node for node in nodes if node > 0]):
            marks = ",".join("?" * len(some))
            for key, entity, count, certain in self._read(
                "SELECT DISTINCT m.key, m.entity, e.chunks, e.certain FROM mentions "
                "m "
                f"JOIN entities e ON e.id = m.entity WHERE m.key IN ({marks}) AND e.chunks <= "
                f"{_HUB}",
                some,
            ):
                found[key][-entity] = _weight(total, count, certain)
        for some in _batches([-node for node in nodes if node < 0]):
            marks = ",".join("?" * len(some))
            pairs = self._read(
                f"SELECT DISTINCT key, entity FROM mentions WHERE entity IN ({marks})",
                some,
            )
            held = (
                among.holds(np.array([key for key, _ in pairs], np.int64))
                if among is not None
                else None
            )
            for place, (key, entity) in enumerate(pairs):
                if held is None or held[place]:
                    found[-entity][key] = 1.0
            if among is None:  # a relation may stand in a chunk that must not be seen
                for head, tail in self._related(some):
                    found[-head][-tail] = 1.0
        return found

    def _related(self, some: Sequence[int]) -> list[tuple[int, int]]:
        marks = ",".join("?" * len(some))
        return self._read(
            f"SELECT head, tail FROM relations WHERE head IN ({marks}) "
            f"UNION "
            f"SELECT tail, head FROM relations WHERE tail IN ({marks}) ORDER BY 1, 2",
            (*some, *some),
        )

    def _extracted(self, db: sqlite3.Connection, chunk: Chunk, text: str) -> Extraction:
        """What the chunk tells; `text` is the hash of what is looked at."""
        if not self._keep:
            return self._extract(chunk)
        asked = (text, self._extractor)
        row = db.execute(
            "SELECT found FROM extractions WHERE text = ? AND extractor = ?", asked
        ).fetchone()
        if row:
            kept = json.loads(row[0])
            found = Extraction(
                tuple(Mention(**values) for values in kept["mentions"]),
                tuple(Relation(**values) for values in kept["relations"]),
            )
            return moved(found, chunk.start)
        found = self._extract(chunk)
        db.execute(
            "INSERT INTO extractions VALUES (?, ?, ?)",
            (*asked, json.dumps(asdict(moved(found, -chunk.start)))),
        )
        return found

    def _put(
        self, db: sqlite3.Connection, key: int, found: Extraction, known: dict[str, int]
    ) -> None:
        rows = []
        for mention in found.mentions:
            entity = known.get(mention.name)
            if entity is None:
                db.execute(
                    "INSERT INTO entities (name, shown) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (mention.name, mention.shown),
                )
                row = db.execute(
                    "SELECT id FROM entities WHERE name = ?", (mention.name,)
                ).fetchone()
                entity = known[mention.name] = int(row[0])
            rows.append((key, entity, mention.start, mention.end, int(mention.certain)))
        db.executemany("INSERT OR REPLACE INTO mentions VALUES (?, ?, ?, ?, ?)", sorted(rows))
        related = [
            (key, known[one.head], one.predicate, known[one.tail], one.start, one.end)
            for one in found.relations
        ]
        db.executemany("INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?)", related)

    def _read(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        if not self._file.exists():
            return []
        with self._lock, self._translated():
            return self._connected().execute(query, tuple(values)).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            db = self._connected()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _connected(self) -> sqlite3.Connection:
        if self._db is None and is_read_only(self._file):
            self._db = connect_read_only(self._file)
        if self._db is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(
                self._file, timeout=30, isolation_level=None, check_same_thread=False
            )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA secure_delete = ON")  # what was removed leaves no trace
            db.executescript(_SCHEMA)
            self._db = db
        return self._db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise OSError(str(error)) from error  # told by the library, with its remedy
            raise LibraryError(
                f"the graph index cannot be used: {error}.", hint="acclimate doctor --repair"
            ) from error


def _weight(rows: int, holding: int, certain: int) -> float:
    """What an entity counts: its inverse document frequency, less for one that is never certain."""
    return math.log(1 + (rows - holding + 0.5) / (holding + 0.5)) * (1.0 if certain else _UNSURE)


def _batches(values: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    return (values[at : at + size] for at in range(0, len(values), size))
