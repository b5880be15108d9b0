from collections.abc import Sequence

import pytest

from acclimate.embeddings.extractor import Marked
from acclimate.prompting.citations import resolve
from acclimate.prompting.passages import REFUSAL
from acclimate.types import Chunk, Hit, Span
from acclimate.workspace.extractor import ExtractiveReader, Limits
from acclimate.workspace.nearness import Nearness

PERIODS = (
    "Private customers may return an unused product within 30 days of delivery. "
    "Business customers have 14 days."
)
LOTS = "Of the returned flow sensors 212 failed; 187 of them came from lot 2605."


def place(text: str, words: str, confidence: float = 0.5) -> Marked:
    at = text.index(words)
    return Marked(0, Span(at, at + len(words)), confidence)


def near(question: str, text: str, *words: str) -> list[float]:
    return Nearness(question, [text]).of([place(text, one) for one in words])


@pytest.mark.parametrize(
    ("question", "text", "nearest", "other"),
    [
        ("How many days do private buyers have?", PERIODS, "30 days", "14 days"),
        ("How many days do business buyers have?", PERIODS, "14 days", "30 days"),
        ("How many of the returned sensors came from lot 2605?", LOTS, "187", "212"),
    ],
)
def test_the_place_beside_the_questions_words_is_nearest(
    question: str, text: str, nearest: str, other: str
) -> None:
    best, less = near(question, text, nearest, other)
    assert best == 1
    assert 0 < less < 1


def test_another_sentence_counts_less_than_ones_own() -> None:
    same = "In Oslo seven work; nine do not."
    apart = "In Oslo seven work. Nine do not."
    (_, within), (_, behind) = (
        near("oslo?", same, "seven", "nine"),
        near("oslo?", apart, "seven", "Nine"),
    )
    assert behind == pytest.approx(0.4 * within)


def test_rare_words_count_more() -> None:
    moss, staff = near("staff moss", "Staff 5. Staff 6. Staff 7. Moss 8.", "8", "5")
    assert moss == 1
    assert staff < 0.7


@pytest.mark.parametrize(
    ("question", "text"),
    [("?", PERIODS), ("What about it?", PERIODS), ("会社は何時に開きますか", PERIODS)],
)
def test_without_words_of_the_question_all_are_equally_near(question: str, text: str) -> None:
    assert near(question, text, "30 days", "14 days") == [1, 1]


def test_words_of_the_place_itself_do_not_speak_for_it() -> None:
    text = "Boats sail at noon. Lot 9 is sold."
    assert near("when is lot sold", text, "Lot 9", "Lot 9 is sold.") == [1, 0]


@pytest.mark.parametrize(("endings", "words"), [("return", "returned"), ("RETURN", "return")])
def test_endings_and_case_do_not_matter(endings: str, words: str) -> None:
    assert near(f"who {endings} it", f"Ann {words} it. Bo left.", "Ann", "Bo")[0] == 1


class Scripted:
    """Marks what it was told."""

    def __init__(self, *marked: Marked) -> None:
        self._marked = list(marked)

    def best_and_matching_spans(
        self, question: str, chunks: Sequence[Chunk], answer: str
    ) -> tuple[list[Marked], list[Marked]]:
        return self._marked, self._marked[-1:] if answer else []


HITS = [Hit(Chunk("1", "refunds.md", 0, len(PERIODS), PERIODS), 1.0, 1)]


def second_opinion(question: str, said: str, near: float) -> str:
    """Beside a model that said this; the extractor is sure of the 14 days of business customers."""
    marked = place(PERIODS, "14 days", 0.7), place(PERIODS, "30 days", 0.05)
    reader = ExtractiveReader(Scripted(*marked), Limits(near=near))  # type: ignore[arg-type]
    return reader.second_opinion(question, HITS, resolve(said, HITS)).text


@pytest.mark.parametrize(
    ("question", "said", "near", "answer"),
    [
        ("How many days do private buyers have?", REFUSAL, 0.0, "14 days"),
        ("How many days do private buyers have?", REFUSAL, 0.75, REFUSAL),
        ("How many days do business buyers have?", REFUSAL, 0.75, "14 days"),
        ("?", REFUSAL, 0.75, "14 days"),
        # Beside an answer nothing is asked but who is surer.
        ("How many days do private buyers have?", "30 days", 0.75, "14 days"),
    ],
)
def test_what_is_said_of_something_else_does_not_take_the_place_of_a_refusal(
    question: str, said: str, near: float, answer: str
) -> None:
    assert second_opinion(question, said, near) == answer
