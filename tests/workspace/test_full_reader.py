"""Full answers by the extractor: what is quoted, when, and what is added to a model's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from acclimate.embeddings.extractor import Marked
from acclimate.prompting.citations import Resolved
from acclimate.prompting.full_answer import FullReading
from acclimate.prompting.passages import REFUSAL
from acclimate.types import Chunk, Hit, Span
from acclimate.workspace.extractor import ExtractiveReader, Limits
from acclimate.workspace.full_reader import FullReader

TEXTS = (
    "# Hub\n\nThe hub is white.\n\n## Reset\n\nTo reset the hub:\n\n1. Hold the button R.\n2. Wait.",
    "## Fees\n\n| Class | Fee |\n| --- | --- |\n| First | $90 |\n| Second | $40 |",
    "## Leave\n\nYou may keep the keys. "
    + "Nothing else is said about it here. " * 12
    + "They must be cleaned by Monday. " * 6,
)
HITS = [
    Hit(Chunk(f"c{n}", f"{n}.md", 50, 50 + len(text), text), 1 / n, n)
    for n, text in enumerate(TEXTS, start=1)
]


@dataclass
class Scripted:
    """Finds blocks and places by a word that they must hold, as sure as it is told."""

    word: str
    sure: float = 0.9

    def relevance(self, question: str, texts: Sequence[str]) -> np.ndarray:
        logit = float(np.log(self.sure / (1 - self.sure)))
        return np.array([[logit if self.word in text else -6.0] for text in texts], np.float32)

    def best_spans(self, question: str, chunks: Sequence[Chunk]) -> list[Marked]:
        found = []
        for at, chunk in enumerate(chunks):
            if (start := chunk.text.find(self.word)) >= 0:
                found.append(Marked(at, Span(start, start + len(self.word)), self.sure))
        return found

    def best_and_matching_spans(
        self, question: str, chunks: Sequence[Chunk], answer: str
    ) -> tuple[list[Marked], list[Marked]]:
        return self.best_spans(question, chunks), []


def reader(word: str, sure: float = 0.9) -> FullReader:
    scripted: Any = Scripted(word, sure)
    return FullReader(ExtractiveReader(scripted, Limits(discount=1.0)))


def test_steps_are_quoted_whole_with_the_sentence_before_them() -> None:
    found = reader("button").quote("How do I reset the hub?", HITS)
    assert found.text == "To reset the hub:\n\n1. Hold the button R.\n2. Wait."
    assert found.marked == f"{found.text} [1]"
    (citation,) = found.citations
    assert TEXTS[0][citation.start - 50 : citation.end - 50] == citation.quote == found.text
    assert (citation.verbatim, found.style, found.by) == (True, "full", "minilm-extractor")


def test_a_row_is_told_with_its_columns_and_cited_where_it_stands() -> None:
    found = reader("$90").quote("What does first class cost?", HITS)
    assert found.text == "Class: First; Fee: $90"
    assert found.citations[0].quote == "| First | $90 |"


def test_a_long_paragraph_is_cut_to_the_sentences_around_the_place() -> None:
    found = reader("You may keep").quote("May I keep the keys?", HITS)
    assert found.text.startswith("You may keep the keys.")
    assert found.text.count(".") == 4
    assert "Monday" not in found.text


def test_nothing_is_quoted_where_no_block_is_likely() -> None:
    found = reader("button", 0.2).quote("How do I reset the hub?", HITS)
    assert (found.text, found.abstained, found.citations) == (REFUSAL, True, ())
    assert reader("button").quote("How?", []).abstained


@pytest.mark.parametrize(
    ("word", "question", "quoted"),
    [
        ("button", "How do I reset the hub?", True),
        ("You may keep", "May I keep the keys?", True),
        ("button", "What are the steps?", True),
        ("white", "What are the colours?", False),  # no list
        ("$90", "How can I travel first class?", False),  # a cell
        ("button", "When is the hub reset?", False),
    ],
)
def test_short_style_quotes_only_what_a_few_words_do_not_answer(
    word: str, question: str, quoted: bool
) -> None:
    assert (reader(word).quote_where_asked(question, HITS) is not None) is quoted


def test_short_style_leaves_what_is_less_likely_to_the_other_reader() -> None:
    question = "How do I reset the hub?"
    assert reader("button", 0.45).quote_where_asked(question, HITS) is None
    assert not reader("button", 0.45).quote(question, HITS).abstained
    assert reader("button", 0.55).quote_where_asked(question, HITS) is not None


@pytest.mark.parametrize(
    ("sure", "text"),
    [(0.45, "button"), (0.35, "To reset the hub:"), (0.2, REFUSAL), (0.01, REFUSAL)],
)
def test_few_words_against_the_model_need_sureness(sure: float, text: str) -> None:
    said = Resolved("$90", "$90 [2]", False, ())
    found = reader("button", sure).second_opinion("What resets the hub?", HITS, said)
    assert found.text.startswith(text)
    assert found.abstained == (text == REFUSAL)


def test_what_the_model_says_is_kept_as_before() -> None:
    own = Resolved("$90", "$90 [2]", False, ())
    assert reader("button", 0.35).second_opinion("What?", HITS, own, own_words=True) is own


def test_where_the_model_abstains_a_sentence_says_more_than_a_few_words() -> None:
    refused = Resolved(REFUSAL, REFUSAL, True, ())
    found = reader("button", 0.6).second_opinion("What resets the hub?", HITS, refused)
    assert found.text.startswith("To reset the hub:")
    scripted: Any = Scripted("button", 0.25)
    sure = FullReader(ExtractiveReader(scripted, Limits(discount=1.0, alone=0.2)))
    assert sure.second_opinion("What resets the hub?", HITS, refused).text == "button"


def test_a_block_that_very_likely_answers_is_quoted_instead_of_a_refusal() -> None:
    refused = Resolved(REFUSAL, REFUSAL, True, ())
    assert reader("button", 0.35).second_opinion("What?", HITS, refused) is refused
    likely: Any = Scripted("button", 0.9)
    unsure = FullReader(ExtractiveReader(likely, Limits(discount=1.0, alone=0.95)))
    found = unsure.second_opinion("What resets the hub?", HITS, refused)
    assert found.text.startswith("To reset the hub:")


def test_what_the_model_left_out_is_added_once() -> None:
    reading = FullReading("What is the hub like?", HITS)
    reading.end("To reset the hub, hold the button R [1].")
    found = reader("white").complete("What is the hub like?", HITS, reading)
    assert found.text == "To reset the hub, hold the button R. The hub is white."
    assert [one.quote for one in found.citations][-1] == "The hub is white."
    assert "added" in found.decision
    again = FullReading("What is the hub like?", HITS)
    again.end("The hub is white [1].")
    assert reader("white").complete("?", HITS, again).text == "The hub is white."
    unsure = FullReading("What is the hub like?", HITS)
    unsure.end("To reset the hub, hold the button R [1].")
    assert reader("white", 0.4).complete("?", HITS, unsure).text.endswith("button R.")


def test_where_the_model_abstains_the_likely_block_is_quoted() -> None:
    reading = FullReading("How do I reset the hub?", HITS)
    reading.end(REFUSAL)
    found = reader("button").complete("How do I reset the hub?", HITS, reading)
    assert found.text.startswith("To reset the hub:")
    assert "abstained" in found.decision
    unsure = reader("button", 0.1).complete("How do I reset the hub?", HITS, reading)
    assert unsure.abstained
