"""What people say of answers that they were given: kept beside the question set, one row an answer.

A row holds the question with what was said before it, the answer, the thumb, what its reader says is
right, and where the answer comes from: recipe, model, the fingerprint of the prompt template and the
passages that were shown, as places in documents. It is a proposal until a reviewer has accepted or
rejected it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import TypeAdapter

from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.system import ending
from acclimate.types import Answer, Exchange

MOST_TEXT = 10_000
"""Characters of what somebody may say is right."""


@dataclass(frozen=True, slots=True)
class Place:
    """Characters of a document, and the SHA-256 of them: what stands there later may be another
    text."""

    document: str
    start: int
    end: int
    sha256: str

    @classmethod
    def of(cls, document: str, start: int, text: str) -> Place:
        """The place of a text that begins at `start`."""
        return cls(document, start, start + len(text), _digest(text))

    def read(self, whole: str | None) -> str | None:
        """What stands there in the document's text; None where that is not what was shown."""
        found = None if whole is None else whole[self.start : self.end]
        return found if found is not None and _digest(found) == self.sha256 else None


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it was given: what feedback on it keeps. `marked` is the text with its citation
    marks; `template` the prompt template's fingerprint."""

    question: str
    text: str
    marked: str
    abstained: bool
    recipe: str
    model: str
    template: str
    passages: tuple[Place, ...] = ()
    citations: tuple[Place, ...] = ()
    turns: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """What `by` (a key's name) said of an answer on `created` (ISO 8601, UTC).

    `right` is the thumb. `correction` is what is right instead, "" where nothing was said;
    `unanswerable` says that the documents do not hold it. `status` is the reviewer's word: "",
    "accepted" or "rejected"; `became` is the question that it went to.
    """

    id: str
    given: Given
    right: bool
    correction: str = ""
    unanswerable: bool = False
    by: str = ""
    created: str = ""
    status: Literal["", "accepted", "rejected"] = ""
    became: str = ""


_ROW = TypeAdapter(Feedback)


def given_of(answer: Answer, turns: Sequence[Exchange] = ()) -> Given:
    """What feedback keeps of an answer."""
    return Given(
        answer.question.strip(),
        answer.text,
        answer.marked,
        answer.abstained,
        answer.recipe,
        answer.model,
        answer.template,
        tuple(
            Place.of(hit.chunk.document, hit.chunk.start, hit.chunk.text)
            for hit in answer.prompt.passages
        ),
        tuple(Place.of(one.document, one.start, one.quote) for one in answer.citations),
        tuple(turns),
    )


class FeedbackFile:
    """A `feedback.jsonl`; writers wait for each other, and a file is replaced whole or not at
    all."""

    def __init__(self, file: Path, lock: Path) -> None:
        self._file, self._lock = file, lock

    def rows(self) -> list[Feedback]:
        """All rows in the order in which they came. Raises SettingsError naming a line that is
        none."""
        found = []
        for number, row in jsonlines.read_rows(self._file):
            try:
                found.append(_ROW.validate_python(row))
            except ValueError as error:
                raise SettingsError(
                    f"{self._file}, line {number} is no feedback: {str(error).splitlines()[0]}.",
                    hint="Correct the line, or remove it.",
                ) from error
        return found

    def find(self, name: str) -> Feedback:
        """A row by its id. Raises SettingsError where there is none."""
        for row in self.rows():
            if row.id == name:
                return row
        raise SettingsError(f"there is no feedback '{name}'.", hint="acclimate feedback list")

    def put(self, new: Feedback) -> None:
        """Add a row, or put it in the place of the one with its id: whoever changes a thumb takes
        the first word back. Raises SettingsError where that was reviewed already."""

        def change(rows: list[Feedback]) -> list[Feedback]:
            old = next((row for row in rows if row.id == new.id), None)
            if old is None:
                return [*rows, new]
            if old.status and not new.status:
                raise SettingsError("this feedback was reviewed already.")
            return [new if row.id == new.id else row for row in rows]

        self.change(change)

    def change(self, make: Callable[[list[Feedback]], Sequence[Feedback]]) -> None:
        """Put what `make` makes of all rows in their place."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock), ending.held():
            jsonlines.write(self._file, [asdict(row) for row in make(self.rows())])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
