"""Answers of another system, or of a person, from a file: compared by the same statistics.

One JSON object a line: `id` of the question and `answer`; where they are known also `citations`
(a document's path, or an object with `document` and perhaps `quote`), `passages` (what the system
retrieved, best first, in the same form), `seconds`, `first_s`, `tokens` (a number, or an object
with `prompt` and `answer`), `abstained`, and `model`. An answer that is null or empty abstains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.errors import AcclimateError, SettingsError, nearest
from acclimate.evaluation.entry import Entry
from acclimate.files import jsonlines
from acclimate.prompting.citations import is_refusal
from acclimate.text.locating import find_words
from acclimate.types import Answer, Chunk, Citation, Hit, Prompt, Question, Span, Timings, Usage

FIELDS = (
    "id", "answer", "citations", "passages", "seconds", "first_s", "tokens", "abstained", "model",
)  # fmt: skip
_NAMED = 5  # ids that a note names
_TELLING = 3  # words of a line by which its place is known

Text = Callable[[str], str | None]
"""A document's text by its path; None where the library holds no such document."""


@dataclass(frozen=True, slots=True)
class Given:
    """A file's answers by question id."""

    name: str
    file: Path
    rows: Mapping[str, Mapping[str, Any]]

    def entry(self, text: Text) -> Entry:
        """What takes part in a comparison; `text` finds where quotes stand in the documents."""
        digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        return Entry(self.name, lambda: lambda asked: self._answer(asked, text), digest, given=True)

    def notes(self, asked: Sequence[Question]) -> list[str]:
        """What a reader must know of ids that do not match. Raises SettingsError where none does."""
        wanted = {question.id for question in asked}
        missing = [name for name in wanted if name not in self.rows]
        unknown = [name for name in self.rows if name not in wanted]
        if wanted and len(missing) == len(wanted):
            raise SettingsError(
                f"{self.file} answers none of the {len(wanted)} questions that are asked; its "
                f"first id is '{next(iter(self.rows), '')}'.",
                hint="Each line needs the id of a question in questions.jsonl; --split says which "
                "are asked.",
            )
        said = []
        if missing:
            said.append(
                f"{self.name} ({self.file.name}) has no answer to {len(missing)} of {len(wanted)} "
                f"questions, which counts as wrong: {_some(sorted(missing))}."
            )
        if unknown:
            said.append(
                f"{self.name} ({self.file.name}) answers {len(unknown)} questions that are not "
                f"asked here: {_some(unknown)}."
            )
        return said

    def _answer(self, asked: Question, text: Text) -> Answer:
        row = self.rows.get(asked.id)
        if row is None:
            raise AcclimateError(f"{self.file.name} has no answer to '{asked.id}'.")
        said = row.get("answer") or ""
        silent = row.get("abstained")
        abstained = is_refusal(said) if silent is None else silent
        found = _places(row, "passages")
        places = [*found, *_places(row, "citations")]
        hits = [_hit(one, rank, text) for rank, one in enumerate(places, start=1)]
        seconds = float(row.get("seconds") or 0.0)
        tokens = row.get("tokens") or 0
        counts = tokens if isinstance(tokens, Mapping) else {"answer": tokens}
        return Answer(
            question=asked.question,
            text=said,
            marked=said,
            abstained=abstained,
            citations=() if abstained else tuple(map(_citation, hits[len(found) :])),
            prompt=Prompt((), 0, tuple(hits)),
            usage=Usage(int(counts.get("prompt", 0)), int(counts.get("answer", 0)), len(found)),
            timings=Timings(0.0, float(row.get("first_s") or seconds), seconds),
            recipe=self.name,
            model=str(row.get("model") or ""),
            abstention="not_answered" if abstained else "",
        )


def read_given(option: str) -> Given:
    """The answers in a file, named as in NAME=FILE, else after the file.

    Raises SettingsError with the line of what cannot be read, of an unknown key, or of an id that
    comes twice.
    """
    name, equals, path = option.partition("=")
    file = Path(path if equals else option)
    if not file.is_file():
        raise SettingsError(
            f"--answers {option}: there is no file {file}.",
            hint="Give a file of JSON Lines: id, answer, citations, seconds, tokens.",
        )
    rows: dict[str, Mapping[str, Any]] = {}
    for number, row in jsonlines.read_rows(file):
        place = f"{file}, line {number}"
        _check(row, place)
        key = str(row["id"])
        if key in rows:
            raise SettingsError(f"{place}: the id '{key}' comes a second time.")
        rows[key] = row
    if not rows:
        raise SettingsError(f"{file} holds no answer.", hint='Write {"id": …, "answer": …} lines.')
    return Given(name if equals and name else file.stem, file, rows)


