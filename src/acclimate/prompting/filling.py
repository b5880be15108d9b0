"""A schema filled from a plain answer, for readers that were taught plain answers and write no
JSON.

The answer goes to the field that is asked for, its number, unit and items to the fields that want
those. So every value is part of an answer that stands somewhere, and what the answer does not fill
is null, left out, or an error that names the field. Asking such a reader again for a field beside
the one that is asked for gives the first answer again (see docs/decisions.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from acclimate.errors import UnfilledError
from acclimate.prompting.values import (
    read_choice,
    read_formatted,
    read_items,
    read_quantity,
    read_truth,
)

Schema = Mapping[str, Any]
Choose = Callable[[str, Sequence[Any]], Any]
"""Chooses one of several values for a field, named in words; None where nothing can."""

_GENERAL = re.compile(
    r"\b(?:answer|value|result|text|response|reply|content|data|output|amount|items|list)\b"
)
_UNIT = re.compile(r"\b(?:units?|currency|uom|measure)\b")
_MISSING = object()
_MOST_FIELDS = 200
_DEPTH = 8  # of objects within objects; more is no schema for a plain answer


@dataclass(frozen=True, slots=True)
class Field:
    """A place in the schema that takes one value. `label` names it in words; `unit` says that it is
    the unit of the number beside it."""

    path: tuple[str, ...]
    schema: Schema
    label: str
    kind: str
    required: bool
    nullable: bool
    unit: bool = False

    @property
    def shown(self) -> str:
        """Its place, as in the messages of the check."""
        return ".".join(("$", *self.path))


def fill(question: str, answer: str, schema: Schema, choose: Choose) -> Any:
    """The value of a schema from the answer to `question`. Raises UnfilledError where a field that
    must be there has no value."""
    root = _resolved(schema, schema)
    fields = list(islice(_fields(root, schema, (), "", required=True), _MOST_FIELDS + 1))
    if len(fields) > _MOST_FIELDS:
        raise UnfilledError(
            f"the schema has more than {_MOST_FIELDS} fields.", hint="Make it simpler."
        )
    if not fields:  # an object whose names are left open
        return {"answer": answer}
    main = _main(question, answer, fields)
    values: dict[tuple[str, ...], Any] = {}
    for field in fields:
        spoken_of = field is main or field.unit or _is_asked(question, field)
        value = _read(field, answer, schema) if spoken_of else _MISSING
        if value is _MISSING and field.nullable:
            value = None
        if value is _MISSING and field.kind == "choice" and field.required and field.schema["enum"]:
            chosen = choose(field.label, field.schema["enum"])
            value = _MISSING if chosen is None else chosen
        if value is not _MISSING:
            values[field.path] = value
        elif field.required:
            raise UnfilledError(
                f"the answer “{answer[:80]}” does not fill {field.shown} ({_wanted(field)}) of "
                f"the schema.",
                hint="Make the field optional or nullable, name it after what is asked, or use a "
                "larger model "
                'with [answer] json_by = "model".',
            )
    return _built(values)


def empty(schema: Schema) -> Any:
    """The value that says nothing: null where it may stand, and no optional fields. None where a
    schema has none."""
    fields = list(
        islice(_fields(_resolved(schema, schema), schema, (), "", required=True), _MOST_FIELDS)
    )
    if not fields or any(field.required and not field.nullable for field in fields):
        return None
    return _built({field.path: None for field in fields if field.nullable})


def _fields(
    schema: Schema, root: Schema, path: tuple[str, ...], label: str, *, required: bool
) -> Iterator[Field]:
    inner, nullable = _choice(schema, root)
    kind = _kind(inner)
    if kind == "object" and len(path) < _DEPTH:
        members = inner.get("properties", {})
        parts = {name: _resolved(part, root) for name, part in members.items()}
        numbers = any(
            _kind(_choice(part, root)[0]) in ("number", "integer") for part in parts.values()
        )
        for name, part in parts.items():
            needed = required and name in inner.get("required", ())
            named = _words(name, _choice(part, root)[0])
            for field in _fields(part, root, (*path, name), named, required=needed):
                unit = (
                    numbers
                    and field.kind == "string"
                    and field.path == (*path, name)
                    and bool(_UNIT.search(_name(name)))
                )
                yield Field(
                    field.path,
                    field.schema,
                    field.label,
                    field.kind,
                    field.required,
                    field.nullable,
                    unit,
                )
        return
    yield Field(path, inner, label, kind, required, nullable)


def _main(question: str, answer: str, fields: Sequence[Field]) -> Field:
    """The field that the question asks for: by its name, else by a name that says nothing, else by
    its type."""
    open_ones = [
        field for field in fields if not field.unit and field.kind not in ("choice", "fixed")
    ]
    open_ones = open_ones or [field for field in fields if not field.unit] or list(fields)
    asked = _stems(question)
    numeric = read_quantity(answer) is not None

    def likely(field: Field) -> tuple[int, bool, bool]:
        fits = numeric if field.kind in ("number", "integer") else True
        return len(asked & _stems(field.label)), bool(_GENERAL.search(field.label)), fits

    return max(open_ones, key=lambda field: (*likely(field), -fields.index(field)))


def _is_asked(question: str, field: Field) -> bool:
    """Whether the answer speaks of a field beside the main one: of what the question names, and of
    choices."""
    if field.kind in ("fixed", "choice"):
        return True
    return field.kind in ("number", "integer") and bool(_stems(field.label) & _stems(question))


def _read(field: Field, text: str, root: Schema) -> Any:
    """The value for a field in an answer; `_MISSING` where there is none of its type."""
    if not text.strip() and field.kind != "fixed":
        return _MISSING
    value: Any
    match field.kind:
        case "fixed":
            return field.schema["const"]
        case "choice":
            value = read_choice(text, field.schema["enum"])
        case "boolean":
            value = read_truth(text)
        case "integer" | "number":
            found = read_quantity(text)
            whole = found is not None and found.number.is_integer()
            value = (
                None if found is None or (field.kind == "integer" and not whole) else found.number
            )
            value = int(value) if value is not None and whole else value
        case "array":
            value = _items(text, _resolved(field.schema.get("items") or {}, root), root)
        case "string":
            value = _string(field, text)
        case _:
            return _MISSING
    return _MISSING if value is None else value


def _string(field: Field, text: str) -> str | None:
    if field.unit:
        found = read_quantity(text)
        return found.unit if found else None
    if (kind := field.schema.get("format")) in ("date", "email", "uri", "uuid", "time"):
        return read_formatted(text, kind)
    return text


def _items(text: str, schema: Schema, root: Schema) -> list[Any] | None:
    inner, _ = _choice(schema, root)
    items = []
    for part in read_items(text):
        if _kind(inner) == "object":
            value = _object_of(part, inner, root)
        else:
            value = _read(
                Field((), inner, "", _kind(inner), required=True, nullable=False), part, root
            )
        if value is _MISSING:
            return None
        items.append(value)
    return items


def _object_of(text: str, schema: Schema, root: Schema) -> Any:
    """An item like “Fjell 9: 117 kg” as an object: its parts in the order of the fields."""
    fields = list(islice(_fields(schema, root, (), "", required=True), _MOST_FIELDS))
    slots = [field for field in fields if not field.unit and field.kind != "fixed"]
    parts = re.split(r"\s*(?::|–|—|\s-)\s+", text) if len(slots) > 1 else [text]
    values: dict[tuple[str, ...], Any] = {}
    for field in fields:
        place = slots.index(field) if field in slots else len(values) - 1
        value = _read(field, parts[place], root) if 0 <= place < len(parts) else _MISSING
        if value is not _MISSING:
            values[field.path] = value
        elif field.required and not field.nullable:
            return _MISSING
    return _built(values)


def _choice(schema: Schema, root: Schema) -> tuple[Schema, bool]:
    """A schema's first kind of value that is not null, and whether null may stand there."""
    for word in ("anyOf", "oneOf"):
        if word in schema:
            options = [_resolved(one, root) for one in schema[word]]
            some = [one for one in options if one.get("type") != "null"]
            rest = {key: value for key, value in schema.items() if key != word}
            return {**rest, **(some[0] if some else {})}, len(some) < len(options)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        some = [one for one in kinds if one != "null"]
        return {**schema, "type": some[0] if some else "null"}, "null" in kinds
    if "enum" in schema:
        return {
            **schema,
            "enum": [one for one in schema["enum"] if one is not None],
        }, None in schema["enum"]
    return schema, kinds == "null"


