"""Conversations that people keep: what they asked and were answered, in an SQLite file of the
project.

Only what the server itself answered gets in. What is deleted is overwritten in the file.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acclimate.errors import LibraryError
from acclimate.indexes.readonly import can_write, refusal

MOST_CONVERSATIONS, MOST_ANSWERS = 1000, 400
"""Of one person, and of one conversation."""

MOST_TITLE = 120  # characters
_VERSION = 1
_SCHEMA = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
    created TEXT NOT NULL, changed TEXT NOT NULL, link TEXT UNIQUE, linked INTEGER NOT NULL
);
CREATE INDEX by_owner ON conversations (owner, changed);
CREATE TABLE answers (
    number INTEGER PRIMARY KEY, conversation TEXT NOT NULL
        REFERENCES conversations (id) ON DELETE CASCADE,
    turn TEXT NOT NULL, question TEXT NOT NULL, filters TEXT NOT NULL, documents TEXT NOT NULL,
    needs TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX by_conversation ON answers (conversation, number);
"""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation of `owner` (a caller's id; `name` is for people). Times are ISO 8601, UTC.
    `link` opens its first `linked` answers for others; None: for nobody."""

    id: str
    owner: str
    name: str
    title: str
    created: str
    changed: str
    link: str | None
    linked: int


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer. Answers of one `turn` are to the same question. `documents` are the paths of all
    that was read for it; `needs` are labels without which it may not be read, as it may hold what
    no passage tells of; `body` is what was sent."""

    turn: str
    question: str
    filters: tuple[str, ...]
    documents: tuple[str, ...]
    needs: tuple[str, ...]
    body: dict[str, Any]


class ConversationStore:
    """The conversations in `file`, which is made when the first is. Safe to use from several
    threads.

    What is not the owner's own is not there for them: methods give None or False then. Raises
    LibraryError where the file cannot be written, or is of a newer version.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not can_write(file if file.exists() else file.parent):
            raise refusal(file, ", and [serve] conversations = 'kept'")
        with closing(os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))):
            pass  # readable by its owner only
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, timeout=30, check_same_thread=False, isolation_level=None)
        for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._prepare(file)

    def all_of(self, owner: str) -> list[Conversation]:
        """Somebody's conversations, the last changed first."""
        rows = self._rows(
            "SELECT * FROM conversations WHERE owner = ? ORDER BY changed DESC, id", owner
        )
        return [Conversation(*row) for row in rows]

    def find(self, owner: str, name: str) -> Conversation | None:
        """One of somebody's conversations."""
        rows = self._rows("SELECT * FROM conversations WHERE owner = ? AND id = ?", owner, name)
        return Conversation(*rows[0]) if rows else None

    def linked(self, link: str) -> Conversation | None:
        """The conversation that a link opens."""
        rows = self._rows("SELECT * FROM conversations WHERE link = ?", link)
        return Conversation(*rows[0]) if rows else None

    def answers(self, name: str) -> list[KeptAnswer]:
        """The answers of a conversation, as they came."""
        rows = self._rows(
            "SELECT turn, question, filters, documents, needs, body FROM answers "
            "WHERE conversation = ? ORDER BY number",
            name,
        )
        return [
            KeptAnswer(
                turn, question, _tuple(filters), _tuple(documents), _tuple(needs), _dict(body)
            )
            for turn, question, filters, documents, needs, body in rows
        ]

    def count(self, name: str) -> int:
        """How many answers a conversation has."""
        rows = self._rows("SELECT count(*) FROM answers WHERE conversation = ?", name)
        return int(rows[0][0])

    def create(self, owner: str, name: str) -> Conversation | None:
        """Begin a conversation, which has no title until the first answer; None where there are
        too many."""
        now = _now()
        made = Conversation(secrets.token_urlsafe(12), owner, name, "", now, now, None, 0)
        with self._changing():
            if len(self.all_of(owner)) >= MOST_CONVERSATIONS:
                return None
            self._db.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (made.id, owner, name, "", made.created, made.changed, None, 0),
            )
        return made

    def add(self, owner: str, name: str, answer: KeptAnswer) -> bool:
        """Keep an answer; False where the conversation is gone, or full."""
        lists = (answer.filters, answer.documents, answer.needs)
        with self._changing():
            held = self.find(owner, name)
            if held is None or self.count(name) >= MOST_ANSWERS:
                return False
            self._db.execute(
                "INSERT INTO answers (conversation, turn, question, filters, documents, needs, "
                "body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (name, answer.turn, answer.question, *map(_json, lists), _json(answer.body)),
            )
            title = held.title or title_of(answer.question)
            self._db.execute(
                "UPDATE conversations SET title = ?, changed = ? WHERE id = ?",
                (title, _now(), name),
            )
        return True

    def rename(self, owner: str, name: str, title: str) -> bool:
        """Give a conversation another title."""
        return self._changed(
            "UPDATE conversations SET title = ? WHERE owner = ? AND id = ?", title, owner, name
        )

    def share(self, owner: str, name: str) -> Conversation | None:
        """Open what was answered until now to whoever has the link; a link that is there stays."""
        with self._changing():
            held = self.find(owner, name)
            if held is None:
                return None
            link = held.link or secrets.token_urlsafe(24)
            self._db.execute(
                "UPDATE conversations SET link = ?, linked = ? WHERE id = ?",
                (link, self.count(name), name),
            )
            return self.find(owner, name)

    def unshare(self, owner: str, name: str) -> bool:
        """Take the link away: it opens nothing any more."""
        return self._changed(
            "UPDATE conversations SET link = NULL, linked = 0 WHERE owner = ? AND id = ?",
            owner,
            name,
        )

    def delete(self, owner: str, name: str) -> bool:
        """Delete a conversation, and its link."""
        return self._changed("DELETE FROM conversations WHERE owner = ? AND id = ?", owner, name)

    def delete_all(self, owner: str) -> int:
        """Delete all of somebody's conversations; how many there were."""
        with self._changing():
            return self._db.execute("DELETE FROM conversations WHERE owner = ?", (owner,)).rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _prepare(self, file: Path) -> None:
        version = self._rows("PRAGMA user_version")[0][0]
        if version > _VERSION:
            raise LibraryError(
                f"{file} was written by a newer version of Acclimate.", hint="Update Acclimate."
            )
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")

    def _changed(self, statement: str, *values: object) -> bool:
        with self._changing():
            return self._db.execute(statement, values).rowcount > 0

    def _rows(self, statement: str, *values: object) -> Sequence[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def title_of(question: str) -> str:
    """A title for a conversation that begins with `question`."""
    words = " ".join(question.split())
    return words if len(words) <= MOST_TITLE else f"{words[: MOST_TITLE - 1].rstrip()}…"


def _tuple(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _dict(text: str) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(text)
    return held


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
