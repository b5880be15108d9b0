"""Drafts from a model's free text."""

from acclimate.questions.writer import (
    KINDS,
    Draft,
    EngineWriter,
    TrainedWriter,
    read_drafts,
    told_pairs,
)
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


def test_a_trained_writer_reads_what_it_learns_to_write_and_drops_what_was_cut_short():
    pairs = [
        ("Who designed the museum?", "Ada Holm"),
        ("When did it open?", "1931"),
        ("Where is it?", "Bodo"),
    ]
    chunk = Chunk("c", "a.md", 0, 9, "The text.", "Title", ("Part",))
    told = told_pairs(pairs)
    for written, most, kept in (
        (told, 3, 3),
        (told, 2, 2),
        (told[:-9], 3, 2),
        (f"{told}\n{told}", 9, 3),
        ("No.", 3, 0),
    ):
        writer = TrainedWriter("m", lambda messages, tokens, written=written: written)
        assert writer.write([chunk], "single-fact", most) == [Draft(*pair) for pair in pairs[:kept]]