def _check(row: Any, place: str) -> None:
    """Raises SettingsError for a line that is no answer."""
    if not isinstance(row, dict):
        raise SettingsError(f"{place}: it is no object.", hint='Write {"id": …, "answer": …}.')
    for key in row:
        if key not in FIELDS:
            raise SettingsError(f"{place}: unknown key '{key}'.", hint=nearest(key, FIELDS))
    for key in ("id", "answer"):
        if key not in row:
            raise SettingsError(f"{place}: the key '{key}' is missing.")
    _check_values(row, place)
    for key in ("citations", "passages"):
        try:
            _places(row, key)
        except (TypeError, ValueError) as error:
            raise SettingsError(
                f"{place}: '{key}': {error}.",
                hint='Write paths, or objects: {"document": "a.md", "quote": "…"}.',
            ) from error


def _check_values(row: Mapping[str, Any], place: str) -> None:
    if isinstance(row["id"], bool) or not isinstance(row["id"], str | int):
        raise SettingsError(f"{place}: 'id' is {row['id']!r}, not the id of a question.")
    if not isinstance(row["answer"], str | None):
        raise SettingsError(f"{place}: 'answer' is {row['answer']!r}, neither text nor null.")
    if not isinstance(row.get("abstained"), bool | None):
        raise SettingsError(f"{place}: 'abstained' is {row['abstained']!r}, not true or false.")
    for key in ("seconds", "first_s"):
        _number(row.get(key), f"{place}: '{key}'")
    tokens = row.get("tokens")
    for key, value in (tokens if isinstance(tokens, dict) else {"answer": tokens}).items():
        if key not in ("prompt", "answer"):
            raise SettingsError(
                f"{place}: unknown key 'tokens.{key}'.", hint="Known: prompt, answer."
            )
        _number(value, f"{place}: 'tokens'")


def _number(value: object, what: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise SettingsError(f"{what} is {value!r}, not a number from 0 on.")


def _places(row: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    """Document and quote ("" for all of it) of what a row cites, or retrieved."""
    values = row.get(key) or []
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return [_place(value) for value in values]


def _place(value: object) -> tuple[str, str]:
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is neither a path nor an object")
    document, quote = value.get("document"), value.get("quote") or value.get("text") or ""
    if not isinstance(document, str) or not isinstance(quote, str):
        raise ValueError(f"{value!r} has no 'document' that is a path")
    return document, quote


def _hit(place: tuple[str, str], rank: int, text: Text) -> Hit:
    """A cited or retrieved place as a passage: its quote where that stands in the document.

    Without a quote the whole document is meant, whose text is not repeated; a quote that stands
    nowhere in it points to nothing.
    """
    document, quote = place
    whole = text(document) or ""
    span = _span(quote, whole) if quote else Span(0, len(whole))
    return Hit(Chunk(str(rank), document, span.start, span.end, quote), 0.0, rank)


def _span(quote: str, whole: str) -> Span:
    """Where a quote stands: as it is, else from the first of its lines to the last, where most of
    its words are found in order. Other systems read the same file to another text, with other
    spaces, marks and tables."""
    start = whole.find(quote)
    if start >= 0:
        return Span(start, start + len(quote))
    every = quote.strip().split("\n")
    # A line of a word or two stands in too many places, unless it is all there is.
    lines = [line for line in every if len(line.split()) >= _TELLING or len(every) == 1]
    found, at = [], 0
    for line in lines:
        span = find_words(line, whole[at:])
        if span is not None:
            found.append(Span(at + span.start, at + span.end))
            at = found[-1].end
    words = len(quote.split())
    held = sum(len(whole[one.start : one.end].split()) for one in found)
    return Span(found[0].start, found[-1].end) if 2 * held > words else Span(0, 0)


def _citation(hit: Hit) -> Citation:
    chunk = hit.chunk
    return Citation(hit.rank, chunk.document, chunk.start, chunk.end, chunk.text)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
