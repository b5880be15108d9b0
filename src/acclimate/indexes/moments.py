"""The state that a record is in, and what is read of a library in one state of it."""

from __future__ import annotations

from dataclasses import dataclass

from acclimate.indexes.sql import SqlDatabase


@dataclass(frozen=True, slots=True)
class Moment:
    """A record at one moment: its generation, the embedder whose vectors are searched (None before
    the first ingest), and the language and analysis of its words."""

    generation: int
    embedder: str | None
    words: str


def moment_of(database: SqlDatabase) -> Moment:
    """The record as it is now, by one statement."""
    asked = "SELECT key, value FROM meta WHERE key IN ('generation', 'embedder', 'language')"
    found = dict(database.execute(asked).fetchall())
    generation, words = int(found.get("generation") or 0), found.get("language") or "english"
    return Moment(generation, found.get("embedder"), words)
