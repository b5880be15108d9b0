"""Passages as blocks: a list goes with the sentence before it, and is never cut."""

from acclimate.text.blocks import blocks, items

TEXT = """# Travel

Book early.
Ask first.

## What to pack

You need:

- a passport
- a ticket
  that is valid

- cash

Have fun.

| Class | Price |
| --- | --- |
| First | $90 |

**Going home**

1. Call us.
2) Wait."""


def test_blocks_name_their_heading_and_lists_keep_their_introduction() -> None:
    found = [(one.kind, one.heading, TEXT[one.span.start : one.span.end]) for one in blocks(TEXT)]
    assert found == [
        ("paragraph", "Travel", "Book early.\nAsk first."),
        (
            "list",
            "What to pack",
            "You need:\n\n- a passport\n- a ticket\n  that is valid\n\n- cash",
        ),
        ("table", "What to pack", "Have fun.\n\n| Class | Price |\n| --- | --- |\n| First | $90 |"),
        ("list", "Going home", "1. Call us.\n2) Wait."),
    ]


def test_a_long_paragraph_without_a_colon_is_no_introduction() -> None:
    text = f"{'Something else. ' * 20}\n\n- one\n- two"
    assert [one.kind for one in blocks(text)] == ["paragraph", "list"]


def test_items_hold_what_is_indented_below_them() -> None:
    text = "Do this:\n- one\n  and more\n- two\n"
    assert [text[one.start : one.end] for one in items(text)] == ["- one\n  and more", "- two"]
    assert items("no list") == []


def test_an_empty_text_has_no_blocks() -> None:
    assert blocks("") == blocks("\n\n") == blocks("# Heading alone") == []
