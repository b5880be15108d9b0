"""Question sets that others made: CSV, JSON Lines, JSON and YAML in the forms of `forms.py`, SQuAD,
BEIR.

bytes → rows with their lines (acclimate.files.rows) → one reading for all rows (forms) → texts of
each field (cells) → rows of `questions.jsonl`. What was understood how is told; what is not certain
is an error with its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from acclimate.errors import DataError, SettingsError
from acclimate.files import jsonlines
from acclimate.files.rows import read_rows
from acclimate.questions.cells import read_texts
from acclimate.questions.corpora import SaveDocument, read_beir, read_pairs, read_squad
from acclimate.questions.file import QuestionRow, to_question
from acclimate.questions.forms import (
    FORMATS,
    KNOWN,
    Reading,
    choose_reading,
    squash,
    wrong_form,
)
from acclimate.questions.promptfoo import is_promptfoo, plain_row

# Keys of objects that hold rows.
_LISTS = (
    "goldens",
    "tests",
    "examples",
    "questions",
    "samples",
    "rows",
    "dataset",
)
_SPLITS = {"validation": "dev", "valid": "dev", "val": "dev"}
_YES, _NO = ("true", "1", "yes", "y"), ("false", "0", "no", "n")
_KNOWN = (
    "Known: CSV, JSON Lines or JSON with 'question' and 'answer', also as ragas, DeepEval, "
    "LangSmith, LlamaIndex, Haystack, "
    "OpenAI evals and Kiln call them; promptfoo's tests (CSV, JSON, YAML); SQuAD JSON; a BEIR folder."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The user's own word on a set: `columns` field → key; `separator` between answers in one cell
    (None: by the rules of `cells.py`; "": none); `unanswerable`: rows without an answer are
    questions that the documents do not answer; `form`: the form that it must have, a key of
    `forms.FORMATS` ("": any)."""

    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    unanswerable: bool = False
    form: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Rows of `questions.jsonl`, and how the set was understood, in lines."""

    rows: tuple[QuestionRow, ...]
    summary: tuple[str, ...] = ()


def read_foreign(
    path: Path, save: SaveDocument | None = None, rules: Rules | None = None
) -> Foreign:
    """The questions in a file or folder; the format is detected from the content.

    SQuAD and BEIR bring texts of their own, which go to `save`; without it their questions name no
    document. Raises SettingsError with the line where the form is not known or not certain, or a
    question or its answer is missing.
    """
    rules = rules or Rules()
    try:
        found = _read(path, save, rules)
    except DataError as error:
        raise SettingsError(str(error), hint=error.hint or _KNOWN) from error
    if not found.rows:
        raise SettingsError(f"{path} holds no questions.", hint=_KNOWN)
    for number, row in enumerate(found.rows, start=1):
        try:
            to_question({"id": number} | row)
        except (ValueError, TypeError) as error:
            raise SettingsError(f"{path}, question {number}: {error}.") from error
    return found


def _read(path: Path, save: SaveDocument | None, rules: Rules) -> Foreign:
    if path.is_dir():
        if rules.form:
            raise wrong_form(str(path), rules.form)
        return Foreign(tuple(read_beir(path, save)), ("BEIR: the relevant text is the answer",))
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _from_object(path, _yaml(path), save, rules)
    if suffix == ".json" and (text := jsonlines.read_text(path)).lstrip()[:1] != "[":
        try:
            return _from_object(path, jsonlines.parse(text), save, rules)
        except ValueError as error:
            raise SettingsError(
                f"{path} cannot be read as questions: {error}.", hint=_KNOWN
            ) from error
    held = read_rows(path)
    if held.problems:
        first = held.problems[0]
        raise SettingsError(f"{path}, {first.place} {first.reason}.", hint=first.remedy)
    return _from_rows(
        path, [(f"{path}, {row.place}", dict(row.values)) for row in held.rows], rules, held.layout
    )


def _yaml(path: Path) -> Any:
    """Every scalar stays the text that it is: 12.50, no, 2024-05-01."""
    try:
        # The base loader makes texts only.
        return yaml.load(jsonlines.read_text(path), Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(
            f"{path} is not YAML: {' '.join(str(error).split())}.", hint=_KNOWN
        ) from error


def _from_object(path: Path, value: Any, save: SaveDocument | None, rules: Rules) -> Foreign:
    held = value
    if isinstance(value, Mapping):
        if (own := _with_texts(path, value, save, rules)) is not None:
            return own
        if isinstance(value.get("data"), list) and all(
            isinstance(one, Mapping) for one in value["data"]
        ):
            held = value["data"]
        elif (columns := _columns(value)) is not None:
            held = columns
        else:
            named = next(
                (value[name] for name in _LISTS if isinstance(value.get(name), list)), None
            )
            held = [value] if named is None and {"question", "vars"} & value.keys() else named
    if not isinstance(held, list) or not all(isinstance(one, Mapping) for one in held):
        found = (
            f" and has the keys {', '.join(map(str, value))}"
            if isinstance(value, Mapping) and value
            else ""
        )
        raise SettingsError(
            f"{path} cannot be read as questions: it holds no list of rows{found}.", hint=_KNOWN
        )
    numbered = [(f"{path}, question {n}", _lower(one)) for n, one in enumerate(held, start=1)]
    return _from_rows(path, numbered, rules, "an object")


def _with_texts(
    path: Path, value: Mapping[str, Any], save: SaveDocument | None, rules: Rules
) -> Foreign | None:
    """A set that brings its own texts; None for any other."""
    articles = value.get("data")
    if isinstance(articles, list) and any(
        isinstance(one, Mapping) and "paragraphs" in one for one in articles
    ):
        made, form = read_squad(value, str(path), save), "SQuAD"
        told = "the sentence around the answer is the evidence"
    elif {"queries", "corpus", "relevant_docs"} <= value.keys():
        made, form = read_pairs(value, str(path), save), "LlamaIndex"
        told = "the relevant text is the answer"
    else:
        return None
    if rules.form and form not in FORMATS[rules.form]:
        raise wrong_form(str(path), rules.form, value.keys())
    return Foreign(tuple(made), (f"{form}: {told}",))


def _columns(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a table that is written column by column, as data sets' `to_dict` does; None for
    anything else."""
    asked = any(squash(str(name)) in KNOWN["question"] for name in value)
    lists = [column for column in value.values() if isinstance(column, list)]
    if not asked or len(lists) < len(value) or len({len(column) for column in lists}) != 1:
        return None
    return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]


