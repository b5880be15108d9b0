"""A JSON Schema as a grammar whose every text is valid and ends: one for all engines that run here.

Engines bring their own translation of a schema, but let a model write white space, digits and list
items without end, and a small model does. So the grammar is written here: fixed white space,
bounded numbers, strings, lists and depth. What a grammar cannot say (`multipleOf`, `uniqueItems`,
`pattern`, `not`, `if`) is left to the check of the whole text. The notation is GBNF, as in
llama.cpp and XGrammar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from acclimate.errors import SettingsError

Schema = Mapping[str, Any]
_Path = tuple[str, ...]  # the references that lead to a place in the schema
# Characters of a string and items of a list: the widest that fits the tokens. Long
# repetitions cost: a grammar with strings of 24, 64, 160 characters compiles in 0.2, 0.5, 1.0 s.
_BOUNDS = ((64, 8), (32, 4), (24, 2))
_CHARACTERS_PER_TOKEN = 1.3  # of JSON full of digits, a token each
_DEPTH = 2  # how often a schema may contain itself
_DIGITS = 12
_FORMATS = {
    "date": '[1-9] [0-9]{3} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])',
    "time": '("0" [0-9] | "1" [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] "Z"',
    "email": '[a-z0-9]{1,16} ("." [a-z0-9]{1,16})? "@" [a-z0-9]{1,16} "." [a-z]{2,8}',
    "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-4" [0-9a-f]{3} "-a" [0-9a-f]{3} "-" [0-9a-f]{12}',
    "uri": '"https://" [a-z0-9]{1,24} "." [a-z]{2,8} ("/" [a-zA-Z0-9_.-]{1,24}){0,3}',
}
_FORMATS["date-time"] = f'{_FORMATS["date"]} "T" {_FORMATS["time"]}'
_FORMAT_SIZE = 64
_CHARACTER = r'[^"\\\x00-\x1f\x7f] | "\\" ["\\/bfnrt]'


def grammar(schema: str, max_tokens: int) -> str:
    """The grammar of the JSON texts of a schema (JSON text), bounded so that they fit about
    `max_tokens`.

    That is no promise: scripts other than Latin can take two tokens a character. What is cut then
    ends by "length". Raises SettingsError for a schema that no finite text meets or that refers
    outside itself.
    """
    root = json.loads(schema)
    for characters, items in _BOUNDS:
        writer = _Writer(root, characters, items)
        try:
            node = writer.node(root, ("#",))
        except _NoFiniteTextError as error:
            raise SettingsError(
                "no finite JSON text meets the schema.", hint="Make what repeats optional."
            ) from error
        if node.size <= max_tokens * _CHARACTERS_PER_TOKEN:
            break
    return "\n".join(
        [
            f"root ::= {node.text}",
            *(f"{name} ::= {rule.text}" for name, rule in writer.rules.items()),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Node:
    """A rule's right side and the characters of its longest text."""

    text: str
    size: int


class _NoFiniteTextError(Exception):
    """The schema contains itself again, too deep."""


