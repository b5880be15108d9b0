"""Question sets: `questions.jsonl`, one question a line."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from acclimate import ending
from acclimate.errors import SettingsError
from acclimate.types import Question

Row = dict[str, Any]
"""A line of `questions.jsonl`: the fields of a `Question`, and whatever else its maker keeps with it."""


def read_questions(file: Path) -> list[Question]:
    """The questions in `file`, in order, without those that a reviewer rejected; keys that are not of a Question are
    left out.

    Raises SettingsError naming file, line and what is wrong: broken JSON, a missing key, an id that comes twice, an
    answerable question without answers.
    """
    questions: dict[str, Question] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            question = to_question(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise SettingsError(f"{file}, line {number}: {reason}.") from error
        if question.id in questions:
            raise SettingsError(f"{file}, line {number}: the id '{question.id}' comes a second time.")
        questions[question.id] = question
    return [question for question in questions.values() if question.status != "rejected"]


def to_question(row: Mapping[str, Any]) -> Question:
    """A row as a question. Raises ValueError, KeyError or TypeError where it is none."""
    question = Question(
        id=str(row["id"]),
        question=str(row["question"]),
        answers=tuple(str(answer) for answer in row.get("answers") or ()),
        document=row.get("document"),
        evidence=row.get("evidence"),
        answerable=bool(row.get("answerable", True)),
        kind=str(row.get("kind", "")),
        split=str(row.get("split", "")),
        documents=tuple(str(path) for path in row.get("documents") or ()),
        status=str(row.get("status", "")),
    )
    if not question.question.strip():
        raise ValueError("the question is empty")
    if question.answerable and not question.answers and question.status != "rejected":
        raise ValueError("an answerable question needs answers")
    return question


class QuestionFile:
    """A `questions.jsonl` that is written as well; keys that nobody here knows stay.

    Writers wait for each other (the lock is the server's too), and a file is replaced whole or not at all.
    """

    def __init__(self, file: Path, lock: Path) -> None:
        self._file, self._lock = file, lock

    def rows(self) -> list[Row]:
        """All lines, those of rejected questions too. Raises SettingsError where the file is no question set."""
        if not self._file.exists():
            return []
        read_questions(self._file)
        return [json.loads(line) for line in self._file.read_text(encoding="utf-8").splitlines() if line.strip()]

    def append(self, rows: Iterable[Row]) -> None:
        """Add questions at the end; they are on the disk when this returns."""
        added = list(rows)
        self.change(lambda held: [*held, *added])

    def update(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set keys of the questions with these ids; ids that are gone are passed over."""
        self.change(lambda held: [row | dict(changes.get(str(row["id"]), {})) for row in held])

    def change(self, make: Callable[[list[Row]], Sequence[Row]]) -> None:
        """Put what `make` makes of all rows in their place."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock), ending.held():
            lines = [json.dumps(row, ensure_ascii=False) for row in make(self.rows())]
            with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False, encoding="utf-8") as part:
                part.write("".join(f"{line}\n" for line in lines))
                part.flush()
                os.fsync(part.fileno())
            Path(part.name).chmod(self._file.stat().st_mode & 0o777 if self._file.exists() else 0o644)
            Path(part.name).replace(self._file)