def _lower(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).strip().casefold(): value for key, value in row.items()}


def _from_rows(
    path: Path, placed: list[tuple[str, dict[str, Any]]], rules: Rules, layout: str
) -> Foreign:
    notes: Counter[str] = Counter()
    form = ""
    if all(isinstance(row.get("item"), Mapping) for _, row in placed):  # of OpenAI's evals
        placed = [(place, _lower(row["item"])) for place, row in placed]
        form = "OpenAI evals, item → "
    if not rules.form and is_promptfoo(set(_names(placed))):
        placed = [(place, _promptfoo(row, place, notes)) for place, row in placed]
        form = "promptfoo, "
    reading = choose_reading(_names(placed), str(path), rules.columns, rules.form)
    rows = tuple(_row(row, place, reading, rules, notes) for place, row in placed)
    counted = [f"{count} rows: {what}" for what, count in notes.items()]
    return Foreign(rows, (f"{layout}, {form}{reading.summary()}", *counted))


def _names(placed: Sequence[tuple[str, dict[str, Any]]]) -> tuple[str, ...]:
    """The columns of all rows, in the order in which they come first."""
    names: dict[str, None] = {}
    for _, row in placed:
        names |= dict.fromkeys(row)
    return tuple(names)


def _promptfoo(row: dict[str, Any], place: str, notes: Counter[str]) -> dict[str, Any]:
    try:
        return _lower(plain_row(row, notes))
    except ValueError as error:
        raise SettingsError(f"{place}: {error}.") from error


