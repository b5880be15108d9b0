"""Codes: one name for each, however it is written, and other names for other codes."""

import pytest

from acclimate.text.folding import alike
from acclimate.text.identifiers import code_name, find_codes, respelt


def names(text):
    return {name for code in find_codes(alike(text)) for name in code.names}


@pytest.mark.parametrize(
    "text", ["AX200B", "AX-200-B", "ax 200 b", "AX/200/B", "AX_200.B", "ＡＸ‑200‑Ｂ"]
)
def test_a_part_number_has_one_name(text):
    assert code_name(text) == "ax200b"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("E-1042", "e1042"),
        ("ISO 9001:2015", "iso9001.2015"),
        ("ISO-9001-2015", "iso9001.2015"),
        ("10W-40", "10w40"),
        ("M8 × 20", "m8x20"),
        ("§ 5(2)", "§5.2"),
        ("3.2.1", "3.2.1"),
        ("v1.2.3-rc1", "v1.2.3rc1"),
        ('1/2"', "1/2"),
        ("½", "1/2"),
        ("1½", "1+1/2"),
        ("C++", "c++"),
        ("C++17", "c++"),
        ("C#", "c#"),
        (".NET", ".net"),
        ("192.168.1.10", "192.168.1.10"),
        ("max.m@example.com", "max.m@example.com"),
        ("030-123456", "030123456"),
        ("030 123456", "030123456"),
        ("12 500", "12500"),
        ("12,500", "12500"),
        ("3,5", "3.5"),
        ("4711-0815", "47110815"),
    ],
)
def test_codes_of_a_text_are_named(text, name):
    assert name in names(f"Take {text}, please.")


@pytest.mark.parametrize(
    ("text", "name"), [("3.2.1", "321"), ("1/2", "12"), ("v1.2.3", "v123"), ("C++", "c")]
)
def test_another_code_has_another_name(text, name):
    assert name not in names(text)


@pytest.mark.parametrize(
    "text", ["handbook", "the valve", "a very long sentence of 12 words", "", "200"]
)
def test_words_are_no_codes(text):
    assert code_name(text) == ""


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("What thread has AX200B?", "What thread has AX-200-B?"),
        ("thread of ax 200 b", "thread of AX-200-B"),
        ("thread of AX-200-B", "thread of AX-200-B"),
        ("What is AX999?", "What is AX999?"),
        ("Who wrote 12 books?", "Who wrote 12 books?"),
    ],
)
def test_a_question_is_asked_in_the_spelling_of_the_passages(question, asked):
    assert respelt(question, ["AX-200-A has 14 mm.", "AX-200-B has 18 mm."]) == asked