class _Writer:
    def __init__(self, root: Any, characters: int, items: int) -> None:
        self._root, self._characters, self._items = root, characters, items
        self.rules = {"character": _Node(_CHARACTER, 2)}
        self._names: dict[str, str] = {}

    def node(self, schema: Any, path: _Path) -> _Node:
        """The rule of a schema."""
        if schema is False:
            raise _NoFiniteTextError
        if schema is True or not schema:
            schema = {"type": ["string", "integer", "boolean", "null"]}
        if "$ref" in schema:
            return self._reference(schema["$ref"], path)
        if "allOf" in schema:
            return self.node(_merged(self._resolved(schema)), path)
        if "const" in schema or "enum" in schema:
            return _one_of([_literal(value) for value in schema.get("enum", [schema.get("const")])])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                rest = {key: value for key, value in schema.items() if key != word}
                return self._first_of(
                    [_merged({**rest, "allOf": [self._look(one)]}) for one in schema[word]], path
                )
        kind = schema.get("type") or _implied(schema)
        if isinstance(kind, list):
            return self._first_of([{**schema, "type": one} for one in kind], path)
        return self._typed(kind, schema, path)

    def _typed(self, kind: str, schema: Schema, path: _Path) -> _Node:
        match kind:
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, path)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._rule(_number(schema, whole=kind == "integer"))
            case "boolean":
                return _Node('("true" | "false")', 5)
            case "null":
                return _Node('"null"', 4)
        raise SettingsError(f"the schema's type '{kind}' is not one of JSON Schema.")

    def _first_of(self, schemas: Sequence[Any], path: _Path) -> _Node:
        found = []
        for schema in schemas:
            try:
                found.append(self.node(schema, path))
            except _NoFiniteTextError:
                continue
        if not found:
            raise _NoFiniteTextError
        return _one_of(found)

    def _reference(self, pointer: str, path: _Path) -> _Node:
        if path.count(pointer) >= _DEPTH:
            raise _NoFiniteTextError
        return self._rule(self.node(self._at(pointer), (*path, pointer)))

    def _at(self, pointer: str) -> Any:
        """What a reference within the schema points to."""
        if not pointer.startswith("#"):
            raise SettingsError(
                f"the schema refers to '{pointer}', outside itself.", hint="Put it under $defs."
            )
        found = self._root
        for part in pointer[1:].strip("/").split("/") if pointer != "#" else []:
            part = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (KeyError, IndexError, ValueError) as error:
                raise SettingsError(
                    f"the schema refers to '{pointer}', which is not in it."
                ) from error
        return found

    def _look(self, schema: Any) -> Any:
        return (
            self._at(schema["$ref"])
            if isinstance(schema, dict) and set(schema) == {"$ref"}
            else schema
        )

    def _resolved(self, schema: Schema) -> Schema:
        return {**schema, "allOf": [self._look(one) for one in schema["allOf"]]}

    def _object(self, schema: Schema, path: _Path) -> _Node:
        required = schema.get("required", [])
        more = schema.get("additionalProperties")
        wanted = schema.get("properties", {})
        named = {
            **wanted,
            **{name: more if more is not None else True for name in required if name not in wanted},
        }
        members: list[tuple[_Node, bool]] = []
        for name, inner in named.items():
            try:
                value = self.node(inner, path)
            except _NoFiniteTextError:
                if name in required:
                    raise
                continue
            key = _literal(name)
            members.append(
                (
                    _Node(f'{key.text} ": " {value.text}', key.size + 2 + value.size),
                    name in required,
                )
            )
        if not members and isinstance(more, dict | bool) and more is not False:
            return self._map(more, schema, path)
        return _braced(members)

    def _map(self, values: Any, schema: Schema, path: _Path) -> _Node:
        value = self.node(values, path)
        pair = _Node(f'"\\"" character{{1,24}} "\\": " {value.text}', 30 + value.size)
        return self._repeated(
            pair, "{", "}", schema.get("minProperties", 0), schema.get("maxProperties")
        )

    def _array(self, schema: Schema, path: _Path) -> _Node:
        first = [self.node(one, path) for one in schema.get("prefixItems", [])]
        if first:
            return _Node(
                '"[" ' + ' ", " '.join(node.text for node in first) + ' "]"',
                sum(n.size + 2 for n in first),
            )
        least = schema.get("minItems", 0)
        try:
            item = self.node(schema.get("items", True), path)
        except _NoFiniteTextError:
            if least:
                raise
            return _Node('"[]"', 2)
        return self._repeated(item, "[", "]", least, schema.get("maxItems"))

    def _repeated(
        self, item: _Node, opening: str, closing: str, least: int, most: int | None
    ) -> _Node:
        most = max(least, min(self._items, self._items if most is None else most))
        size = 2 + most * (item.size + 2)
        if most == 0:
            return _Node(f'"{opening}{closing}"', 2)
        filled = f'"{opening}" {item.text} (", " {item.text}){{{max(least - 1, 0)},{most - 1}}} "{closing}"'
        if most == 1:
            filled = f'"{opening}" {item.text} "{closing}"'
        return self._rule(_Node(filled if least else f'"{opening}{closing}" | {filled}', size))

    def _string(self, schema: Schema) -> _Node:
        if (known := _FORMATS.get(schema.get("format", ""))) is not None:
            return self._rule(_Node(f'"\\"" {known} "\\""', _FORMAT_SIZE))
        least = schema.get("minLength", 0)
        most = max(least, min(self._characters, schema.get("maxLength", self._characters)))
        # A rule that strings share: the engine works its states out once.
        return self._rule(_Node(f'"\\"" character{{{least},{most}}} "\\""', most + 2))

    def _rule(self, node: _Node) -> _Node:
        name = self._names.setdefault(node.text, f"rule{len(self.rules)}")
        self.rules[name] = node
        return _Node(name, node.size)


