"""Indexes against brute force, and damage that must be noticed."""

from contextlib import closing

import numpy as np
import pytest
import tantivy
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.indexes.base import Change, FileState
from acclimate.indexes.hnsw import HNSWVectorIndex
from acclimate.indexes.library import Library
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.indexes.words import Words
from acclimate.testing.states import wait_until
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Document


def vectors_of(keys):
    rng = {key: np.random.default_rng(key).normal(size=8) for key in keys}
    return [(key, (row / np.linalg.norm(row)).astype(np.float32)) for key, row in rng.items()]


def chunk(text, title=""):
    return Chunk("id", "d", 0, len(text), text, title)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40))), min_size=1, max_size=5
    ),
    st.integers(1, 12),
)
def test_exact_search_equals_brute_force_after_any_changes(tmp_path_factory, changes, k):
    folder = tmp_path_factory.mktemp("v")
    held = {}
    for generation, (removed, added) in enumerate(changes, start=1):
        ExactVectorIndex(folder).update(
            Change(sorted(removed), sorted(added), generation), iter(vectors_of(sorted(added)))
        )
        held = {key: row for key, row in held.items() if key not in removed} | dict(
            vectors_of(added)
        )
    index = ExactVectorIndex(folder)
    assert index.generation == len(changes)
    assert index.keys() == sorted(held)
    query = np.ones(8, np.float32) / np.sqrt(8).astype(np.float32)
    wanted = sorted(held, key=lambda key: (-float(held[key] @ query), key))[:k]
    assert [match.key for match in index.search(query, k)] == wanted


def test_ties_go_to_the_lower_key(tmp_path):
    index = ExactVectorIndex(tmp_path)
    row = np.array([1, 0], np.float32)
    index.update(Change((), (5, 3, 9), 1), iter([(5, row), (3, row), (9, row)]))
    assert [match.key for match in index.search(row, 2)] == [3, 5]


@pytest.mark.parametrize("damage", ["truncate", "remove", "stamp"])
def test_a_damaged_vector_index_has_no_generation(tmp_path, damage):
    ExactVectorIndex(tmp_path).update(Change((), (1, 2), 4), iter(vectors_of((1, 2))))
    rows = tmp_path / "4.rows"
    if damage == "truncate":
        rows.write_bytes(rows.read_bytes()[:-4])
    elif damage == "remove":
        rows.unlink()
    else:
        (tmp_path / "stamp.json").write_text("{")
    assert ExactVectorIndex(tmp_path).generation is None


@pytest.fixture
def texts(tmp_path):
    index = TantivyTextIndex(tmp_path / "text")
    rows = [
        (1, chunk("The invoice is paid in thirty days.")),
        (2, chunk("Paying invoices late costs interest.")),
        (3, chunk("Bees", "Honey")),
    ]
    index.update(Change((), (1, 2, 3), 1), rows)
    return index


def test_words_are_stemmed_and_titles_found(texts):
    assert {match.key for match in texts.search("paid invoices", 5)} == {1, 2}
    assert [match.key for match in texts.search("honey", 5)] == [3]
    assert texts.search("nothing matches here", 5) == []


@pytest.mark.parametrize(
    "query", ['text:"', "a AND (b", "NOT", "+ - && ||", "path:honey^9 OR *", "", "\x00", "🙂"]
)
def test_a_question_is_never_query_syntax(texts, query):
    texts.search(query, 5)


def test_updates_remove_and_replace(texts, tmp_path):
    texts.update(Change((1,), (2,), 2), [(2, chunk("Entirely new words"))])
    again = TantivyTextIndex(tmp_path / "text")
    assert (again.generation, again.keys()) == (2, [2, 3])
    assert again.search("invoice", 5) == []
    assert [match.key for match in again.search("entirely", 5)] == [2]


def test_an_open_text_index_does_not_follow_what_others_commit(texts, tmp_path):
    opened = TantivyTextIndex(tmp_path / "text")
    following = tantivy.Index.open(str(next((tmp_path / "text").glob("index-*"))))
    assert following.searcher().num_docs == 3
    TantivyTextIndex(tmp_path / "text").update(Change((), (4,), 2), [(4, chunk("A late addition"))])
    wait_until(lambda: following.searcher().num_docs == 4, "an index that follows")
    assert [index.search("addition", 5) for index in (texts, opened)] == [[], []]
    assert [match.key for match in TantivyTextIndex(tmp_path / "text").search("addition", 5)] == [4]


def test_a_damaged_text_index_has_no_generation(texts, tmp_path):
    (meta,) = (tmp_path / "text").glob("*/meta.json")
    meta.write_text("{")
    assert TantivyTextIndex(tmp_path / "text").generation is None


@pytest.mark.parametrize(
    ("language", "text", "query", "found"),
    [
        ("german", "Die Häuser stehen", "haus", True),
        ("english", "Die Häuser stehen", "haus", False),
        ("none", "the pumps", "pump", False),
        ("cjk", "東京タワーは高い", "東京", True),
        ("english", "東京タワーは高い", "東京", False),
        ("cjk", "Tokyo 333m", "TOKYO", True),
    ],
)
def test_words_lose_the_endings_of_their_language(language, text, query, found, tmp_path):
    index = TantivyTextIndex(tmp_path, Words(language))
    index.update(Change((), [1], 1), [(1, Chunk("1", "a", 0, len(text), text))])
    assert bool(index.search(query, 1)) is found
    assert bool(TantivyTextIndex(tmp_path, Words(language)).search(query, 1)) is found, (
        "opened again"
    )


def test_another_language_builds_the_text_index_again(tmp_path):
    text = "Die Häuser stehen"
    row = Chunk("1", "a.md", 0, len(text), text)
    for language, found in (("english", 0), ("german", 1), ("german", 1), ("english", 0)):
        with closing(Library(tmp_path, language=language)) as library:
            if library.record.embedder is None:
                with library.record.transaction():
                    library.record.set_embedder("e")
                    state = FileState("a.md", "0", 1, 0, "c")
                    vectors = {embedded_hash(row): np.ones(2, np.float32)}
                    library.record.put(Document("a.md", text), state, [row], vectors, "e")
                    library.record.bump()
                library.catch_up()
            assert len(library.texts.search("haus", 5)) == found
            assert library.check() == []


def test_hnsw_finds_nearly_all_scores_exactly_and_notices_damage(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index, exact = HNSWVectorIndex(tmp_path / "h"), ExactVectorIndex(tmp_path / "e")
    for one in (index, exact):
        one.update(Change((), range(3000), 1), enumerate(rows[:3000]))
        one.update(Change(range(500), range(3000, 4000), 2), enumerate(rows[3000:], 3000))
    for opened in (index, HNSWVectorIndex(tmp_path / "h")):
        wanted = [exact.search(query, 10) for query in rows[:200]]
        found = [opened.search(query, 10) for query in rows[:200]]
        kept = [len(set(one) & set(other)) for one, other in zip(wanted, found, strict=True)]
        assert sum(kept) / (10 * len(kept)) > 0.95
        assert all(match.key >= 500 for matches in found for match in matches)
        held = opened.keys()
        assert [opened.search(rows[key], 1)[0].key for key in held] == held, "a row was not led to"
    (tmp_path / "h" / "graph.usearch").write_bytes(b"")
    assert HNSWVectorIndex(tmp_path / "h").generation is None
