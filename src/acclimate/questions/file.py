"""Question sets: `questions.jsonl`, one question a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.system import ending
from acclimate.types import Exchange, Question

QuestionRow = dict[str, Any]
"""A line of `questions.jsonl`: the fields of a `Question`, and whatever else its maker keeps with
it."""


def read_questions(file: Path) -> list[Question]:
    """The questions in `file`, in order, without those that a reviewer rejected; keys that are not
    of a Question are left out.

    Raises SettingsError naming file, line and what is wrong: broken JSON, a missing key, an id that
    comes twice, an answerable question without answers.
    """
    rows = jsonlines.read_rows(file) if file.exists() else _missing(file)
    questions = _checked((f"{file}, line {number}", row) for number, row in rows)
    return [question for question in questions if question.status != "rejected"]


def _missing(file: Path) -> list[tuple[int, Any]]:
    raise SettingsError(f"there is no {file}.", hint="acclimate questions make, or import")


def _checked(rows: Iterable[tuple[str, QuestionRow]]) -> list[Question]:
    """The rows as questions. Raises SettingsError with the place of a row that is none, or whose id
    came before."""
    questions: dict[str, Question] = {}
    for place, row in rows:
        try:
            question = to_question(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise SettingsError(f"{place}: {reason}.") from error
        if question.id in questions:
            raise SettingsError(f"{place}: the id '{question.id}' comes a second time.")
        questions[question.id] = question
    return list(questions.values())


def to_question(row: Mapping[str, Any]) -> Question:
    """A row as a question. Raises ValueError, KeyError or TypeError where it is none."""
    if not isinstance(row, Mapping):
        raise TypeError("it is no object")
    answerable = row.get("answerable", True)
    if not isinstance(answerable, bool):
        raise ValueError(f"'answerable' is {answerable!r}, not true or false")
    question = Question(
        id=_text(row["id"], "id"),
        question=_text(row["question"], "question"),
        answers=_texts(row, "answers"),
        document=None if row.get("document") is None else _text(row["document"], "document"),
        evidence=None if row.get("evidence") is None else _text(row["evidence"], "evidence"),
        answerable=answerable,
        kind=_text(row.get("kind") or "", "kind"),
        split=_text(row.get("split") or "", "split"),
        documents=_texts(row, "documents"),
        status=_text(row.get("status") or "", "status"),
        facts=_facts(row),
        wrong=_patterns(_texts(row, "wrong"), "wrong"),
        rubric=_texts(row, "rubric"),
        turns=_turns(row),
        added=_text(row.get("added") or "", "added"),
    )
    if not question.question.strip():
        raise ValueError("the question is empty")
    if answerable and not any(map(str.strip, question.answers)) and question.status != "rejected":
        raise ValueError("an answerable question needs answers")
    return question


def _turns(row: Mapping[str, Any]) -> tuple[Exchange, ...]:
    """What was said before the question. Raises ValueError for what is no question and answer."""
    values = row.get("turns") or ()
    if not isinstance(values, list | tuple):
        raise ValueError(f"'turns' is {values!r}, not a list")
    turns = []
    for value in values:
        if not isinstance(value, Mapping) or not {"question", "answer"} <= value.keys():
            raise ValueError(f"'turns' holds {value!r}, not an object with 'question' and 'answer'")
        turns.append(Exchange(_text(value["question"], "turns"), _text(value["answer"], "turns")))
    return tuple(turns)


def _facts(row: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Key facts, each as alternative patterns; a text alone is a fact with one."""
    values = row.get("facts") or ()
    if not isinstance(values, list | tuple):
        raise ValueError(f"'facts' is {values!r}, not a list")
    return tuple(
        _patterns((fact,) if isinstance(fact, str) else _texts({"facts": fact}, "facts"), "facts")
        for fact in values
    )


def _patterns(values: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Raises ValueError for what is no regular expression, or matches any text."""
    for value in values:
        try:
            empty = re.compile(value).search("") is not None
        except re.error as error:
            raise ValueError(f"'{name}': {value!r} is no regular expression: {error}") from error
        if empty:
            raise ValueError(f"'{name}': {value!r} matches every text")
    return values


def _texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = row.get(name) or ()
    if not isinstance(values, list | tuple):
        raise ValueError(f"'{name}' is {values!r}, not a list")
    return tuple(_text(value, name) for value in values)


def _text(value: object, name: str) -> str:
    """A text, or a number as one. Raises ValueError for anything else, and for what UTF-8 cannot
    hold."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"'{name}' is {value!r}, not a text")
    text = str(value)
    if half := next((one for one in text if "\ud800" <= one <= "\udfff"), None):
        raise ValueError(f"'{name}' holds half a character (U+{ord(half):04X})")
    return text


class QuestionFile:
    """A `questions.jsonl` that is written as well; keys that nobody here knows stay.

    Writers wait for each other (the lock is the server's too), and a file is replaced whole or not
    at all.
    """

    def __init__(self, file: Path, lock: Path) -> None:
        self._file, self._lock = file, lock

    def rows(self) -> list[QuestionRow]:
        """All lines, those of rejected questions too. Raises SettingsError where the file is no
        question set."""
        rows = jsonlines.read_rows(self._file)
        _checked((f"{self._file}, line {number}", row) for number, row in rows)
        return [row for _, row in rows]

    def append(self, rows: Iterable[QuestionRow]) -> None:
        """Add questions at the end; they are on the disk when this returns."""
        added = list(rows)
        self.change(lambda held: [*held, *added])

    def update(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set keys of the questions with these ids; ids that are gone are passed over."""
        self.change(lambda held: [row | dict(changes.get(str(row["id"]), {})) for row in held])

    def change(self, make: Callable[[list[QuestionRow]], Sequence[QuestionRow]]) -> None:
        """Put what `make` makes of all rows in their place.

        Raises SettingsError for a row that could not be read afterwards; the file is as it was
        then.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock), ending.held():
            rows = list(make(self.rows()))
            _checked((f"the question {row.get('question')!r} cannot be kept", row) for row in rows)
            jsonlines.write(self._file, rows)
