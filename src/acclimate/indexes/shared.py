"""What the servers of one library in PostgreSQL share beside it: how often each caller came, and
the answers on which a word may be said.

Its tables are unlogged: a crash of the database empties them, and nothing but a count is lost.
"""

from __future__ import annotations

from threading import Lock

from acclimate.indexes.sql import SqlDatabase

_TABLES = (
    "CREATE UNLOGGED TABLE IF NOT EXISTS serving_rates (name text PRIMARY KEY, "
    "level float8 NOT NULL, seen timestamptz NOT NULL)",
    "CREATE UNLOGGED TABLE IF NOT EXISTS serving_answers (id text PRIMARY KEY, asker text NOT NULL, "
    "given text NOT NULL, kept timestamptz NOT NULL)",
    "CREATE INDEX IF NOT EXISTS serving_answers_by_age ON serving_answers (kept)",
)
# A bucket of `most` events, refilled evenly within a minute.
_LEVEL = "least(?, r.level + extract(epoch FROM clock_timestamp() - r.seen)::float8 * ? / 60)"
_SWEEP_AFTER = 1000  # events, until names that have all their events again are forgotten


class Shared:
    """Kept beside the record in `database`, which is its own; from any thread.

    Raises LibraryError where the database cannot be reached.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._db = database
        self._lock = Lock()
        self._events = 0
        with self._db.transaction():  # one server at a time makes them
            for statement in _TABLES:
                self._db.execute(statement)

    def wait(self, name: str, per_minute: int) -> float:
        """Seconds until `name` has an event left; 0.0 where it has one now."""
        asked = f"SELECT {_LEVEL} FROM serving_rates r WHERE name = ?"
        with self._lock:
            row = self._db.execute(asked, (float(per_minute), per_minute, name)).fetchone()
        return max(0.0, 1.0 - row[0]) * 60.0 / per_minute if row else 0.0

    def take(self, name: str, per_minute: int) -> None:
        """Count an event, in one statement: whoever else counts, none is lost."""
        most = float(per_minute)
        with self._lock:
            self._db.execute(
                "INSERT INTO serving_rates AS r (name, level, seen) "
                "VALUES (?, ?, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET "
                f"level = {_LEVEL} - 1, seen = clock_timestamp()",
                (name, most - 1, most, per_minute),
            )
            self._events += 1
            if self._events % _SWEEP_AFTER == 0:
                self._db.execute(
                    "DELETE FROM serving_rates WHERE level > 0 AND "
                    "seen < clock_timestamp() - interval '2 minutes'"
                )

    def keep(self, name: str, asker: str, given: str, most: int) -> None:
        """Hold an answer for a day, as long as it is among the last `most` of all servers."""
        with self._lock:
            self._db.execute(
                "INSERT INTO serving_answers VALUES (?, ?, ?, clock_timestamp()) "
                "ON CONFLICT (id) DO NOTHING",
                (name, asker, given),
            )
            self._db.execute(
                "DELETE FROM serving_answers WHERE kept < clock_timestamp() - interval '1 day' OR "
                "kept < (SELECT kept FROM serving_answers ORDER BY kept DESC OFFSET ? LIMIT 1)",
                (most - 1,),
            )

    def find(self, name: str, asker: str) -> str | None:
        """An answer that `asker` got; None where there is none (any more)."""
        asked = "SELECT given FROM serving_answers WHERE id = ? AND asker = ?"
        with self._lock:
            row = self._db.execute(asked, (name, asker)).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        """End the connection."""
        self._db.close()
