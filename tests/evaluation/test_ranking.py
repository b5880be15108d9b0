"""Ranking metrics against trec_eval itself."""

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.evaluation.ranking import ndcg, recall, reciprocal_rank

names = st.sampled_from([f"d{n}" for n in range(30)])


@settings(deadline=None)
@given(
    st.lists(names, unique=True, min_size=1, max_size=30),
    st.dictionaries(names, st.integers(0, 3), min_size=1, max_size=12),
)
def test_metrics_are_trec_evals(ranked, relevant):
    judge = pytrec_eval.RelevanceEvaluator(
        {"q": relevant}, {"ndcg_cut.10", "recall.20", "recip_rank"}
    )
    run = {"q": {name: float(len(ranked) - place) for place, name in enumerate(ranked)}}
    expected = judge.evaluate(run)["q"]
    assert ndcg(ranked, relevant, 10) == pytest.approx(expected["ndcg_cut_10"])
    assert recall(ranked, relevant, 20) == pytest.approx(expected["recall_20"])
    assert reciprocal_rank(ranked, relevant) == pytest.approx(expected["recip_rank"])
