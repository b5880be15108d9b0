"""Answers already given, so that a comparison goes on where it was stopped and repeats nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from acclimate.types import Answer

_ANSWER = TypeAdapter(Answer)


class AnswerCache:
    """Answers by what they depend on, in one SQLite file; each is on the disk when `put`
    returns."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, timeout=60)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) STRICT"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS loads (key TEXT PRIMARY KEY, parallel INTEGER NOT NULL) "
            "STRICT"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS judgements (key TEXT PRIMARY KEY, right INTEGER NOT NULL) "
            "STRICT"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS peaks (recipe TEXT PRIMARY KEY, mb REAL NOT NULL) STRICT"
        )

    def get(self, key: str) -> Answer | None:
        """The answer under `key`; None where there is none, or it was written by a version that
        kept other fields."""
        row = self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        try:
            return _ANSWER.validate_json(row[0]) if row else None
        except ValueError:
            return None

    def put(self, key: str, answer: Answer, parallel: int = 1) -> None:
        """Keep an answer, and how many were asked for at once while it was written."""
        self.put_all([(key, answer)], parallel)

    def put_all(self, answers: Sequence[tuple[str, Answer]], parallel: int = 1) -> None:
        """Keep answers with their keys; one wait for the disk serves all of them."""
        kept = [(key, _ANSWER.dump_json(answer).decode()) for key, answer in answers]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", kept)
            loads = [(key, parallel) for key, _ in kept]
            self._db.executemany("INSERT OR REPLACE INTO loads VALUES (?, ?)", loads)

    def parallel(self, key: str) -> int:
        """How many answers were asked for at once while that under `key` was written."""
        row = self._db.execute("SELECT parallel FROM loads WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 1

    def note_peak(self, recipe_key: str, mb: float) -> None:
        """Keep the highest peak memory seen while a recipe ran."""
        with self._db:
            self._db.execute(
                "INSERT INTO peaks VALUES (?, ?) ON CONFLICT DO UPDATE SET mb = max(mb, "
                "excluded.mb)",
                (recipe_key, mb),
            )

    def peak(self, recipe_key: str) -> float | None:
        """The peak memory recorded, in MB."""
        row = self._db.execute("SELECT mb FROM peaks WHERE recipe = ?", (recipe_key,)).fetchone()
        return float(row[0]) if row else None

    def judgement(self, key: str) -> bool | None:
        """A judge's word under `key`, None where it gave none yet."""
        row = self._db.execute("SELECT right FROM judgements WHERE key = ?", (key,)).fetchone()
        return bool(row[0]) if row else None

    def note_judgements(self, words: Sequence[tuple[str, bool]]) -> None:
        """Keep a judge's words with their keys."""
        kept = [(key, int(right)) for key, right in words]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO judgements VALUES (?, ?)", kept)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def answer_key(recipe_key: str, question: str) -> str:
    """The key of a recipe's answer to a question; `recipe_key` stands for everything else that the
    answer depends on."""
    return hashlib.sha256(f"{recipe_key}\n{question}".encode()).hexdigest()
