"""Timestamps and counts of ingests, kept in the record."""

from __future__ import annotations

import json
from collections.abc import Sequence

from acclimate.indexes.sql import SqlDatabase


class IngestNotes:
    """Kept in the record's `database`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    @property
    def seconds(self) -> float:
        """What all ingests so far took, in seconds."""
        return float(self._database.meta("ingest_seconds") or 0)

    def add_seconds(self, seconds: float) -> None:
        """Add what an ingest took."""
        with self._database.transaction():
            self._database.set_meta("ingest_seconds", f"{self.seconds + seconds:.3f}")

    def note(self, *, finished: bool, failures: Sequence[str] = ()) -> None:
        """Note that an ingest has begun, or how it ended: why files could not be read."""
        note = json.dumps([finished, list(failures)])
        if note != self._database.meta("ingest"):
            with self._database.transaction():
                self._database.set_meta("ingest", note)

    @property
    def finished(self) -> bool:
        """Whether the last ingest came to its end."""
        return bool(json.loads(self._database.meta("ingest") or "[true, []]")[0])

    @property
    def failures(self) -> list[str]:
        """What the last ingest that came to its end could not read, and why."""
        return [
            str(reason) for reason in json.loads(self._database.meta("ingest") or "[true, []]")[1]
        ]
