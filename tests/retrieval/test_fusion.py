"""Convex fusion against its definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.indexes.base import Match
from acclimate.retrieval.fusion import convex

ranked = st.dictionaries(st.integers(0, 20), st.floats(-5, 5), max_size=10).map(
    lambda scores: sorted((Match(k, s) for k, s in scores.items()), key=lambda m: (-m.score, m.key))
)


def test_hand_computed():
    dense = [Match(1, 0.9), Match(2, 0.5), Match(3, 0.4)]
    text = [Match(2, 12.0), Match(4, 2.0)]
    fused = convex(dense, text, 0.6)
    assert [match.key for match in fused] == [1, 2, 3, 4]
    assert [match.score for match in fused] == pytest.approx([0.6, 0.6 * 0.2 + 0.4, 0.0, 0.0])


@given(ranked, ranked, st.floats(0, 1))
def test_union_of_both_sorted_with_ties_by_key(dense, text, weight):
    fused = convex(dense, text, weight)
    assert {m.key for m in fused} == {m.key for m in dense} | {m.key for m in text}
    assert fused == sorted(fused, key=lambda m: (-m.score, m.key))
    assert all(-1e-9 <= m.score <= 1 + 1e-9 for m in fused)


@given(ranked)
def test_one_empty_list_keeps_the_order_of_the_other(dense):
    scores = [m.score for m in convex(dense, [], 0.6)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == len(dense)
