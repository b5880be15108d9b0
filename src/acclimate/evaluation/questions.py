"""Question sets: `questions.jsonl`, one question a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.errors import SettingsError
from acclimate.types import Question


def read_questions(file: Path) -> list[Question]:
    """The questions in `file`, in order; keys that are not of a Question are left out.

    Raises SettingsError naming file, line and what is wrong: broken JSON, a missing key, an id that comes twice, an
    answerable question without answers.
    """
    questions: dict[str, Question] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            question = _question(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise SettingsError(f"{file}, line {number}: {reason}.") from error
        if question.id in questions:
            raise SettingsError(f"{file}, line {number}: the id '{question.id}' comes a second time.")
        questions[question.id] = question
    return list(questions.values())


def _question(row: Mapping[str, Any]) -> Question:
    question = Question(
        id=str(row["id"]),
        question=str(row["question"]),
        answers=tuple(str(answer) for answer in row.get("answers") or ()),
        document=row.get("document"),
        evidence=row.get("evidence"),
        answerable=bool(row.get("answerable", True)),
        kind=str(row.get("kind", "")),
        split=str(row.get("split", "")),
    )
    if not question.question.strip():
        raise ValueError("the question is empty")
    if question.answerable and not question.answers:
        raise ValueError("an answerable question needs answers")
    return question
