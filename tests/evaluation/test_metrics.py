"""Scores against values computed by hand, by the rules of SQuAD's official script."""

import json
from types import SimpleNamespace

import pytest

from acclimate.errors import SettingsError
from acclimate.evaluation.metrics import exact_match, f1, normalise, score, summarise
from acclimate.evaluation.questions import read_questions
from acclimate.types import Citation, Question


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
    return SimpleNamespace(text=text, citations=citations, abstained=abstained)


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
    assert (found.em, found.abstention_precision, found.abstention_recall, found.abstention_f1) == (0.5, 0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="no scores"):
        summarise([])


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "line 2"),
        ('{"question": "Q?"}', "'id' is missing"),
        ('{"id": "a", "question": "Q?", "answers": ["x"]}', "a second time"),
        ('{"id": "b", "question": "Q?"}', "needs answers"),
        ('{"id": "b", "question": " ", "answers": ["x"]}', "is empty"),
        ("[]", "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, part):
    good = json.dumps({"id": "a", "question": "Q?", "answers": ["x"]})
    (tmp_path / "q.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(SettingsError, match=part):
        read_questions(tmp_path / "q.jsonl")
