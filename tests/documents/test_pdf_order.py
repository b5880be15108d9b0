"""A PDF page is read as it stands where it was written backwards, and as it was written where it was not."""

import fpdf
import pytest

from acclimate.documents.parsers import parse

LEFT = [(50, 150 + 14 * row, f"Left {row} of the east plant and more") for row in range(4)]
RIGHT = [(330, 150 + 14 * row, f"Right {row} of the west plant and more") for row in range(4)]
TITLE = [(50, 100, "Output of both plants in the last year, in tonnes a day, as reported")]
FOOT = [(50, 780, "Acme, report of the year")]
ROWS = [line for pair in zip(LEFT, RIGHT, strict=True) for line in pair]
STEPS = [
    (50, 100, "Plant East"),
    (50, 150, "Output 40 tonnes"),
    (50, 300, "Plant West"),
    (50, 350, "Output 75 tonnes"),
]


def written(tmp_path, lines):
    page = fpdf.FPDF(unit="pt", format=(600, 800))
    page.set_auto_page_break(False)
    page.add_page()
    page.set_font("Helvetica", size=11)
    for left, top, text in lines:
        page.text(left, top, text)
    page.output(str(tmp_path / "a.pdf"))
    return " ".join(parse(tmp_path / "a.pdf", "a.pdf").text.split())


@pytest.mark.parametrize(
    "lines",
    [
        TITLE + LEFT + RIGHT,
        TITLE + ROWS,
        RIGHT + LEFT + TITLE,
        LEFT + RIGHT + TITLE,
        TITLE + RIGHT + LEFT,
    ],
    ids=["as it stands", "line by line", "right first", "title last", "title, then right"],
)
def test_columns_are_read_one_after_the_other_whatever_was_written_first(tmp_path, lines):
    assert written(tmp_path, lines) == " ".join(text for _, _, text in TITLE + LEFT + RIGHT)


@pytest.mark.parametrize("order", [(3, 0, 2, 1), (2, 3, 0, 1), (3, 2, 1, 0)])
def test_what_was_written_from_the_bottom_is_read_from_the_top(tmp_path, order):
    assert written(tmp_path, [STEPS[at] for at in order]) == " ".join(text for _, _, text in STEPS)


def test_a_page_whose_header_was_written_last_keeps_its_order(tmp_path):
    notes = [(330, 150, "A note beside the text"), (50, 210, "goes on below the note")]
    lines = [*LEFT, *notes, *FOOT, (50, 30, "Chapter one")]
    assert written(tmp_path, lines) == " ".join(text for _, _, text in lines)
