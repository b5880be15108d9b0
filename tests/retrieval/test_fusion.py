"""Convex fusion against its definition; hybrid retrieval against every row scored by both indexes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.embeddings.known import known
from acclimate.indexes.base import Change
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.retrieval.fusion import convex
from acclimate.retrieval.search import DenseRetriever, HybridRetriever, TextRetriever
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Chunk

cosines = st.dictionaries(
    st.integers(0, 20), st.integers(-100, 100).map(lambda n: n / 100), max_size=10
)
words = st.dictionaries(st.integers(0, 20), st.floats(0, 50), max_size=10)


def test_hand_computed():
    fused = convex({1: 0.9, 2: 0.5}, {2: 12.0, 4: 3.0}, 0.75)
    assert [match.key for match in fused] == [2, 1, 4]
    assert [match.score for match in fused] == pytest.approx(
        [0.75 * 1.5 / 1.9 + 0.25, 0.75, 0.25 * 3 / 12]
    )


@given(cosines, words, st.floats(0, 1))
def test_union_of_both_sorted_with_ties_by_key(dense, text, weight):
    fused = convex(dense, text, weight)
    assert {m.key for m in fused} == dense.keys() | text.keys()
    assert fused == sorted(fused, key=lambda m: (-m.score, m.key))
    assert all(-1e-9 <= m.score <= 1 + 1e-9 for m in fused)


@given(cosines)
def test_one_empty_side_keeps_the_order_of_the_other(dense):
    order = [m.key for m in convex(dense, {}, 0.6) if dense[m.key] > -1]
    scores = [dense[key] for key in order]
    assert scores == sorted(scores, reverse=True)


def test_hybrid_scores_its_candidates_by_both_indexes(tmp_path):
    parts = (("red", "blue", "green"), ("fox", "hen", "cow"), ("runs", "sleeps"))
    texts = [" ".join(words) for words in itertools.product(*parts)]
    chunks = [Chunk(str(n), "d", 0, len(text), text) for n, text in enumerate(texts)]
    embedder, change = HashEmbedder(), Change((), range(len(chunks)), 1)
    vectors, index = ExactVectorIndex(tmp_path / "v"), TantivyTextIndex(tmp_path / "t")
    embedded = embedder.embed_passages(texts)
    vectors.update(change, enumerate(embedded))
    index.update(change, enumerate(chunks))
    fetch = lambda keys: [chunks[key] for key in keys]  # noqa: E731
    dense, text = DenseRetriever(embedder, vectors, fetch), TextRetriever(index, fetch)
    query = "green fox"
    cosine = dict(enumerate((embedded @ embedder.embed_queries([query])[0]).tolist()))
    bm25 = {match.key: match.score for match in index.search(query, 99)}
    hits = HybridRetriever(dense, text, candidates=6, dense_weight=0.5).retrieve(query, 6)
    full = {match.key: match.score for match in convex(cosine, bm25, 0.5)}
    for hit in hits:
        assert hit.score == pytest.approx(full[int(hit.chunk.id)], abs=1e-5)
    assert HybridRetriever(dense, text, 6, 0.5).retrieve("  ", 6) == []


def test_scores_of_single_rows_are_those_of_the_search(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 8)).astype(np.float32)
    index = ExactVectorIndex(tmp_path)
    keys = [int(key) for key in rng.permutation(60)[:30]]
    index.update(Change((), keys, 1), zip(keys, rows, strict=True))
    found = {match.key: match.score for match in index.search(rows[3], 30)}
    asked = index.scores(rows[3], [*keys[:9], 999])
    assert {match.key for match in asked} == set(keys[:9])
    assert all(match.score == pytest.approx(found[match.key], abs=1e-5) for match in asked)


def test_an_embedder_whose_cosines_are_never_low_is_not_outvoted_by_words():
    """All cosines of e5 are above 0.7: between −1 and 1 they would hardly differ."""
    dense, text = {1: 0.84, 2: 0.76, 3: 0.75}, {2: 3.0, 3: 1.0}
    assert [match.key for match in convex(dense, text, 0.75)] == [2, 3, 1]
    assert convex(dense, text, 0.75, 0.7)[0].key == 1
    low = {1: 0.5, 2: 0.4}
    assert convex(low, {}, 0.75, 0.7) == convex(low, {}, 0.75)
    assert known("multilingual-e5-small-q4").least == 0.7
    assert known("all-minilm-l6-v2").least == -1.0
