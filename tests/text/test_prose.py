"""What an answer shows of a document's Markdown."""

import pytest

from acclimate.text.plain_markdown import as_prose
from acclimate.text.tables import row_as_prose
from acclimate.types import Span


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "Ask in **Slack**, or [write](https://a.example/b_(c)) to _us_.",
            "Ask in Slack, or write to us.",
        ),
        (
            "![a picture](x.png)\n## Steps\n1. Use `snake_case_name`.",
            "Steps\n1. Use `snake_case_name`.",
        ),
        ("2 * 3 * 4 and a_b_c", "2 * 3 * 4 and a_b_c"),
        ("<td>Web</td> \\*not bold\\*", "Web *not bold*"),
    ],
)
def test_marks_go_and_words_stay(text: str, shown: str) -> None:
    assert as_prose(text) == shown


TABLE = "Limits:\n\n| Role | Limit |\n| --- | ---: |\n| Lead | $1,000 |\n| Other | |\n"


def test_a_row_is_told_with_the_names_of_its_columns() -> None:
    at = TABLE.index("| Lead")
    assert row_as_prose(TABLE, Span(at, at + 17)) == "Role: Lead; Limit: $1,000"
    assert row_as_prose(TABLE, Span(9, len(TABLE))) == "Role: Lead; Limit: $1,000\nRole: Other"


def test_the_header_may_stand_before_the_text() -> None:
    row = "| Lead | $1,000 |"
    header = "| Role | Limit |\n| --- | --- |"
    assert row_as_prose(row, Span(0, len(row)), header) == "Role: Lead; Limit: $1,000"
    assert row_as_prose(row, Span(0, len(row))) == "Lead; $1,000"


def test_what_is_no_row_is_left_to_others() -> None:
    assert row_as_prose(TABLE, Span(0, 12)) == row_as_prose("a | b", Span(0, 5)) == ""
