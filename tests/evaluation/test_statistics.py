"""Intervals and tests against simulations with known truth, and against SciPy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.evaluation import statistics
from acclimate.evaluation.statistics import (
    difference,
    family_p,
    mean_interval,
    needed,
    permutation_p,
)


@pytest.fixture
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 1000)


def simulate(rng, groups, shift):
    """Two recipes' right and wrong answers in documents of one to five questions, some documents harder than others."""
    sizes = rng.integers(1, 6, groups)
    clusters = np.repeat(np.arange(groups), sizes)
    hard = rng.normal(0, 0.8, groups)[clusters]
    first = (rng.random(len(clusters)) < 1 / (1 + np.exp(-(shift + hard)))).astype(float)
    second = (rng.random(len(clusters)) < 1 / (1 + np.exp(-hard))).astype(float)
    return first, second, clusters.tolist()


def truth(shift):
    hard = np.random.default_rng(1).normal(0, 0.8, 1_000_000)
    return float(np.mean(1 / (1 + np.exp(-(shift + hard)))) - np.mean(1 / (1 + np.exp(-hard))))


def test_the_interval_covers_the_truth_as_often_as_it_says(fewer_resamples):
    rng, wanted, covered = np.random.default_rng(2), truth(0.8), 0
    for _ in range(1000):
        first, second, clusters = simulate(rng, 25, 0.8)
        interval = mean_interval(first - second, clusters)
        covered += interval.low <= wanted <= interval.high
    assert 930 <= covered <= 970


def test_no_more_than_one_in_twenty_differences_is_false(fewer_resamples):
    rng, single, family = np.random.default_rng(3), 0, 0
    for _ in range(400):
        first, second, clusters = simulate(rng, 12, 0.0)
        third = rng.permutation(second)
        single += permutation_p(first - second, clusters) < 0.05
        family += family_p([first, second, third], clusters).min() < 0.05
    assert single <= 30  # 20 expected, standard deviation 4.4
    assert family <= 30


def test_a_real_difference_is_found_and_the_needed_number_is_about_right(fewer_resamples):
    rng, found, wanted = np.random.default_rng(4), 0, []
    for _ in range(200):
        first, second, clusters = simulate(rng, 40, 1.0)
        found += family_p([first, second], clusters)[0, 1] < 0.05
        wanted.append(needed(first - second, clusters))
    median = float(np.median([n for n in wanted if n]))
    assert found >= 140
    assert 40 < median < 160  # 120 questions were asked, and that was enough four times in five


@pytest.mark.parametrize("count", [4, 9, 30])
def test_the_permutation_test_agrees_with_scipy(count):
    rng = np.random.default_rng(count)
    first, second = rng.random(count), rng.random(count)
    reference = scipy.stats.permutation_test(
        (first, second),
        lambda a, b: np.mean(a - b),
        permutation_type="samples",
        n_resamples=20_000,
        rng=rng,
    )
    assert permutation_p(first - second, list(range(count))) == pytest.approx(
        reference.pvalue, abs=0.02
    )


def test_the_interval_agrees_with_scipys_t_for_many_independent_scores():
    scores = np.random.default_rng(0).normal(0.4, 0.2, 400)
    low, high = scipy.stats.t.interval(0.95, 399, scores.mean(), scores.std(ddof=1) / 20)
    interval = mean_interval(scores, list(range(400)))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.002)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=40
    )
)
def test_whatever_the_scores_the_figures_are_in_range_and_repeatable(rows):
    first, second, clusters = zip(*rows, strict=True)
    gap = difference(first, second, clusters)
    assert gap.interval.low <= gap.interval.mean + 1e-9
    assert gap.interval.mean <= gap.interval.high + 1e-9
    assert 0 < gap.p <= 1
    assert gap == difference(first, second, clusters)
    assert difference(first, first, clusters).p == 1.0


def test_no_difference_of_shares_is_beyond_one():
    """One right answer in nine: the studentised bootstrap says up to 1.22."""
    found = difference([1.0] + [0.0] * 8, [0.0] * 9, range(9)).interval
    assert found.high == 1.0
    wider = difference([10.0] + [0.0] * 8, [0.0] * 9, range(9)).interval
    assert wider.high > 10


def test_scores_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match="cannot be paired"):
        difference([1.0], [1.0, 0.0], [1, 2])
