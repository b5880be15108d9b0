"""Filters and access labels: before ranking, in every index, and in every way a document can reach a prompt."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.errors import SettingsError
from acclimate.indexes.base import Change
from acclimate.indexes.codes import encode
from acclimate.indexes.filters import Among, Filter, labels_of, parse_rules
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.types import Chunk

WORDS = "heat pump valve price warranty leak manual winter".split()


def among(keys):
    return Among(np.array(sorted(keys), np.int64))


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("path=handbook/*", True),
        ("path=HANDBOOK/*", True),
        ("path=manuals/*|handbook/*", True),
        ("path!=handbook/*", False),
        ("type=pdf", True),
        ("type=docx", False),
        ("date>=2025-01-01", True),
        ("date<2025-01-01", False),
        ("pages>9", True),  # as numbers: as text it would not be
        ("pages<=9", False),
        ("author=nobody", False),
        ("author!=nobody", True),
        ("author>a", False),
    ],
)
def test_conditions(where, holds):
    values = {
        "path": ["handbook/a.pdf"],
        "type": ["pdf", "application/pdf"],
        "date": ["2025-06-30"],
        "pages": ["12"],
    }
    assert Filter.parse([where]).meets(values) is holds


@pytest.mark.parametrize("text", ["", "path", "=x", "path=", "two words=x"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(SettingsError, match="is no condition"):
        Filter.parse([text])


def test_labels_need_all_and_unlabelled_is_open():
    rules = parse_rules(["hr/** = hr", "**/*secret* = board"])
    assert labels_of("hr/pay secret.md", rules) == {"hr", "board"}
    assert labels_of("HR/PAY.md", rules) == {"hr"}
    assert not Filter(labels=frozenset({"hr"})).sees("hr/secret.md", rules)
    assert Filter(labels=frozenset({"hr", "board"})).sees("hr/secret.md", rules)
    assert Filter(labels=frozenset()).sees("open.md", rules)
    assert not Filter(labels=frozenset()).sees("hr/pay.md", rules)
    with pytest.raises(SettingsError, match="labels"):
        parse_rules(["hr"])


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.integers(1, 12),
    st.sampled_from([0, 10**9]),
    st.floats(0, 1),
)
def test_vector_search_with_codes_and_filters_equals_brute_force(
    tmp_path_factory, seed, rows, k, codes_from, share
):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 24)).astype(np.float32)
    vectors[rows // 2] = vectors[0]  # a tie
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = ExactVectorIndex(tmp_path_factory.mktemp("v"), codes_from)
    index.update(Change((), range(1, rows + 1), 1), iter(enumerate(vectors, start=1)))
    query = vectors[rng.integers(rows)]
    for only in (None, among(key for key in range(1, rows + 5) if rng.random() < share)):
        allowed = [key for key in range(1, rows + 1) if only is None or key in only.keys]
        best = sorted((-float(vectors[key - 1] @ query), key) for key in allowed)[:k]
        found = index.search(query, k, only)
        assert [match.score for match in found] == pytest.approx(
            [-score for score, _ in best], abs=1e-6
        )
        assert {match.key for match in found} <= set(allowed)
    assert index.whole()


def test_bounds_of_codes_hold():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(500, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    least, most = encode(rows).bounds(rows[7])
    exact = rows @ rows[7]
    assert (least <= exact).all()
    assert (exact <= most).all()
    assert float((most - least).max()) < 0.06  # else every row would be a candidate


@pytest.mark.parametrize(
    "share", [0.01, 0.2, 0.9]
)  # the first is looked up by key, the others deep in the ranking
def test_text_search_with_a_filter_is_the_filtered_ranking(tmp_path, share):
    rng = np.random.default_rng(5)
    index = TantivyTextIndex(tmp_path / "t")
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(2, 9))) for _ in range(1500)]
    chunks = [Chunk("id", "d", 0, len(text), text) for text in texts]
    index.update(Change((), range(1, 1501), 1), enumerate(chunks, start=1))
    only = among(key for key in range(1, 1501) if rng.random() < share)
    everything = index.search("winter leak", 1500)
    wanted = [match for match in everything if match.key in only.keys]
    assert wanted
    found = index.search("winter leak", 10, only)
    assert [(match.key, pytest.approx(match.score, rel=1e-5)) for match in wanted[:10]] == [
        (match.key, match.score) for match in found
    ]
    assert index.search("winter", 5, among([])) == []


@pytest.mark.parametrize(
    ("where", "value", "holds"),
    [
        ("part=AX200B", "AX-200-B", True),
        ("part=ax 200 b", "AX_200.B", True),
        ("part=AX200A", "AX-200-B", False),
        ("part!=AX200B", "AX-200-B", False),
        ("site=Zürich", unicodedata.normalize("NFD", "Zürich"), True),
        ("site=office*", "oﬃce 7", True),
        ("site=12 kg", "12\u00a0kg", True),
        ("path=AX200.md", "AX-200.md", False),
    ],
)
def test_unicode_forms_and_spellings_of_codes_meet_a_condition(where, value, holds):
    wanted = Filter.parse([where])
    assert wanted.meets({wanted.conditions[0].key: [value]}) == holds


def test_a_label_holds_for_a_path_in_any_unicode_form():
    rules = parse_rules(["Gehälter/** = hr"])
    path = unicodedata.normalize("NFD", "Gehälter/2026.xlsx")
    assert labels_of(path, rules) == {"hr"}
    assert not Filter.parse([], ["sales"]).sees(path, rules)