def _row(
    values: Mapping[str, Any], place: str, reading: Reading, rules: Rules, notes: Counter[str]
) -> QuestionRow:
    """A row as `reading` says. Raises SettingsError where there is no question, or no answer to one
    that should have it."""
    fields = {
        what: [values.get(reading.names[key]) for key in keys]
        for what, keys in reading.means.items()
    }
    try:
        row: QuestionRow = {"question": _question(fields["question"][0], notes)}
        answers = list(_answers(fields["answers"], reading, rules, notes))
        answerable = _answerable(fields, reading)
        row |= dict(_others(fields, notes))
    except ValueError as error:
        raise SettingsError(f"{place}: {error}.", hint=_KNOWN) from error
    if (
        not answers
        and answerable is None
        and (rules.unanswerable or _said_empty(fields["answers"]))
    ):
        answerable = False
    row["answerable"] = answerable is not False
    if not answers and row["answerable"]:
        raise SettingsError(
            f"{place}: there is no answer.",
            hint="Give one, or a column 'answerable' with 'no'; all such rows: --unanswerable.",
        )
    return row | {"answers": answers if row["answerable"] else []}


def _question(value: Any, notes: Counter[str]) -> str:
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, Mapping) and "role" in one for one in value)
    ):
        asked = [one.get("content") for one in value if one["role"] == "user"]
        if len(asked) != 1:
            raise ValueError(
                f"a conversation with {len(asked)} turns of the user is no single question"
            )
        if len(value) > 1:
            notes["other turns than the user's are not read"] += 1
        value = asked[0]
    texts = read_texts(value, separator="").values
    if not texts:
        raise ValueError("there is no question")
    if len(texts) > 1:
        raise ValueError(f"{len(texts)} texts are no single question")
    return texts[0]


def _answers(
    values: list[Any], reading: Reading, rules: Rules, notes: Counter[str]
) -> Iterator[str]:
    numbered = len(values) > 1
    separator = "" if numbered and rules.separator is None else rules.separator
    known: set[str] = set()
    for value in values:
        texts = read_texts(value, plural=reading.plural, separator=separator)
        if texts.note:
            notes[texts.note] += 1
        yield from (text for text in texts.values if text not in known)
        known |= set(texts.values)


def _said_empty(values: list[Any]) -> bool:
    """Whether the row says by itself that nothing answers it: SQuAD's rows with an empty list of
    places."""
    return (
        len(values) == 1 and isinstance(values[0], Mapping) and values[0].get("answer_start") == []
    )


def _answerable(fields: Mapping[str, list[Any]], reading: Reading) -> bool | None:
    """What the row says of it; None where it says nothing."""
    given = str(fields["answerable"][0] if fields["answerable"] else "").strip().casefold()
    if given in ("", "none"):
        return None
    if given not in (*_YES, *_NO):
        raise ValueError(
            f"'{given}' in '{reading.names[reading.means['answerable'][0]]}' is neither yes nor no"
        )
    return (given in _YES) == (reading.means["answerable"][0] == "answerable")


def _others(fields: Mapping[str, list[Any]], notes: Counter[str]) -> Iterator[tuple[str, str]]:
    for what in ("document", "evidence", "id", "kind", "split"):
        if not fields[what]:
            continue
        texts = read_texts(fields[what][0], separator=None if what == "evidence" else "").values
        if not texts:
            continue
        if len(texts) > 1:
            notes[f"several texts as {what}, the first is kept"] += 1
        yield what, _split(texts[0], notes) if what == "split" else texts[0]


def _split(name: str, notes: Counter[str]) -> str:
    split = name.casefold()
    if split in _SPLITS:
        notes[f"split '{name}' read as '{_SPLITS[split]}'"] += 1
        split = _SPLITS[split]
    if split not in ("train", "dev", "test"):
        raise ValueError(f"there is no split '{name}'; splits are train, dev and test")
    return split