def _implied(schema: Schema) -> str:
    """The type that a schema's other words speak of."""
    if schema.keys() & {"properties", "additionalProperties", "required"}:
        return "object"
    if schema.keys() & {"items", "prefixItems", "minItems", "maxItems"}:
        return "array"
    return "number" if schema.keys() & {"minimum", "maximum", "multipleOf"} else "string"


def _merged(schema: Schema) -> dict[str, Any]:
    """One schema that asks for what a schema and those in its `allOf` ask for, as far as their
    words do not meet."""
    merged: dict[str, Any] = {}
    for one in [{key: value for key, value in schema.items() if key != "allOf"}, *schema["allOf"]]:
        if not isinstance(one, dict):
            continue
        for key, value in one.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _quoted(text: str) -> str:
    return (
        '"'
        + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
        + '"'
    )


def _literal(value: Any) -> _Node:
    text = json.dumps(value, ensure_ascii=False)
    return _Node(_quoted(text), len(text))


def _one_of(nodes: Sequence[_Node]) -> _Node:
    texts = list(dict.fromkeys(node.text for node in nodes))
    return _Node(
        texts[0] if len(texts) == 1 else f"({' | '.join(texts)})", max(node.size for node in nodes)
    )


def _braced(members: Sequence[tuple[_Node, bool]]) -> _Node:
    """An object's members in their order, the optional ones there or not."""
    size = 2 + sum(node.size + 2 for node, _ in members)
    alternatives = []
    for first, (node, needed) in enumerate(members):
        rest = "".join(
            f' ", " {other.text}' if must else f' (", " {other.text})?'
            for other, must in members[first + 1 :]
        )
        alternatives.append(f'"{{" {node.text}{rest} "}}"')
        if needed:
            break
    else:
        alternatives.append('"{}"')
    return _one_of([_Node(text, size) for text in alternatives])


def _number(schema: Schema, *, whole: bool) -> _Node:
    """Whole numbers within their range exactly; others too, but for digits after the point at the
    range's very ends."""
    if not schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}:
        digits = f'"-"? ("0" | [1-9] [0-9]{{0,{_DIGITS - 1}}})'
        return _Node(digits if whole else f'{digits} ("." [0-9]{{1,3}})?', _DIGITS + 5)
    low, high = schema.get("minimum", -(10**_DIGITS) + 1), schema.get("maximum", 10**_DIGITS - 1)
    least, most = ceil(low), floor(high)
    if "exclusiveMinimum" in schema:
        least = max(least, floor(schema["exclusiveMinimum"]) + 1)
    if "exclusiveMaximum" in schema:
        most = min(most, ceil(schema["exclusiveMaximum"]) - 1)
    parts = [f'"-" ({part})' for part in _whole(max(1, -most), -least)] if least < 0 else []
    parts += _whole(max(0, least), most)
    if not whole and least < most:
        point = '"." [0-9]{1,3}'
        parts += (
            [f'"-" ({part}) {point}' for part in _whole(max(0, -most), -least - 1)]
            if least < 0
            else []
        )
        parts += [f"({part}) {point}" for part in _whole(max(0, least), most - 1)]
    if not parts:
        if whole:
            raise SettingsError(f"no whole number is from {low} to {high}, as the schema asks.")
        return _Node(f'"{(low + high) / 2}"', 20)  # a range within two whole numbers: its middle
    return _Node(f"({' | '.join(parts)})", _DIGITS + 5)


def _whole(low: int, high: int) -> Iterator[str]:
    """Grammars of the whole numbers from `low` (0 or more) to `high`, one for each number of
    digits."""
    if low > high:
        return
    for digits in range(len(str(low)), len(str(high)) + 1):
        least = max(low, 10 ** (digits - 1) if digits > 1 else 0)
        yield _between(str(least), str(min(high, 10**digits - 1)))


def _between(low: str, high: str) -> str:
    """Numbers of equally many digits."""
    if not low:
        return '""'
    if len(low) == 1:
        return f"[{low}-{high}]"
    if low[0] == high[0]:
        return f'"{low[0]}" {_between(low[1:], high[1:])}'
    rest = len(low) - 1
    if int(low[1:]) == 0 and high[1:] == "9" * rest:
        return f"[{low[0]}-{high[0]}] [0-9]{{{rest}}}"
    parts = [
        f'"{low[0]}" ({_between(low[1:], "9" * rest)})',
        f'"{high[0]}" ({_between("0" * rest, high[1:])})',
    ]
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}] [0-9]{{{rest}}}")
    return " | ".join(parts)
