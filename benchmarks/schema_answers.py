"""Answers by a schema with a project's own reader: how often the JSON holds what the plain answer holds.

    python -m benchmarks.schema_answers --data DOMAINSET [--limit N] [--show]

Each question is answered in plain text and by four schemas: one string; a number with its unit (where the plain answer
begins with a number); a list; an object in an object, with a choice beside it. A schema answer is right where its
field has the plain answer's words (or its number and unit; a list may lack the "and"), and where both abstain.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.errors import AcclimateError
from acclimate.project import Project
from acclimate.prompting.citations import final_words
from acclimate.settings import make_settings
from acclimate.types import Answer
from benchmarks.harness import emit, machine

_TEXT = {"type": "string"}


def of(**members: Any) -> dict[str, Any]:
    """The schema of an object whose members must all be there."""
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


KIND = {"enum": ["number", "name", "date", "other"]}
SCHEMAS: dict[str, tuple[dict[str, Any], Callable[[Any], str]]] = {
    "string": (of(answer=_TEXT), lambda data: str(data["answer"])),
    "quantity": (
        of(value={"type": "number"}, unit=_TEXT),
        lambda data: f"{data['value']} {data['unit']}",
    ),
    "list": (of(items={"type": "array", "items": _TEXT}), lambda data: " ".join(data["items"])),
    "nested": (of(result=of(text=_TEXT, kind=KIND)), lambda data: str(data["result"]["text"])),
}
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def right(kind: str, plain: Answer, answer: Answer) -> bool:
    """Whether the JSON says what the plain answer says."""
    if plain.abstained:
        return answer.abstained
    if answer.abstained or answer.data is None:
        return False
    held = SCHEMAS[kind][1](answer.data)
    if kind != "quantity":
        words = final_words(plain.text)
        return final_words(held) in (words, words.replace(" and ", " "))
    number = _NUMBER.match(plain.text)
    assert number is not None
    same = float(number[0].replace(",", "")) == float(answer.data["value"])
    return same and final_words(answer.data["unit"]) == final_words(plain.text[number.end() :])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    rows = [
        json.loads(line)
        for line in (options.data / "questions.jsonl").read_text("utf-8").split("\n")
        if line
    ]
    step = max(1, len(rows) // options.limit) if options.limit else 1
    counts = {kind: [0, 0, 0] for kind in SCHEMAS}  # right, asked, errors
    seconds, model = dict.fromkeys(SCHEMAS, 0.0), ""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(options.data / "documents", Path(folder) / "documents")
        with Project(Path(folder), make_settings({}, "benchmark")) as project:
            project.ingest()
            for row in rows[::step]:
                plain = project.answer(row["question"])
                model = plain.model
                for kind, (schema, _) in SCHEMAS.items():
                    if kind == "quantity" and not (plain.abstained or _NUMBER.match(plain.text)):
                        continue
                    counts[kind][1] += 1
                    started = time.perf_counter()
                    try:
                        answer = project.answer(row["question"], schema=schema)
                    except AcclimateError as error:
                        counts[kind][2] += 1
                        if options.show:
                            emit(
                                {
                                    "plain": plain.text,
                                    "kind": kind,
                                    "error": str(error),
                                    "right": False,
                                }
                            )
                        continue
                    seconds[kind] += time.perf_counter() - started
                    good = right(kind, plain, answer)
                    counts[kind][0] += good
                    if options.show:
                        emit(
                            {"plain": plain.text, "kind": kind, "text": answer.text, "right": good}
                        )
    emit(
        {
            "benchmark": "schema_answers",
            "n": {kind: asked for kind, (_, asked, _) in counts.items()},
            "right": {
                kind: round(good / max(1, asked), 4) for kind, (good, asked, _) in counts.items()
            },
            "errors": {kind: failed for kind, (_, _, failed) in counts.items()},
            "seconds": {
                kind: round(seconds[kind] / max(1, counts[kind][1]), 3) for kind in SCHEMAS
            },
            "model": model,
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
