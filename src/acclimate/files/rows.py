"""The rows of a data file with the line that each begins on: JSON Lines, a JSON list, or CSV with a
header."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from acclimate.errors import DataError
from acclimate.files import jsonlines
from acclimate.files.jsonlines import KeyTwiceError

Layout = Literal["JSON Lines", "JSON list", "CSV"]
_SPACE = re.compile(r"\s*")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# What Excel writes and reads before the header.
_SEP = re.compile(r'"?sep=([,;\t])"?\r?\n', re.IGNORECASE)
_LONGEST_CELL = 2**31 - 1  # characters; Python's own limit is 131,072


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row begins: its line, and in a JSON list, which may all stand on one line, its
    number; from 1."""

    line: int
    item: int = 0

    def __str__(self) -> str:
        return f"line {self.line}, item {self.item}," if self.item else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used for training, and the remedy. `reason` continues "line 12 …"."""

    place: Place
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Row:
    """An object of the file, or a row of its table. Keys are in lower case."""

    place: Place
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file holds, and what of it is no row."""

    layout: str
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def read_rows(file: Path) -> Rows:
    """Read a file. Raises DataError where the whole of it cannot be: not there, not UTF-8, no list
    of objects."""
    text = _text(file)
    if file.suffix.lower() in (".csv", ".tsv"):
        return _csv(file, text)
    found = list(_list(file, text)) if text.lstrip().startswith("[") else list(_lines(text))
    rows = tuple(one for one in found if isinstance(one, Row))
    problems = tuple(one for one in found if isinstance(one, Problem))
    if not rows and text.lstrip().startswith("{") and len(problems) > 1:
        raise DataError(
            f"{file} is one object over several lines, not one object a line.",
            hint="Put each on a line of its own, or all into one list; question sets: acclimate "
            "questions import.",
        )
    return Rows("JSON list" if text.lstrip().startswith("[") else "JSON Lines", rows, problems)


def _text(file: Path) -> str:
    text = jsonlines.read_text(file, DataError)
    if not text.strip():
        raise DataError(f"{file} is empty.", hint="Give a file with rows.")
    return text


def _lines(text: str) -> Iterator[Row | Problem]:
    for line in jsonlines.lines(text):
        try:
            yield _row(Place(line.number), jsonlines.parse(line.text))
        except KeyTwiceError as error:
            yield _twice(Place(line.number), error)
        except ValueError as error:
            yield Problem(Place(line.number), f"is {error}", "Write one whole object a line.")


def _list(file: Path, text: str) -> Iterator[Row | Problem]:
    decoder = json.JSONDecoder(object_pairs_hook=jsonlines.once)
    at, line, counted = text.index("[") + 1, 1, 0
    for number in count(1):
        at = _after_space(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if text.startswith("]", at):
            break
        try:
            value, at = decoder.raw_decode(text, at)
            yield _row(Place(line, number), value)
        except KeyTwiceError as error:
            raise DataError(
                f"{file}: the object that begins on line {line} has '{error.key}' twice."
            ) from error
        except RecursionError as error:
            raise DataError(
                f"{file}, line {line}: not JSON: too many brackets inside each other."
            ) from error
        except json.JSONDecodeError as error:
            raise DataError(
                f"{file}, line {error.lineno}: not JSON: {error.msg}.",
                hint="Correct it, or write one object a line.",
            ) from error
        at = _after_space(text, at)
        if text.startswith(",", at):
            at += 1
        elif not text.startswith("]", at):
            where = text.count("\n", 0, at) + 1
            raise DataError(
                f"{file}, line {where}: not JSON: ',' or ']' is missing.", hint="Correct the list."
            )
    if rest := text[at + 1 :].strip():
        raise DataError(
            f"{file}: {len(rest)} characters follow the list's end.", hint="Keep one list."
        )


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _csv(file: Path, text: str) -> Rows:
    csv.field_size_limit(_LONGEST_CELL)
    before, mark = _opening(file, text)
    reader = csv.reader(io.StringIO(text[before:], newline=""), delimiter=mark, strict=True)
    skipped = text.count("\n", 0, before)
    lines = _csv_lines(file, reader, skipped)
    names = [name.strip().casefold() for name in next(lines)[1]]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        where = f"{file}, line {skipped + 1}"
        raise DataError(
            f"{where}: the column '{twins[0]}' comes twice.", hint="Name each column once."
        )
    rows, problems = [], []
    for line, cells in lines:
        if len(cells) != len(names):
            remedy = "Put a cell that holds the separator into double quotes."
            problems.append(
                Problem(Place(line), f"has {len(cells)} cells under {len(names)} columns", remedy)
            )
        else:
            rows.append(Row(Place(line), dict(zip(names, cells, strict=True))))
    return Rows(f"CSV, separated by {_DELIMITERS[mark]}", tuple(rows), tuple(problems))


def _opening(file: Path, text: str) -> tuple[int, str]:
    """Where the header begins, after empty lines and Excel's `sep=`, and the separator.

    Raises DataError where it is not certain.
    """
    before = len(text) - len(text.lstrip("\r\n"))
    if told := _SEP.match(text, before):
        return told.end(), told[1]
    head = text[before:].split("\n", 1)[0]
    counts = {mark: head.count(mark) for mark in _DELIMITERS}
    best = [mark for mark, count in counts.items() if count == max(counts.values())]
    if not max(counts.values()) or len(best) > 1:
        found = (
            " and ".join(_DELIMITERS[mark] for mark in best) if max(counts.values()) else "nothing"
        )
        line = text.count("\n", 0, before) + 1
        raise DataError(
            f"{file}, line {line}: {found} could separate the columns.",
            hint="Begin with a header like question,answer or prompt,completion.",
        )
    return before, best[0]


def _csv_lines(file: Path, reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the line that each begins on."""
    line = skipped + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{file}, line {line}: not CSV: {error}.",
                hint='Put a quote inside a cell twice: "say ""hi""".',
            ) from error
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = skipped + reader.line_num + 1


def _row(place: Place, value: object) -> Row | Problem:
    if not isinstance(value, dict):
        return Problem(
            place,
            f"holds {_kind(value)}, not an object",
            'Write {"prompt": "…", "completion": "…"}.',
        )
    lower = [str(name).strip().casefold() for name in value]
    if twins := [name for name in lower if lower.count(name) > 1]:
        return _twice(place, KeyTwiceError(twins[0]))
    return Row(place, dict(zip(lower, value.values(), strict=True)))


def _twice(place: Place, error: KeyTwiceError) -> Problem:
    return Problem(place, f"has the key '{error.key}' twice", "Keep the one that is meant.")


def _kind(value: object) -> str:
    kinds = {
        str: "a text",
        list: "a list",
        bool: "a yes or no",
        int: "a number",
        float: "a number",
        dict: "an object",
    }
    return kinds.get(type(value), "nothing")
