"""Tests of promptfoo as rows with `question` and `answers`: YAML or JSON with vars and assert, or
CSV with __expected.

An assertion gives a reference where its value is a text that the answer should be or hold; those
that compute, measure or judge give none, and are told. Source:
https://www.promptfoo.dev/docs/configuration/expected-outputs/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from acclimate.questions.forms import KNOWN, squash

_ONE = {
    "equals",
    "contains",
    "icontains",
    "starts-with",
    "factuality",
    "similar",
    "model-graded-factuality",
}
_ANY = {"contains-any", "icontains-any"}
_EXPECTED = re.compile(r"__expected\d*")
# As promptfoo reads a cell: `type:value` or `type(threshold):value`; any other text is one to be
# equal to.
_CELL = re.compile(r"(?s)(not-)?([a-z][a-z-]*)(?:\([\d.]+\))?:(.*)")
_OTHER = {
    "answer-relevance", "bleu", "classifier", "context-faithfulness", "context-recall", "context-relevance",
    "contains-all", "contains-json", "contains-sql", "contains-xml", "cost", "eval", "fn", "g-eval", "grade",
    "guardrails", "icontains-all", "is-json", "is-refusal", "is-sql", "is-valid-openai-tools-call", "is-xml",
    "javascript", "latency", "levenshtein", "llm-rubric", "meteor", "moderation", "perplexity", "pi", "python", "regex",
    "rouge-n", "webhook",
}  # fmt: skip


def is_promptfoo(keys: Iterable[str]) -> bool:
    """Whether these are the keys of promptfoo's tests."""
    names = set(keys)
    return {"vars", "assert"} <= names or any(_EXPECTED.fullmatch(name) for name in names)


def plain_row(row: Mapping[str, Any], passed: Counter[str]) -> dict[str, Any]:
    """A test as a row that `forms` reads. `passed` counts the assertions that give no reference, by
    their type.

    Raises ValueError where no variable is the question, or more than one assertion gives a
    reference.
    """
    if "vars" in row:
        variables = row["vars"]
        asserted = [_assertion(one) for one in row.get("assert") or []]
    else:
        variables = {key: value for key, value in row.items() if not key.startswith("__")}
        cells = [str(row[key]) for key in row if _EXPECTED.fullmatch(key)]
        asserted = [_cell(cell.strip()) for cell in cells if cell.strip()]
    if not isinstance(variables, Mapping) or not variables:
        raise ValueError("'vars' is no object with variables")
    answers: list[list[str]] = []
    for kind, value in asserted:
        if kind in _ONE or kind in _ANY:
            answers.append([str(one) for one in value] if isinstance(value, list) else [str(value)])
        else:
            passed[f"assertions '{kind}', which give no reference, passed over"] += 1
    if len(answers) > 1:
        raise ValueError(
            f"{len(answers)} assertions give a reference at once; keep one, or use contains-any"
        )
    return _with_question(variables) | {"answers": answers[0] if answers else []}


def _with_question(variables: Mapping[str, Any]) -> dict[str, Any]:
    known = [name for name in variables if squash(name) in KNOWN["question"]]
    names = known or list(variables)
    if len(names) != 1:
        raise ValueError(f"one of the variables {', '.join(variables)} should be called 'question'")
    rest = {name: value for name, value in variables.items() if name != names[0]}
    return {"question": variables[names[0]]} | {
        k: v for k, v in rest.items() if squash(k) not in KNOWN["answers"]
    }


def _assertion(one: object) -> tuple[str, Any]:
    if not isinstance(one, Mapping) or "type" not in one:
        raise ValueError(f"{one!r} is no assertion with a type")
    return str(one["type"]), one.get("value", "")


def _cell(cell: str) -> tuple[str, Any]:
    match = _CELL.fullmatch(cell)
    if match is None or match[2] not in _ONE | _ANY | _OTHER:
        return "equals", cell
    kind, value = (match[1] or "") + match[2], match[3].strip()
    return kind, [part.strip() for part in value.split(",")] if match[2] in _ANY else value
