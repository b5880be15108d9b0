"""Numbers are compared as numbers: points, signs, separators, units, and what only looks like a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.evaluation.metrics import exact_match, f1, normalise
from acclimate.evaluation.quantities import number_f1, number_match

EQUAL = [
    ("1,234.50", "1234.5"),
    ("1.234,50", "1234.5"),
    ("1 234,50", "1,234.50"),
    ("1\u202f234,50", "1,234.50"),
    ("1'234", "1,234"),
    ("1.234.567", "1,234,567"),
    ("1,23,456", "123456"),
    ("12,5", "12.5"),
    ("12.50", "12.5"),
    (".5", "0.5"),
    ("−5", "-5"),
    ("minus 5", "-5"),
    ("minus 5 °C", "−5 °C"),
    ("+5", "5"),
    ("5", "five"),
    ("twenty-one days", "21 days"),
    ("three weeks", "21 days"),
    ("1.5 kg", "1500 g"),
    ("1.5kg", "1,500 grams"),
    ("98 kg", "98 KG"),
    ("the 98 kg", "98 kilograms"),
    ("90 minutes", "1.5 hours"),
    ("2 years", "24 months"),
    ("50 %", "50 percent"),
    ("50%", "50 per cent"),
    ("$1,234", "1234 dollars"),
    ("-$5", "$-5"),
    ("€12.50", "12,50 EUR"),
    ("1.5 million euros", "€1,500,000"),
    ("8-16", "8 to 16"),
    ("8 – 16 kg", "8 to 16 kg"),
    ("- US$5", "minus 5 dollars"),
    ("100 km/h", "100 km/h"),
    ("AX-200", "ax-200"),
    ("2024-05-01", "2024-05-01"),
    ("from 8 to 16.", "From 8 to 16"),
]
DIFFERENT = [
    ("12.5", "125"),
    ("12,5", "125"),
    ("−5", "5"),
    ("-5 °C", "5 °C"),
    ("1.234", "1,234"),
    ("5 kg", "5 g"),
    ("5 kg", "5"),
    ("5 mW", "5 MW"),
    ("5 m", "5 s"),
    ("$5", "€5"),
    ("50 %", "50"),
    ("50 %", "0.5"),
    ("8-16", "816"),
    ("8-16", "-8 16"),
    ("10:30", "1030"),
    ("1.2.3", "123"),
    ("1.2.3", "1.23"),
    ("01/02", "0102"),
    ("AX-200", "AX 200"),
    ("v2", "2"),
    ("A4", "-4"),
    ("5 million", "5"),
    ("20 °C", "20 °F"),
    ("1.0005", "1.0"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_is_one_number_matches(one, other):
    assert number_match(one, [other], normalise) == number_match(other, ["x", one], normalise) == 1
    assert number_f1(one, [other], normalise) == 1


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_are_two_numbers_does_not(one, other):
    assert number_match(one, [other], normalise) == number_match(other, [one], normalise) == 0
    assert number_f1(one, [other], normalise) < 1


def test_squad_s_match_is_wrong_about_both_kinds():
    assert (
        exact_match("12.5", ["125"])
        == exact_match("−5", ["-5"]) + 1
        == exact_match("-5", ["5"])
        == 1
    )
    assert exact_match("1.5 kg", ["1500 g"]) == 0


@given(
    st.lists(st.sampled_from("the bridge a opened Moss quickly, fjord. (red)".split()), max_size=6)
)
def test_without_numbers_it_is_squad_s(words):
    text = " ".join(words)
    for reference in (text, "the bridge", "Moss fjord"):
        assert number_match(text, [reference], normalise) == exact_match(text, [reference])
        assert number_f1(text, [reference], normalise) == f1(text, [reference])


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=2
    )
)
def test_a_number_is_itself_in_every_way_of_writing(number):
    english = f"{number:,}"
    german = english.translate(str.maketrans(",.", ".,"))
    for written in (
        german,
        english.replace(",", " "),
        english.replace(",", "'"),
        f"{number}",
        f"{number}0",
    ):
        assert number_match(f"it is {written} kg", [f"It is {english} kg."], normalise)
    assert not number_match(f"{number}", [f"{-number}"], normalise) or number == 0


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_can_be_compared(one, other):
    assert number_match(one, [one], normalise) == 1
    assert 0 <= number_f1(one, [other], normalise) <= 1
