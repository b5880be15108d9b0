from dataclasses import dataclass

import pytest

from acclimate.retrieval.mining import holds, mine
from acclimate.types import Chunk, Hit, Question, Span

TEXT = "The pump weighs 98 kg. It is made in Oslo. Its colour is red."
RIGHT = Chunk("p0", "pump.md", 0, 22, TEXT[:22])
CHUNKS = [
    RIGHT,
    Chunk("p1", "pump.md", 23, 42, TEXT[23:42]),
    Chunk("p2", "pump.md", 43, len(TEXT), TEXT[43:]),
]
OTHERS = [
    Chunk("f0", "fan.md", 0, 26, "The fan weighs 7 kilograms."),
    Chunk("f1", "fan.md", 30, 60, "With the pump it weighs 98\nKG."),
    Chunk("c0", "copy.md", 0, 22, TEXT[:22]),
    Chunk("s0", "shop.md", 0, 20, "The shop is in Oslo."),
    Chunk("e0", "pump.md", 15, 42, TEXT[15:42]),
]


@dataclass
class Found:
    chunks: list[Chunk]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        return [Hit(chunk, 1 / n, n) for n, chunk in enumerate(self.chunks[:k], start=1)]


def test_nothing_that_may_be_right_counts_as_wrong() -> None:
    question = Question(
        "q", "How heavy is the pump?", ("98 kg",), "pump.md", "weighs 98 kg", documents=("shop.md",)
    )
    mined = mine(question, Span(9, 21), CHUNKS, Found([*OTHERS, *CHUNKS]))
    assert mined is not None
    assert [chunk.id for chunk in mined.right] == ["p0"]
    # Left out: an answer in other spacing and case, a copy, a needed document, a chunk that touches
    # the evidence.
    assert [chunk.id for chunk in mined.wrong] == ["f0", "p1", "p2"]
    assert [hit.chunk.id for hit in mined.found] == ["f0", "f1", "c0", "s0", "e0", "p0", "p1", "p2"]


def test_evidence_that_no_chunk_holds_half_of_is_left_out() -> None:
    assert (
        mine(Question("q", "?", ("x",), "pump.md"), Span(100, 120), CHUNKS, Found(OTHERS)) is None
    )


@pytest.mark.parametrize(
    ("text", "answers", "held"),
    [
        ("It weighs 98  KG.", ("98 kg",), True),
        ("It weighs 198 kg.", ("98 kg",), False),
        ("Ends in Strasse", ("STRASSE",), True),
        ("a (b)", ("(b)",), True),
        ("anything", ("", " "), False),
        ("anything", (), False),
    ],
)
def test_holds_looks_for_whole_words(text: str, answers: tuple[str, ...], held: bool) -> None:
    assert holds(text, answers) is held
