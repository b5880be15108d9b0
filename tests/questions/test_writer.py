"""Drafts from a model's free text."""

from acclimate.questions.writer import KINDS, Draft, EngineWriter, read_drafts
from acclimate.types import Chunk

TEXT = """Here are two questions:

1. Q: Who designed the museum in Bodo?
   A: "Ada Holm"

**Question 2:** When did it open?
**Answer 2:** in  1931.
Q: A question without an answer?
"""


def test_pairs_are_read_from_what_models_really_write():
    assert read_drafts(TEXT) == [
        Draft("Who designed the museum in Bodo?", "Ada Holm"),
        Draft("When did it open?", "in 1931."),
    ]
    assert read_drafts("I cannot do that.") == []


def test_a_writer_shows_the_passages_and_keeps_to_the_number_asked_for():
    seen = []

    def write(messages, most):
        seen.append((messages[0].content, most))
        return "Q: One?\nA: 1\nQ: Two?\nA: 2"

    chunk = Chunk("c", "a.md", 0, 9, "The text.", "Title", ("Part",))
    writer = EngineWriter("m", write)
    assert writer.write([chunk], "single-fact", 1) == [Draft("One?", "1")]
    assert "Title › Part\nThe text." in seen[0][0]
    assert writer.write([chunk, chunk], "unanswerable", 2) == [Draft("One?", ""), Draft("Two?", "")]
    assert "the passages above" in seen[1][0]
    assert writer.kinds == KINDS
