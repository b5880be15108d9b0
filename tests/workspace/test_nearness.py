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
        return self._marked, [
            one for one in self._marked if answer and self._says(chunks, one, answer)
        ]

    def best_spans(self, question: str, chunks: Sequence[Chunk]) -> list[Marked]:
        return self._marked

    @staticmethod
    def _says(chunks: Sequence[Chunk], one: Marked, answer: str) -> bool:
        return chunks[0].text[one.span.start : one.span.end] == answer


HITS = [Hit(Chunk("1", "refunds.md", 0, len(PERIODS), PERIODS), 1.0, 1)]
PRIVATE = "How many days do private buyers have?"


def reader(business: float, private: float, nearness: float) -> ExtractiveReader:
    marked = place(PERIODS, "14 days", business), place(PERIODS, "30 days", private)
    limits = Limits(threshold=0.05, surer=2.0, alone=0.2, nearness=nearness)
    return ExtractiveReader(Scripted(*marked), limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(("nearness", "answer"), [(0.0, "14 days"), (5.0, "30 days")])
def test_what_is_said_of_something_else_gives_way(nearness: float, answer: str) -> None:
    assert reader(0.75, 0.4, nearness).extract(PRIVATE, HITS).text == answer


@pytest.mark.parametrize(("nearness", "answer"), [(0.0, "14 days"), (5.0, "30 days")])
def test_and_does_not_take_the_place_of_the_models_words(nearness: float, answer: str) -> None:
    said = resolve("30 days", HITS)
    assert reader(0.9, 0.3, nearness).second_opinion(PRIVATE, HITS, said).text == answer


@pytest.mark.parametrize(("nearness", "answer"), [(0.0, "14 days"), (5.0, REFUSAL)])
def test_nor_that_of_its_refusal(nearness: float, answer: str) -> None:
    refused = resolve(REFUSAL, HITS)
    assert reader(0.7, 0.01, nearness).second_opinion(PRIVATE, HITS, refused).text == answer
