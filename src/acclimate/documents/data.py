"""JSON and JSON lines: each record as lines of `key: value`, so that a model reads it as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from acclimate.documents.builder import TextBuilder, one_line
from acclimate.documents.text import read_text
from acclimate.errors import DocumentError
from acclimate.files import jsonlines
from acclimate.types import Document

_MAX_DEPTH = 60


class JsonParser:
    """Reads one JSON value, or one a line."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        text, encoding = read_text(file)
        builder = TextBuilder()
        for record in _records(text, path):
            builder.add("paragraph", "\n".join(_lines(record, "", 0)))
        return builder.build(path, "application/json", Path(path).stem, {"encoding": encoding})


def _records(text: str, path: str) -> Iterator[object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as whole:
        for line in jsonlines.lines(text):
            try:
                yield json.loads(line.text)
            except (ValueError, RecursionError) as error:
                reason = f"{path} is neither JSON ({whole}) nor JSON lines (line {line.number}: {error})."
                raise DocumentError(reason) from error
        return
    yield from value if isinstance(value, list) else [value]


def _lines(value: object, name: str, depth: int) -> Iterator[str]:
    """`a.b: value` for each leaf."""
    if depth > _MAX_DEPTH:
        yield f"{name}: …"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value, start=1):
            yield from _lines(item, f"{name}[{number}]", depth + 1)
    else:
        shown = one_line(_leaf(value))
        yield f"{name}: {shown}" if name else shown


def _leaf(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
