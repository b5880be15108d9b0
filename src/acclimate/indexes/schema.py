"""The tables of the record, how older ones become the present ones, and elements as JSON text."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict

from acclimate.indexes.bm25 import ANALYSIS
from acclimate.types import Box, Document, Element

VERSION = 5
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, chunker TEXT NOT NULL, title TEXT NOT NULL, media_type TEXT NOT NULL,
    text TEXT NOT NULL, elements TEXT NOT NULL, page_starts TEXT NOT NULL, metadata TEXT NOT NULL, sketch BLOB);
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    id TEXT NOT NULL, hash TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL,
    headings TEXT NOT NULL, page INTEGER, header TEXT NOT NULL DEFAULT '', parent_start INTEGER, parent_end INTEGER,
    breaks TEXT NOT NULL DEFAULT '[]', context TEXT NOT NULL DEFAULT '', same INTEGER NOT NULL DEFAULT 0);
CREATE INDEX chunks_of_document ON chunks (document);
CREATE INDEX chunks_by_hash ON chunks (hash);
CREATE INDEX chunks_by_same ON chunks (same);
CREATE TABLE vectors (
    key INTEGER NOT NULL REFERENCES chunks (key) ON DELETE CASCADE, embedder TEXT NOT NULL, vector BLOB NOT NULL,
    windows INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (key, embedder)) WITHOUT ROWID;
CREATE INDEX long_chunks ON vectors (embedder, key, windows) WHERE windows > 1;
CREATE TABLE changes (key INTEGER NOT NULL, added INTEGER NOT NULL, generation INTEGER NOT NULL);
CREATE INDEX changes_by_generation ON changes (generation);
CREATE TRIGGER chunk_added AFTER INSERT ON chunks BEGIN
    INSERT INTO changes VALUES (new.key, 1, (SELECT value FROM meta WHERE key = 'generation') + 1); END;
CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN
    INSERT INTO changes VALUES (old.key, 0, (SELECT value FROM meta WHERE key = 'generation') + 1); END;
INSERT INTO meta VALUES ('generation', '0'), ('id', lower(hex(randomblob(8))));
"""
# counts the Unicode forms in which chunks were embedded; `Record.outdated` finds older ones
EMBEDDED_FORM = "2"
SCHEMA += f"INSERT INTO meta VALUES ('language', 'english {ANALYSIS}'), ('embedded_form', '{EMBEDDED_FORM}');\n"
PICTURES = (
    """CREATE TABLE IF NOT EXISTS pictures (
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE, start INTEGER NOT NULL, page INTEGER,
    embedder TEXT NOT NULL, vector BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS pictures_of_document ON pictures (document)",
)
# From each older format to the next.
UPGRADES = {
    1: """
ALTER TABLE chunks ADD COLUMN header TEXT NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN parent_start INTEGER;
ALTER TABLE chunks ADD COLUMN parent_end INTEGER;
ALTER TABLE chunks ADD COLUMN breaks TEXT NOT NULL DEFAULT '[]';
""",
    2: "ALTER TABLE chunks ADD COLUMN context TEXT NOT NULL DEFAULT '';",
    3: """
ALTER TABLE vectors ADD COLUMN windows INTEGER NOT NULL DEFAULT 1;
CREATE INDEX long_chunks ON vectors (embedder, key, windows) WHERE windows > 1;
""",
    # `same_text` is a function of ours: `acclimate.indexes.same`.
    4: """
ALTER TABLE documents ADD COLUMN sketch BLOB;
ALTER TABLE chunks ADD COLUMN same INTEGER NOT NULL DEFAULT 0;
UPDATE chunks SET same = same_text(text, header, headings, (SELECT title FROM documents d WHERE d.id = document));
CREATE INDEX chunks_by_same ON chunks (same);
""",
}


def statements(script: str) -> list[str]:
    """A script's statements; triggers hold semicolons of their own. (`executescript` would
    commit.)"""
    statements, current = [], ""
    for line in script.strip().splitlines():
        current += line + "\n"
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def dump_elements(document: Document) -> str:
    """A document's elements as JSON."""
    rows = [
        [e.kind, e.start, e.end, e.level, e.page, list(asdict(e.box).values()) if e.box else None]
        + ([dict(e.metadata)] if e.metadata else [])
        for e in document.elements
    ]
    return json.dumps(rows, separators=(",", ":"))


def load_elements(text: str) -> tuple[Element, ...]:
    """Elements from `dump_elements`."""
    return tuple(
        Element(row[0], row[1], row[2], row[3], row[4], Box(*row[5]) if row[5] else None, *row[6:])
        for row in json.loads(text)
    )
