"""Scores against values computed by hand, by the rules of SQuAD's official script."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from rouge_score import rouge_scorer

from acclimate.evaluation.metrics import (
    exact_match,
    f1,
    groundedness,
    normalise,
    rouge_l,
    score,
    summarise,
)
from acclimate.types import Chunk, Citation, Hit, Prompt, Question


def test_normalisation():
    assert normalise("The  Cat, an U.S. 'dog'!") == "cat us dog"


@pytest.mark.parametrize(
    ("text", "references", "em", "overlap"),
    [
        ("The Eiffel Tower", ["eiffel tower"], 1, 1),
        ("in Paris", ["Paris", "France"], 0, 2 / 3),
        ("x y", ["y z w"], 0, 0.4),
        ("a", ["the"], 1, 1),
        ("blue", [], 0, 0),
        ("blue blue", ["blue"], 0, 2 / 3),
    ],
)
def test_em_and_f1(text, references, em, overlap):
    assert exact_match(text, references) == em
    assert f1(text, references) == pytest.approx(overlap)


def answer(text, citations=(), abstained=False):
    chunk = Chunk("c", "d", 0, 30, "the words of x and of evidence")
    prompt = Prompt((), 0, (Hit(chunk, 1.0, 2),), (Hit(replace(chunk, document="e"), 1.0, 1),))
    return SimpleNamespace(text=text, citations=citations, abstained=abstained, prompt=prompt)


def cite(document, start, end):
    return Citation(1, document, start, end, "")


def test_citations_count_where_they_touch_the_evidence():
    question = Question("1", "Q?", ("x",), "d", "evidence")
    got = score(question, answer("x", (cite("d", 5, 9), cite("e", 5, 9))), (8, 20))
    assert (got.citation_precision, got.citation_recall) == (0.5, 1.0)
    assert score(question, answer("x", (cite("d", 5, 8),)), (8, 20)).citation_recall == 0.0
    assert score(question, answer("x"), (8, 20)).citation_precision is None


def test_abstention():
    no, yes = Question("1", "Q?", answerable=False), Question("2", "Q?", ("x",))
    scores = [
        score(no, answer("", abstained=True), None),
        score(no, answer("y"), None),
        score(yes, answer("x"), None),
        score(yes, answer("", abstained=True), None),
    ]
    found = summarise(scores)
    assert (found.em, found.abstention_precision, found.abstention_recall, found.abstention_f1) == (
        0.5,
        0.5,
        0.5,
        0.5,
    )
    with pytest.raises(ValueError, match="no scores"):
        summarise([])


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("The quick brown fox", "the brown fox jumps"),
        ("117 kg, dry", "It weighs 117 kg when dry."),
        ("a b c d e f", "f e d c b a"),
        ("nothing shared", "at all"),
    ],
)
def test_rouge_l_is_the_reference_implementations(text, reference):
    expected = rouge_scorer.RougeScorer(["rougeL"]).score(reference, text)["rougeL"].fmeasure
    assert rouge_l(text, ["zzz", reference]) == pytest.approx(expected)


def test_groundedness_is_the_share_of_words_that_the_cited_passage_holds():
    assert groundedness(answer("Words of evidence.", (cite("d", 0, 5),))) == 1.0
    assert groundedness(answer("Words of nonsense.", (cite("d", 0, 5),))) == 0.5
    assert groundedness(answer("Words here. Invented claims.", (cite("d", 0, 5),))) == 0.25
    assert groundedness(answer("Words of evidence.")) == 0.0
    assert groundedness(answer("", abstained=True)) is None


def test_the_evidence_is_found_at_the_rank_of_the_passage_that_holds_it():
    question = Question("1", "Q?", ("x",), "d", "evidence")
    found = [score(question, answer("x"), span).found for span in ((0, 20), (20, 60))]
    assert found == [0.5, 0.0]
    summary = summarise([score(question, answer("x"), span) for span in ((0, 20), (20, 60))])
    assert (summary.found, summary.mrr) == (0.5, 0.25)
    assert score(question, answer("x"), None).found is None
