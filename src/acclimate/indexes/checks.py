"""What changed in the record, and what is wrong with it."""

from __future__ import annotations

from acclimate.indexes.base import Change
from acclimate.indexes.sql import SqlDatabase


def changes_after(db: SqlDatabase, generation: int, now: int) -> Change:
    """Keys removed and added from `generation` to `now`; a key that came and went is only removed."""
    rows = db.execute(
        "SELECT key, added FROM changes WHERE generation > ? ORDER BY rowid", (generation,)
    )
    state = {key: bool(added) for key, added in rows}
    added = sorted(key for key, there in state.items() if there)
    return Change(sorted(key for key, there in state.items() if not there), added, now)


def problems_of(db: SqlDatabase, embedder: str) -> list[str]:
    """What is wrong with the record itself, whose vectors are those of `embedder`; [] where all is well."""
    found = db.damage()
    wrong = db.execute(
        "SELECT COUNT(*) FROM chunks c JOIN documents d ON d.id = c.document "
        'WHERE substr(d.text, c.start + 1, c."end" - c.start) <> c.text'
    ).fetchone()[0]
    lacking = db.execute(
        "SELECT COUNT(*) FROM chunks WHERE key NOT IN (SELECT key FROM vectors WHERE embedder = ?)",
        (embedder,),
    ).fetchone()[0]
    doubled = db.execute(
        "SELECT COUNT(*) FROM (SELECT 1 FROM chunks GROUP BY document, id HAVING COUNT(*) > 1) AS doubled"
    ).fetchone()[0]
    found += [f"{wrong} chunks differ from their document's text"] if wrong else []
    found += [f"{lacking} chunks have no vector"] if lacking else []
    return found + ([f"{doubled} chunks are doubled"] if doubled else [])
