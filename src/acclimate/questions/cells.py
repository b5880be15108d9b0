"""One field of a foreign row: the texts in it, read by stated rules and never by a guess.

A list, a JSON list in a cell and a Python list in a cell (as pandas writes one) are several texts.
A plain cell is one text; only in a column whose name is a plural (`answers`) do " | ", then "; ",
separate several. Marks without the space belong to the text: `A|B|7` is one answer.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SEPARATORS = (" | ", "; ")
_INNER = (
    "text",
    "answer",
    "answers",
    "output",
    "value",
    "content",
    "question",
    "query",
    "input",
    "prompt",
    "expected",
)
_CUT = "several answers in one cell, separated by '{}'"
_WHOLE = "an answer that holds '{}', kept whole"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a field, and what was done to it that not every reader would do ("" where
    nothing)."""

    values: tuple[str, ...]
    note: str = ""


def read_texts(value: object, *, plural: bool = False, separator: str | None = None) -> Texts:
    """The texts of a field, without those that are empty. `separator` None: by the rules above; "":
    none separates.

    Raises ValueError where the value is no text and no list of texts.
    """
    if value is None:
        return Texts(())
    if isinstance(value, bool):
        return Texts(("yes" if value else "no",), "true and false read as 'yes' and 'no'")
    if isinstance(value, int | float):
        return Texts((str(value),))
    if isinstance(value, Mapping):
        return _read_mapping(value)
    if isinstance(value, str):
        return _read_cell(value, plural=plural, separator=separator)
    if isinstance(value, Sequence):
        parts = [read_texts(one, separator="") for one in value]
        return Texts(
            tuple(text for part in parts for text in part.values),
            next((p.note for p in parts if p.note), ""),
        )
    raise ValueError(f"{value!r} is no text")


def _read_cell(cell: str, *, plural: bool, separator: str | None) -> Texts:
    text = cell.strip()
    if separator:
        return Texts(
            _full(text.split(separator)), _CUT.format(separator) if separator in text else ""
        )
    if separator is None:
        if (listed := _listed(text)) is not None:
            return Texts(_full(map(str, listed)), "a list in a cell")
        for mark in _SEPARATORS:
            if mark in text:
                return (
                    Texts(_full(text.split(mark)), _CUT.format(mark))
                    if plural
                    else _whole(text, mark)
                )
        if plural and (bare := next((mark for mark in "|;" if mark in text), "")):
            return _whole(text, bare)
    return Texts(_full([text]))


def _whole(text: str, mark: str) -> Texts:
    return Texts((text,), _WHOLE.format(mark))


def _listed(text: str) -> list[object] | None:
    """A list of texts and numbers in JSON or Python; None for anything else, such as an answer in
    brackets."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(one, str | int | float) for one in found):
            # A number alone in brackets is a citation or an interval; only texts are certainly a
            # list.
            return found if any(isinstance(one, str) for one in found) else None
    return None


def _read_mapping(value: Mapping[str, object]) -> Texts:
    """SQuAD's {"text": [...]}, TriviaQA's {"value", "aliases"}, and objects with one text that its
    key names."""
    if "aliases" in value and "value" in value:
        return Texts(
            _full([*read_texts(value["value"]).values, *read_texts(value["aliases"]).values])
        )
    names = [name for name in value if str(name).casefold() in _INNER] or (
        list(value) if len(value) == 1 else []
    )
    if len(names) != 1:
        raise ValueError(
            f"an object with the keys {', '.join(map(str, value)) or '(none)'} is no single text"
        )
    return read_texts(value[names[0]], separator="")


def _full(texts: Sequence[str] | map[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
