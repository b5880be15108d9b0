"""Citations point only at passages shown, and their quote is exactly the text of the place they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.prompting.citations import is_refusal, resolve
from acclimate.prompting.passages import REFUSAL
from acclimate.types import Chunk, Hit

OFFSET = 100
PASSAGES = (
    "Refunds are paid within 14 days. Shipping costs are not refunded.",
    "| Model | Price |\n| AX-2 | 1,250 EUR |\n| AX-3 | 1,480 EUR |",
    "Dr. Lund signed on 3 May. The office is in Aarhus.",
)
HITS = [
    Hit(Chunk(f"c{i}", f"doc{i}.md", OFFSET * i, OFFSET * i + len(text), text, page=i), 1.0 / i, i)
    for i, text in enumerate(PASSAGES, 1)
]


def quote(citation):
    start = citation.start - OFFSET * citation.number
    return PASSAGES[citation.number - 1][start : start + citation.end - citation.start]


def test_a_mark_becomes_the_sentence_that_holds_the_words():
    resolved = resolve("within 14 days [1]", HITS)
    assert (resolved.text, resolved.marked) == ("within 14 days", "within 14 days [1]")
    (citation,) = resolved.citations
    assert (citation.document, citation.quote, citation.page) == (
        "doc1.md",
        "Refunds are paid within 14 days.",
        1,
    )
    assert citation.verbatim
    assert citation.start == OFFSET


def test_a_table_row_is_the_unit_of_a_table():
    assert resolve("1,480 EUR [2]", HITS).citations[0].quote == "| AX-3 | 1,480 EUR |"


def test_case_spacing_and_punctuation_do_not_matter():
    assert resolve("Within 14  DAYS. [1]", HITS).citations[0].verbatim


def test_a_wrong_number_moves_to_the_passage_that_holds_the_words():
    resolved = resolve("within 14 days [3]", HITS)
    assert [citation.number for citation in resolved.citations] == [1]
    assert resolved.marked == "within 14 days [1]"


def test_an_answer_without_marks_is_given_one():
    resolved = resolve("Aarhus", HITS)
    assert resolved.marked == "Aarhus [3]"
    assert resolved.citations[0].quote == "The office is in Aarhus."


def test_words_that_stand_nowhere_keep_the_mark_and_say_so():
    resolved = resolve("shipping is never refunded at all [1]", HITS)
    (citation,) = resolved.citations
    assert not citation.verbatim
    assert citation.quote == "Shipping costs are not refunded."


def test_part_of_a_word_is_no_proof():
    assert resolve("4 day", HITS).citations == ()


def test_marks_beyond_the_passages_are_removed():
    resolved = resolve("blue cheese [7][0]", HITS)
    assert (resolved.citations, resolved.marked, resolved.text) == (
        (),
        "blue cheese",
        "blue cheese",
    )


def test_several_claims_keep_their_own_marks():
    resolved = resolve("within 14 days [1], and in Aarhus [3, 9].", HITS)
    assert resolved.marked == "within 14 days [1], and in Aarhus [3]."
    assert [citation.number for citation in resolved.citations] == [1, 3]


@pytest.mark.parametrize(
    "raw", [REFUSAL, "not in the documents", "Not in the documents. [2]", "", " \n", "[1]"]
)
def test_refusals_abstain_without_citations(raw):
    resolved = resolve(raw, HITS)
    assert (resolved.abstained, resolved.citations, resolved.text) == (True, (), REFUSAL)


def test_an_answer_that_only_mentions_documents_is_no_refusal():
    assert not is_refusal("The documents are in the archive")


@given(st.text(alphabet=st.sampled_from("within 14 days[]0123,; Aarhus\n.é"), max_size=60))
def test_whatever_a_model_writes_citations_are_exact(raw):
    resolved = resolve(raw, HITS)
    for citation in resolved.citations:
        assert 1 <= citation.number <= len(HITS)
        assert quote(citation) == citation.quote != ""
        assert f"[{citation.number}]" in resolved.marked
    assert resolve(raw, []).citations == ()
