"""A schema is filled from a plain answer, by type and by name; what it does not hold is null, left out, or named."""

import pytest

from acclimate.errors import SettingsError, UnfilledError
from acclimate.prompting.filling import empty, fill
from acclimate.prompting.structured import read_shape
from acclimate.prompting.values import (
    Quantity,
    read_choice,
    read_date,
    read_items,
    read_quantity,
    read_truth,
)

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
QUANTITY = {
    "type": "object",
    "properties": {"value": NUMBER, "unit": TEXT},
    "required": ["value", "unit"],
}


def of(_optional=(), **members):
    required = [name for name in members if name not in _optional]
    return {"type": "object", "properties": members, "required": required}


def filled(schema, answer, question="What does it weigh?", chosen=None):
    return fill(question, answer, schema, lambda label, choices: chosen)


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        (of(answer=TEXT), "117 kg", {"answer": "117 kg"}),
        (of(weight=TEXT), "117 kg", {"weight": "117 kg"}),
        (TEXT, "117 kg", "117 kg"),
        (of(weight=NUMBER), "117 kg", {"weight": 117}),
        (of(weight_kg={"type": "integer"}), "1,050 kg", {"weight_kg": 1050}),
        (QUANTITY, "about 7.5 kg a day", {"value": 7.5, "unit": "kg a day"}),
        (QUANTITY, "€12", {"value": 12, "unit": "€"}),
        (
            of(items={"type": "array", "items": TEXT}),
            "oil, water and 1,050 g of salt",
            {"items": ["oil", "water", "1,050 g of salt"]},
        ),
        ({"type": "array", "items": NUMBER}, "5 years, 10 years and 3 years", [5, 10, 3]),
        (
            of(result=of(text=TEXT, unit={"enum": ["kg", "g"]})),
            "117 kg",
            {"result": {"text": "117 kg", "unit": "kg"}},
        ),
        (
            of(weight=TEXT, product={"type": ["string", "null"]}),
            "117 kg",
            {"weight": "117 kg", "product": None},
        ),
        (of(("product",), weight=TEXT, product=TEXT), "117 kg", {"weight": "117 kg"}),
        (of(weight={"anyOf": [NUMBER, {"type": "null"}]}), "117 kg", {"weight": 117}),
        (of(weight={"anyOf": [NUMBER, {"type": "null"}]}), "heavy", {"weight": None}),
        (
            of(kind={"const": "weight"}, weight=TEXT),
            "117 kg",
            {"kind": "weight", "weight": "117 kg"},
        ),
        (of(heavy={"type": "boolean"}), "Yes, very", {"heavy": True}),
        (of(on={"type": "string", "format": "date"}), "on 4 January 2027", {"on": "2027-01-04"}),
        (
            of(mail={"type": "string", "format": "email"}),
            "Write to a.b@example.org.",
            {"mail": "a.b@example.org"},
        ),
        ({"$ref": "#/$defs/w", "$defs": {"w": of(weight=TEXT)}}, "117 kg", {"weight": "117 kg"}),
        (
            {"allOf": [of(weight=TEXT), of(answer={"const": 1})]},
            "117 kg",
            {"weight": "117 kg", "answer": 1},
        ),
        ({"type": "object", "additionalProperties": True}, "117 kg", {"answer": "117 kg"}),
        (
            of(pumps={"type": "array", "items": of(name=TEXT, weight=NUMBER, unit=TEXT)}),
            "Fjell 9: 117 kg; Fjell 12: 139 kg",
            {
                "pumps": [
                    {"name": "Fjell 9", "weight": 117, "unit": "kg"},
                    {"name": "Fjell 12", "weight": 139, "unit": "kg"},
                ]
            },
        ),
    ],
)
def test_what_fills_a_schema(schema, answer, value):
    assert filled(schema, answer) == value


def test_the_field_that_is_asked_for_gets_the_answer():
    schema = of(("price", "name"), name=TEXT, price=TEXT, weight=TEXT)
    assert filled(schema, "117 kg", "What does it weigh?") == {"weight": "117 kg"}
    prices = of(("name", "weight"), name=TEXT, price=TEXT, weight=TEXT)
    assert filled(prices, "12 euros", "What is the price?") == {"price": "12 euros"}


def test_a_choice_that_the_answer_does_not_name_is_asked_for_only_where_it_must_be_there():
    kinds = {"enum": ["light", "heavy"]}
    assert filled(of(weight=TEXT, kind=kinds), "117 kg", chosen="heavy") == {
        "weight": "117 kg",
        "kind": "heavy",
    }
    assert filled(of(("kind",), weight=TEXT, kind=kinds), "117 kg", chosen="heavy") == {
        "weight": "117 kg"
    }
    assert filled(of(weight=TEXT, kind=kinds), "heavy", chosen="light")["kind"] == "heavy"


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        (of(weight=TEXT, product=TEXT), r"\$\.product"),
        (of(weight={"type": "integer"}), r"\$\.weight \(integer\)"),
        (of(on={"type": "string", "format": "date"}), r"\$\.on \(date\)"),
        (of(result=of(kind={"enum": ["a", "b"]})), r"one of \['a', 'b'\]"),
    ],
)
def test_what_nothing_fills_is_named_with_the_remedy(schema, field):
    with pytest.raises(UnfilledError, match=field) as caught:
        filled(schema, "7.5 kg")
    assert "nullable" in caught.value.hint


def test_the_value_that_says_nothing():
    nullable = {"type": ["string", "null"]}
    assert empty(of(weight=nullable)) == {"weight": None}
    assert empty(of(weight=TEXT)) is None
    assert empty(of(("weight",), weight=TEXT)) == {}


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("1,234.5 kg", 1234.5, "kg"),
        ("1.234,5 kg", 1234.5, "kg"),
        ("1 234 567 NOK", 1234567, "NOK"),
        ("1,050", 1050, ""),
        ("1.050", 1.05, ""),
        ("12,5 m", 12.5, "m"),
        ("7.5%", 7.5, "%"),
        ("−28 C", -28, "C"),
        ("$3", 3, "$"),
        ("within 10 working days", 10, "working days"),
        ("The Fjell 9 weighs 117 kg.", 117, "kg"),
        ("Fjell 9", 9, ""),
    ],
)
def test_numbers_and_units(text, number, unit):
    assert read_quantity(text) == Quantity(number, unit)


def test_other_values():
    assert read_quantity("none") is None
    assert [
        read_date(text)
        for text in ("2027-01-04", "January 4, 2027", "the 4th of Jan 2027", "31 February 2027")
    ] == [
        "2027-01-04",
        "2027-01-04",
        "2027-01-04",
        "",
    ]
    assert read_items("- oil\n- water") == ["oil", "water"]
    assert read_choice("It is HEAVY.", ["heavy", "light"]) == "heavy"
    assert read_choice("heavy or light", ["heavy", "light"]) is None
    assert (read_truth("No."), read_truth("It depends")) == (False, None)


def test_schemas_that_refer_to_themselves_end():
    again = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}}
    with pytest.raises(UnfilledError, match="more than 200"):
        filled(again, "117 kg")
    assert filled({"$ref": "#"}, "117 kg") == "117 kg"
    with pytest.raises(SettingsError, match="itself without end"):
        read_shape({"$ref": "#"}).fault("117 kg")
    inside = {
        "allOf": [TEXT],
        "properties": {"a": {"$ref": "#/allOf/0"}, "b": {"$ref": "#/allOf/7"}},
    }
    assert filled(inside, "117 kg") == "117 kg"
