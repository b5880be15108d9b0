"""A user's own checks of answers: `checks.py:function`, `regex:…`, `contains:…`, `schema:FILE`.

Each gives 0 to 1, or None where it has nothing to say of a question, and takes part in a comparison
like the scores that ship. `NAME=` before it gives it a name.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acclimate.errors import SettingsError, nearest
from acclimate.prompting.replies import json_values
from acclimate.types import Answer, Question

KINDS = ("regex", "contains", "schema")
PREFIX = "check:"
_NAMED = re.compile(r"(?P<name>[A-Za-z_][\w-]*)=(?P<rest>.+)", re.DOTALL)
_LONGEST = 24  # characters of a name made from a pattern

Judge = Callable[[Question, Answer], float | None]


@dataclass(frozen=True, slots=True)
class Check:
    """A check under the name by which gates and `--metric` know it."""

    name: str
    of: Judge

    def __call__(self, question: Question, answer: Answer) -> float | None:
        """Its word on an answer. Raises SettingsError where the user's function fails, or gives
        neither true, false, a number from 0 to 1, nor None."""
        try:
            value = self.of(question, answer)
        except Exception as error:
            raise SettingsError(
                f"the check '{self.name}' failed on the question '{question.id}': "
                f"{type(error).__name__}: {error}.",
                hint="Correct the function; the answers are kept, so nothing is asked again.",
            ) from error
        if value is None:
            return None
        if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
            raise SettingsError(
                f"the check '{self.name}' gave {value!r} for the question '{question.id}'.",
                hint="Return True, False, a number from 0 to 1, or None.",
            )
        return float(value)


def open_check(text: str, folder: Path) -> Check:
    """A check as it is written; files are relative to `folder`. Raises SettingsError for what is no
    check."""
    match = _NAMED.fullmatch(text)
    given, rest = (match["name"], match["rest"]) if match else ("", text)
    kind, colon, what = rest.partition(":")
    if not colon or not what:
        raise SettingsError(
            f"--check {text}: this is no check.",
            hint="Write checks.py:FUNCTION, regex:PATTERN, contains:TEXT or schema:FILE.",
        )
    if kind in KINDS:
        of = {"regex": _regex, "contains": _contains, "schema": _schema}[kind](what, folder)
        return Check(PREFIX + (given or _short(rest)), of)
    file, _, function = rest.rpartition(":")
    if not file.endswith(".py"):
        raise SettingsError(
            f"--check {text}: there is no kind of check '{kind}'.",
            hint=f"{nearest(kind, KINDS)} Or name a function: checks.py:FUNCTION.",
        )
    return Check(PREFIX + (given or function), _function(folder / file, function))


def _short(text: str) -> str:
    return re.sub(r"\s+", "_", text)[:_LONGEST]


def _regex(pattern: str, _: Path) -> Judge:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"--check regex:{pattern}: {error}.") from error
    return lambda question, answer: compiled.search(answer.text) is not None


def _contains(wanted: str, _: Path) -> Judge:
    folded = wanted.casefold()
    return lambda question, answer: folded in answer.text.casefold()


def _schema(name: str, folder: Path) -> Judge:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    file = folder / name
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
        kind = validator_for(schema)
        kind.check_schema(schema)
    except (OSError, ValueError, SchemaError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"--check schema:{name}: {file} is no JSON Schema: {reason}."
        ) from error
    validator = kind(schema)

    def fits(question: Question, answer: Answer) -> bool:
        """Whether the first JSON value of the answer fits."""
        value = answer.data
        if value is None:
            value = next((found for _, found in json_values(answer.text)), _NOTHING)
        return value is not _NOTHING and bool(validator.is_valid(value))

    return fits


_NOTHING = object()


def _function(file: Path, name: str) -> Judge:
    if not file.is_file():
        raise SettingsError(f"--check: there is no file {file}.", hint="Give a path from here.")
    spec = importlib.util.spec_from_file_location(f"acclimate_check_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{file} cannot be run: Python has no loader for it.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SettingsError(f"{file} cannot be run: {type(error).__name__}: {error}.") from error
    found: Any = getattr(module, name, None)
    if not callable(found):
        there = [one for one in vars(module) if callable(getattr(module, one)) and one[0] != "_"]
        raise SettingsError(f"{file} has no function '{name}'.", hint=nearest(name, there))
    return lambda question, answer: found(question, answer)
