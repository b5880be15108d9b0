"""What a set can tell before it is asked is what comparisons then tell; difficulty; near duplicates."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from acclimate.evaluation.power import _t, difficulties, power
from acclimate.evaluation.statistics import permutation_p
from acclimate.questions.splitting import near_duplicates
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Question

from .test_gates_and_drift import compared, questions  # noqa: F401 -- a fixture


def asked(documents, each):
    return [
        Question(f"{one}-{number}", f"Question {number} of {one}?", ("a",), document=f"{one}.md")
        for one in range(documents)
        for number in range(each)
    ]


@pytest.mark.parametrize("degrees", [4, 9, 30, 200])
@pytest.mark.parametrize("share", [0.8, 0.975])
def test_the_quantile_is_students(share, degrees):
    assert _t(share, degrees) == pytest.approx(stats.t.ppf(share, degrees), rel=0.02)


def test_a_difference_of_that_size_is_found_in_four_of_five_tries():
    """Gaps with the standard deviation and the likeness within documents that it assumes."""
    told = power(asked(30, 3))
    rng, found, tries = np.random.default_rng(1), 0, 200
    clusters = [one for one in range(30) for _ in range(3)]
    between, within = 0.45 * np.sqrt(0.1), 0.45 * np.sqrt(0.9)
    for _ in range(tries):
        levels = np.repeat(rng.normal(0, between, 30), 3)
        gaps = told.apart + levels + rng.normal(0, within, 90)
        found += permutation_p(gaps, clusters, 1000) < 0.05
    assert 0.71 < found / tries < 0.89  # 80 % give or take three standard errors
    assert not told.measured
    assert "90 questions about 30 documents" in told.sentence


def test_more_questions_tell_more_and_one_document_tells_nothing():
    assert power(asked(40, 3)).apart < power(asked(20, 3)).apart < power(asked(20, 1)).apart
    assert power(asked(60, 1)).apart < power(asked(6, 10)).apart  # documents count
    assert "nothing for certain" in power(asked(1, 9)).sentence
    assert "hardly anything" in power(asked(3, 1)).sentence


def test_after_a_comparison_the_spread_is_what_was_measured(compared):  # noqa: F811
    made = compared({f"q{number}" for number in range(6)})
    told = power(questions(), made)
    assert told.measured
    # 18 of 24 gaps are 1, the others 0: standard deviation 0.442, one question a document.
    half = stats.t.ppf(0.975, 23) + stats.t.ppf(0.8, 23)
    assert told.apart == pytest.approx(half * 0.4423 / np.sqrt(24), rel=0.02)
    (row,) = difficulties(made)
    assert (row.kind, row.easy, row.between, row.hard) == ("other", 0, 18, 6)


def test_questions_that_ask_the_same_are_found_once():
    first = Question("1", "How heavy is the pump?", ("117 kg",), document="a.md")
    found = near_duplicates(
        [
            first,
            replace(first, id="2", question="how heavy is a pump"),
            replace(first, id="3", question="What colour has it?", answers=("red",)),
        ],
        HashEmbedder().embed_queries,
    )
    assert [(one.first.id, one.second.id, one.kind) for one in found] == [
        ("1", "2", "same question")
    ]
