"""One ingest by many workers: which files are due, and which worker has claimed which.

Claims are rows that `FOR UPDATE SKIP LOCKED` hands out, each to one worker. A worker holds its
claims as long as its lease lasts, which a heartbeat extends; those of a dead one are handed out
again. What a worker has read is stored in the transaction that turns its claim into "done", and
only where it is still its own: no file is stored twice, and none is lost.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from acclimate.errors import LibraryError, SettingsError
from acclimate.indexes.copies import batches
from acclimate.indexes.postgres_database import PostgresDatabase
from acclimate.indexes.sql import SqlDatabase

_MOST = 32  # files that a worker claims at once
_ATTEMPTS = 3  # workers that may end while they read a file, before it is given up
_LIVE = "NOT w.ended AND w.lease >= clock_timestamp()"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """An ingest that workers share: `reader` names parser and chunker, `embedder` the embedder;
    `unchanged` files are as they were. `open` until every file is done."""

    id: str
    reader: str
    embedder: str
    planned: str
    files: int
    unchanged: int
    open: bool = True


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of this or the last ingest: files that it stored, could not read, and holds now.
    `seen_s` is how long ago its last heartbeat was, in seconds."""

    id: str
    host: str
    process: int
    state: str
    seen_s: float
    done: int
    failed: int
    claimed: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Files of an ingest by what became of them; `same` are as they were before."""

    due: int = 0
    claimed: int = 0
    done: int = 0
    same: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        """Files of which no worker is done."""
        return self.due + self.claimed


class Claims:
    """The claims of one worker in the library's `database`, under a lease of `lease_s` seconds.

    Raises SettingsError for a record that only one machine can have.
    """

    def __init__(self, database: SqlDatabase, lease_s: float = 60.0) -> None:
        if not isinstance(database, PostgresDatabase):
            raise SettingsError(
                f"workers share a record in PostgreSQL, and this one is {database.place}.",
                hint='acclimate library move --to postgres, then set [store] record = "postgres".',
            )
        self._db, self._lease_s = database, lease_s
        self.id = uuid.uuid4().hex[:12]

    @contextmanager
    def working(self) -> Iterator[None]:
        """Be a worker, with a heartbeat, until the end; what is claimed then, others may claim."""
        self._db.execute(
            "INSERT INTO workers (id, host, process, started, seen, lease) VALUES (?, ?, ?, now(), "
            "now(), now() + make_interval(secs => ?))",
            (self.id, socket.gethostname(), os.getpid(), self._lease_s),
        )
        ended = threading.Event()
        beats = threading.Thread(target=self._beat, args=(ended,), name="heartbeat", daemon=True)
        beats.start()
        try:
            yield
        finally:
            ended.set()
            beats.join()
            self._db.execute("UPDATE workers SET ended = true WHERE id = ?", (self.id,))
            self._db.execute(
                "UPDATE claims SET state = 'due', owner = NULL, attempts = attempts - 1 "
                "WHERE owner = ? AND state = 'claimed'",
                (self.id,),
            )

    def _beat(self, ended: threading.Event) -> None:
        database: PostgresDatabase | None = None
        while not ended.wait(self._lease_s / 4):
            try:
                database = database or self._db.another()
                database.execute(
                    "UPDATE workers SET seen = now(), lease = now() + make_interval(secs => ?) "
                    "WHERE id = ?",
                    (self._lease_s, self.id),
                )
            except LibraryError as error:
                log.warning("the lease was not extended: %s", error)
        if database is not None:
            database.close()

    def run(self) -> Run | None:
        """The ingest that is open, or else the last one; None before the first."""
        noted = self._db.meta("run")
        return Run(**json.loads(noted)) if noted else None

    def plan(
        self, run: Run, files: Mapping[str, bytes], gone: Sequence[str], unread: Mapping[str, str]
    ) -> None:
        """Open an ingest: `files` to read by path, documents whose files are `gone`, and why others
        cannot be read."""
        rows = [(path, file, "due", "") for path, file in files.items()]
        rows += [(path, b"", "gone", "") for path in gone]
        rows += [(path, b"", "failed", reason) for path, reason in unread.items()]
        with self._db.transaction():
            self._db.execute("DELETE FROM claims")
            self._db.execute(f"DELETE FROM workers w WHERE NOT ({_LIVE})")
            for batch in batches(rows, 10_000):
                self._db.execute_many(
                    "INSERT INTO claims (path, file, state, reason) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (path) DO NOTHING",
                    batch,
                )
            self._db.set_meta("run", json.dumps(asdict(run)))

    def take(self) -> dict[str, bytes]:
        """Claim some files, by path; {} where all are done or others have them.

        A file at which a worker ended is claimed alone, so that it can take no other with it, and
        given up where three have.
        """
        live = self._db.execute(f"SELECT count(*) FROM workers w WHERE {_LIVE}").fetchone()[0]
        due = self._db.execute("SELECT count(*) FROM claims WHERE state = 'due'").fetchone()[0]
        some = min(_MOST, max(1, due // (4 * max(1, live))))
        return self._claim("c.attempts = 0", some) or self._claim(f"c.attempts < {_ATTEMPTS}", 1)

    def _claim(self, which: str, most: int) -> dict[str, bytes]:
        taken = self._db.execute(
            "WITH taken AS (SELECT c.path FROM claims c LEFT JOIN workers w ON w.id = c.owner "
            f"WHERE c.state IN ('due', 'claimed') AND {which} "
            f"AND (c.state = 'due' OR w.id IS NULL OR NOT ({_LIVE})) "
            "ORDER BY c.attempts, c.path LIMIT ? FOR UPDATE OF c SKIP LOCKED) "
            "UPDATE claims c SET state = 'claimed', owner = ?, attempts = c.attempts + 1 "
            "FROM taken WHERE c.path = taken.path RETURNING c.path, c.file",
            (most, self.id),
        ).fetchall()
        return {path: bytes(file) for path, file in sorted(taken)}

    def give_up(self) -> None:
        """Count files as failed at which workers ended again and again."""
        self._db.execute(
            "UPDATE claims c SET state = 'failed', owner = NULL, reason = c.path || "
            f"' was not read: {_ATTEMPTS} workers ended while they read it.' "
            f"WHERE c.state = 'claimed' AND c.attempts >= {_ATTEMPTS} AND NOT EXISTS "
            f"(SELECT 1 FROM workers w WHERE w.id = c.owner AND {_LIVE})"
        )

    def done(self, paths: Sequence[str], *, same: bool = False) -> Collection[str]:
        """See `acclimate.ingest_storing.Ledger`."""
        mine = self._db.execute(
            "UPDATE claims SET state = ?, owner = NULL WHERE path = ANY(?) AND owner = ? AND "
            "state = 'claimed' RETURNING path",
            ("same" if same else "done", list(paths), self.id),
        ).fetchall()
        self._db.execute("UPDATE workers SET done = done + ? WHERE id = ?", (len(mine), self.id))
        return [row[0] for row in mine]

    def failed(self, path: str, reason: str) -> bool:
        """See `acclimate.ingest_storing.Ledger`."""
        mine = self._db.execute(
            "UPDATE claims SET state = 'failed', owner = NULL, reason = ? WHERE path = ? AND "
            "owner = ? AND state = 'claimed' RETURNING path",
            (reason.replace("\0", ""), path, self.id),
        ).fetchall()
        if mine:
            self._db.execute("UPDATE workers SET failed = failed + 1 WHERE id = ?", (self.id,))
        return bool(mine)

    def counts(self) -> Counts:
        """How many files of the ingest are where."""
        rows = self._db.execute("SELECT state, count(*) FROM claims GROUP BY state").fetchall()
        return Counts(**{state: number for state, number in rows if state != "gone"})

    def paths(self, state: str) -> list[str]:
        """The files in a state, ascending: due, claimed, done, same, failed or gone."""
        rows = self._db.execute("SELECT path FROM claims WHERE state = ? ORDER BY path", (state,))
        return [row[0] for row in rows]

    def failures(self) -> dict[str, str]:
        """Why files of the ingest could not be read, by path."""
        asked = "SELECT path, reason FROM claims WHERE state = 'failed' ORDER BY path"
        return dict(self._db.execute(asked).fetchall())

    def close(self, run: Run) -> None:
        """End the ingest: every file is done. What became of each is kept until the next."""
        with self._db.transaction():
            self._db.set_meta("run", json.dumps(asdict(replace(run, open=False))))

    def workers(self) -> list[Worker]:
        """The workers of the ingest that is open, or of the last one, by when they began."""
        rows = self._db.execute(
            f"SELECT w.id, w.host, w.process, CASE WHEN w.ended THEN 'ended' WHEN {_LIVE} THEN "
            "'working' ELSE 'lost' END, "
            "extract(epoch FROM clock_timestamp() - w.seen)::float8, w.done, w.failed, "
            "(SELECT count(*) FROM claims c WHERE c.owner = w.id AND c.state = 'claimed') "
            "FROM workers w ORDER BY w.started"
        )
        return [Worker(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """How far an ingest by workers is, or how the last one ended; `failures` are why files could
    not be read, by path."""

    run: Run | None
    counts: Counts
    workers: Sequence[Worker]
    failures: Mapping[str, str]


def status_of(database: SqlDatabase) -> IngestStatus:
    """What all workers did and do. Raises SettingsError where the record is not in PostgreSQL."""
    claims = Claims(database)
    return IngestStatus(claims.run(), claims.counts(), claims.workers(), claims.failures())


def new_run(reader: str, embedder: str, files: int, unchanged: int) -> Run:
    """An ingest that begins now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Run(uuid.uuid4().hex[:12], reader, embedder, now, files, unchanged)
