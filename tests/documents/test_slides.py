"""Slides: read as they stand, not as they were made; hidden ones and hidden shapes are left out or marked."""

import pptx
import pytest
from pptx.util import Inches

from acclimate.documents.parsers import parse
from acclimate.documents.reading_order import reading_order
from acclimate.types import Box


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("one below the other", [(0, 0, 9, 1), (0, 2, 9, 3), (0, 4, 9, 5)]),
        (
            "two columns under a title",
            [(0, 0, 9, 1), (0, 2, 4, 3), (0, 3.1, 4, 8), (5, 2, 9, 4), (5, 4.2, 9, 8)],
        ),
        ("headings over columns", [(0, 2, 4, 2.5), (0, 2.6, 4, 6), (5, 2, 9, 2.5), (5, 2.6, 9, 6)]),
        ("labels before values", [(0, 0, 2, 1), (2.1, 0, 9, 1), (0, 2, 2, 3), (2.1, 2, 9, 3)]),
        (
            "close labels before values",
            [(0, 0, 2, 1), (2.3, 0, 9, 1), (0, 1.1, 2, 2), (2.3, 1.1, 9, 2)],
        ),
        ("columns, then a line under all", [(0, 0, 4, 5), (5, 0, 9, 5), (0, 6, 9, 7)]),
        ("a column that goes on lower", [(0, 0, 4, 2), (0, 2.2, 4, 9), (5, 0.5, 9, 5)]),
        (
            "frames that touch and overlap a little",
            [(0, 0, 9, 1.05), (0, 1, 4.5, 3), (4.4, 1, 9, 3)],
        ),
        ("frames across each other", [(0, 0, 6, 6), (3, 1, 9, 5), (2, 2, 8, 9)]),
        ("all at one place", [(1, 1, 2, 2), (1, 1, 2, 2), (1, 1, 2, 2)]),
    ],
)
def test_boxes_are_read_as_they_stand(name, boxes):
    placed = [Box(*box) for box in boxes]
    assert reading_order(placed) == list(range(len(placed))), name
    if len(set(placed)) == len(placed):
        backwards = reading_order(placed[::-1])
        assert [placed[::-1][at] for at in backwards] == placed, name


@pytest.fixture
def show(tmp_path):
    """show(fill) → the file of a presentation that a function filled."""

    def make(fill):
        opened = pptx.Presentation()
        fill(opened)
        opened.save(str(tmp_path / "made.pptx"))
        return tmp_path / "made.pptx"

    return make


def text(shapes, said, left, top, width=4.0, height=0.6):
    box = shapes.add_textbox(*map(Inches, (left, top, width, height)))
    box.text_frame.text = said
    return box


def said(document):
    return [document.text[one.start : one.end] for one in document.elements]


def test_a_slide_is_read_by_place_and_a_group_where_it_stands(show):
    def fill(opened):
        slide = opened.slides.add_slide(opened.slide_layouts[5])
        text(slide.shapes, "West makes 75 tonnes", 5.2, 2.7)
        group = slide.shapes.add_group_shape()
        text(group.shapes, "Plant East", 0.3, 2.0)
        text(group.shapes, "Plant West", 5.2, 2.0)
        text(slide.shapes, "East makes 40 tonnes", 0.3, 2.7)
        slide.shapes.title.text = "Output"
        slide.notes_slide.notes_text_frame.text = "East stops in week 31."

    assert said(parse(show(fill), "a.pptx")) == [
        *("Output", "Plant East", "East makes 40 tonnes", "Plant West", "West makes 75 tonnes"),
        "East stops in week 31.",
    ]


def test_what_a_group_holds_stands_where_the_group_was_moved(show):
    def fill(opened):
        slide = opened.slides.add_slide(opened.slide_layouts[6])
        group = slide.shapes.add_group_shape()
        text(group.shapes, "at the bottom", 0.3, 0.3)
        text(slide.shapes, "at the top", 0.3, 2.0)
        group.top = Inches(5)

    assert said(parse(show(fill), "a.pptx")) == ["at the top", "at the bottom"]


def test_hidden_slides_and_shapes_are_left_out_or_marked(show):
    def fill(opened):
        slide = opened.slides.add_slide(opened.slide_layouts[6])
        text(slide.shapes, "The pump costs 900 euro.", 1, 1)
        text(slide.shapes, "Old price: 700 euro.", 1, 2)._element.nvSpPr.cNvPr.set("hidden", "1")
        text(slide.shapes, "Beside the slide.", -6, 3)
        second = opened.slides.add_slide(opened.slide_layouts[6])
        text(second.shapes, "Draft of 2011.", 1, 1)
        second._element.set("show", "0")
        text(opened.slides.add_slide(opened.slide_layouts[6]).shapes, "The end.", 1, 1)

    file = show(fill)
    document = parse(file, "a.pptx")
    assert said(document) == ["The pump costs 900 euro.", "The end."]
    assert document.hidden == {"shape": 2, "slide": 1}
    assert document.page_at(document.text.index("The end.")) == 3
    marked = parse(file, "a.pptx", hidden="mark")
    assert list(
        zip(said(marked), [one.metadata.get("hidden") for one in marked.elements], strict=True)
    ) == [
        ("The pump costs 900 euro.", None),
        ("Old price: 700 euro.", "shape"),
        ("Beside the slide.", "shape"),
        ("Draft of 2011.", "slide"),
        ("The end.", None),
    ]