def _kind(schema: Schema) -> str:
    if "const" in schema:
        return "fixed"
    if "enum" in schema:
        return "choice"
    if "type" not in schema:
        return "object" if "properties" in schema else "string"
    return str(schema["type"])


def _resolved(schema: Any, root: Schema) -> Schema:
    """A schema with its reference followed and its `allOf` put together."""
    if not isinstance(schema, Mapping):
        return {}
    made: dict[str, Any] = dict(schema)
    for _ in range(_DEPTH):
        if "$ref" in made:
            found: Any = root
            for name in str(made.pop("$ref")).lstrip("#").strip("/").split("/"):
                found = _at(found, name.replace("~1", "/").replace("~0", "~")) if name else found
            made = {**(found if isinstance(found, Mapping) else {}), **made}
        elif "allOf" in made:
            for one in made.pop("allOf"):
                part = _resolved(one, root)
                both = {**part.get("properties", {}), **made.get("properties", {})}
                needed = [*part.get("required", ()), *made.get("required", ())]
                made = {
                    **part,
                    **made,
                    **({"properties": both, "required": needed} if both else {}),
                }
        else:
            break
    return made


def _at(schema: Any, name: str) -> Any:
    """A part of a schema by one step of a pointer; {} where there is none, which the check of the
    value tells."""
    if isinstance(schema, list):
        return schema[int(name)] if name.isdigit() and int(name) < len(schema) else {}
    return schema.get(name, {}) if isinstance(schema, Mapping) else {}


def _built(values: Mapping[tuple[str, ...], Any]) -> Any:
    if () in values:
        return values[()]
    made: dict[str, Any] = {}
    for path, value in values.items():
        at = made
        for name in path[:-1]:
            at = at.setdefault(name, {})
        at[path[-1]] = value
    return made


def _words(name: str, schema: Schema) -> str:
    """A field in words: its description where that is a short one, else its name."""
    described = str(schema.get("description", "")).strip().rstrip(".")
    return described if 0 < len(described) <= 60 else _name(name)


def _name(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+", " ", name).strip().casefold()


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"\w{3,}", text.casefold())} - {
        "what",
        "which",
        "the",
        "how",
        "does",
        "many",
    }


def _wanted(field: Field) -> str:
    kind = field.schema.get("format") or field.kind
    return f"one of {field.schema['enum']}" if kind == "choice" else str(kind)
