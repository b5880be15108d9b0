"""Every text of a schema's grammar is valid by the schema: random texts, drawn from the grammar by llguidance."""

import json
import random
from datetime import datetime

import jsonschema
import llguidance
import pytest
from llguidance.gbnf_to_lark import gbnf_to_lark

from acclimate.errors import SettingsError
from acclimate.models.grammar import grammar

NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
    "required": ["value"],
}
SCHEMAS = {
    "object": {
        "type": "object",
        "properties": {"a": {"type": "string"}, 'b"\\': {"type": "null"}},
        "required": ["a"],
    },
    "all optional": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}, "b": {"type": "integer"}},
    },
    "map": {
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "minProperties": 1,
        "maxProperties": 3,
    },
    "list": {
        "type": "array",
        "items": {"type": "string", "minLength": 2, "maxLength": 3},
        "minItems": 1,
    },
    "empty list": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "one item": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 1},
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "boolean"}],
        "items": False,
    },
    "enum": {"enum": ["a", 1, None, 'quote "', "line\nbreak", {"x": [1]}]},
    "union": {"anyOf": [{"type": "integer", "maximum": 3}, {"type": "string", "maxLength": 3}]},
    "types": {"type": ["number", "null"]},
    "all of": {
        "allOf": [{"$ref": "#/$defs/node"}, {"properties": {"c": {"const": 1}}, "required": ["c"]}]
    },
    "recursive": {"$ref": "#/$defs/node"},
    "formats": {"type": "array", "items": {"type": "string", "format": "date-time"}, "minItems": 3},
    "mail": {"type": "string", "format": "email"},
    "range": {"type": "integer", "minimum": 7, "maximum": 1203},
    "below zero": {"type": "integer", "minimum": -105, "maximum": -98},
    "around zero": {"type": "integer", "exclusiveMinimum": -12, "exclusiveMaximum": 11},
    "fraction": {"type": "number", "minimum": 0, "maximum": 1},
    "narrow": {"type": "number", "minimum": 0.2, "maximum": 0.4},
    "negative fraction": {"type": "number", "minimum": -2.5, "maximum": 1.5},
    "anything": {},
}


@pytest.fixture(scope="module")
def vocabulary():
    """One token a byte, and those of printable ASCII, then the end."""
    tokenizer = llguidance.LLTokenizer("byte")
    return tokenizer, [*range(32, 127), tokenizer.eos_token]


def sample(rules, vocabulary, rng, most=4000):
    tokenizer, usable = vocabulary
    matcher = llguidance.LLMatcher(tokenizer, gbnf_to_lark(rules))
    text = ""
    while len(text) < most:
        mask = matcher.compute_bitmask()
        assert not matcher.is_error(), matcher.get_error()
        chosen = rng.choice([token for token in usable if mask[token // 8] >> (token % 8) & 1])
        if chosen == tokenizer.eos_token:
            return text
        text += chr(chosen)
        assert matcher.consume_token(chosen)
    raise AssertionError(f"no end: {text[:200]}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_text_is_valid(name, vocabulary):
    schema = {**SCHEMAS[name], "$defs": {"node": NODE}}
    rules = grammar(json.dumps(schema), 512)
    check = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    rng = random.Random(0)
    texts = {sample(rules, vocabulary, rng) for _ in range(40)}
    for text in texts:
        check.validate(json.loads(text))
    assert len(texts) > 3 or name in ("empty list", "narrow")


class Least:
    """Takes the first character by the alphabet wherever there is a choice."""

    choice = staticmethod(min)


@pytest.mark.parametrize("name", ["date", "date-time"])
def test_the_least_date_is_one(name, vocabulary):
    """A model wrote the year 0, which no calendar has."""
    schema = {"type": "string", "format": name}
    datetime.fromisoformat(json.loads(sample(grammar(json.dumps(schema), 64), vocabulary, Least)))


def test_whole_ranges_are_exact(vocabulary):
    rng = random.Random(1)
    for low, high in [(0, 0), (-3, 12), (98, 102), (5, 5000), (-1000, -9)]:
        rules = grammar(json.dumps({"type": "integer", "minimum": low, "maximum": high}), 64)
        drawn = {int(sample(rules, vocabulary, rng)) for _ in range(300)}
        assert min(drawn) >= low
        assert max(drawn) <= high
        if high - low < 20:
            assert drawn == set(range(low, high + 1))


def test_the_longest_text_fits_the_tokens(vocabulary):
    schema = {
        "type": "array",
        "items": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    few, many = (grammar(json.dumps(schema), tokens) for tokens in (400, 50_000))
    assert "{0,24}" in few
    assert "{0,64}" in many


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "no finite"),
        ({"$ref": "http://127.0.0.1/x.json"}, "outside"),
        ({"$ref": "#/$defs/none"}, "not in it"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no whole number"),
        ({"type": "date"}, "date"),
    ],
)
def test_schemas_that_cannot_be_kept_are_refused(schema, message):
    with pytest.raises(SettingsError, match=message):
        grammar(json.dumps(schema), 100)
