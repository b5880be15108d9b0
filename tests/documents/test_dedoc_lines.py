"""Lines as dedoc's package gives them. The two lists are what dedoc 2.8 made of a text and a JSON file."""

from acclimate.documents.builder import TextBuilder
from acclimate.documents.dedoc_lines import Line, add_lines


def made(*lines):
    builder = TextBuilder()
    add_lines(lines, builder)
    document = builder.build("a", "")
    return [(e.kind, document.text[e.start : e.end], e.level) for e in document.elements]


def test_a_text_has_its_lists():
    assert made(
        Line("raw_text", "Delivery rules"),
        Line("raw_text", ""),
        Line("list_item", "1. First"),
        Line("list_item", "1.1 Second one", 2),
        Line("list_item", "- unpack it"),
    ) == [
        ("paragraph", "Delivery rules", 0),
        ("list_item", "1. First", 1),
        ("list_item", "1.1 Second one", 2),
        ("list_item", "- unpack it", 1),
    ]


def test_keys_of_json_stand_with_their_values():
    assert made(
        Line("key", "name", 1),
        Line("raw_text", "Ada", 2),
        Line("key", "none", 1),
        Line("key", "rows", 1),
        Line("list_item", "", 2),
        Line("key", "kg", 3),
        Line("raw_text", "84", 4),
        Line("list_item", "x", 2),
        Line("key", "last", 1),
    ) == [
        ("paragraph", "name: Ada", 0),
        ("paragraph", "none:", 0),
        ("heading", "rows", 1),
        ("paragraph", "kg: 84", 0),
        ("list_item", "- x", 2),
        ("paragraph", "last:", 0),
    ]
