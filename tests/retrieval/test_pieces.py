"""The pieces of retrieval against their definitions: rank fusion, diversity, stitching, rewriting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from acclimate.indexes.filters import Filter
from acclimate.project import Project
from acclimate.retrieval.diversity import mmr
from acclimate.retrieval.fusion import rrf
from acclimate.retrieval.neighbours import ChunkRange, join
from acclimate.retrieval.rewrite import REWRITES, read_texts
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine

ranked = st.lists(st.integers(0, 15), unique=True, max_size=10)


@given(st.lists(ranked, max_size=4))
def test_rrf_is_the_sum_of_reciprocal_ranks(lists):
    fused = rrf(lists)
    assert fused.keys() == {key for one in lists for key in one}
    assert list(fused.values()) == sorted(fused.values(), reverse=True)
    for key, score in fused.items():
        assert score == pytest.approx(sum(1 / (61 + one.index(key)) for one in lists if key in one))


def slow_mmr(scores, vectors, k, diversity):
    relevance = (scores - scores.min()) / (np.ptp(scores) or 1)
    chosen = []
    for _ in range(min(k, len(scores))):
        best = None
        for at in range(len(scores)):
            nearest = max((float(vectors[at] @ vectors[other]) for other in chosen), default=0.0)
            gain = (1 - diversity) * relevance[at] - diversity * nearest
            if at not in chosen and (best is None or gain > best[0] + 1e-12):
                best = (gain, at)
        chosen.append(best[1])
    return chosen


@given(
    arrays.arrays(np.float64, (6, 3), elements=st.integers(-3, 3)),
    st.lists(st.integers(0, 9), min_size=6, max_size=6),
    st.integers(1, 8),
    st.sampled_from([0.25, 0.5, 1.0]),
)
def test_mmr_equals_the_definition(rows, scores, k, diversity):
    vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    found = mmr(np.array(scores, float), vectors, k, diversity)
    assert len(found) == len(set(found)) == min(k, 6)
    expected = slow_mmr(np.array(scores, float), vectors, k, diversity)
    if found != expected:  # only where two gains are equal up to rounding
        at = next(
            n for n, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]
        )
        before = found[:at]
        gains = [
            (1 - diversity) * (scores[row] - min(scores)) / (max(scores) - min(scores) or 1)
            - diversity * max((float(vectors[row] @ vectors[b]) for b in before), default=0.0)
            for row in (found[at], expected[at])
        ]
        assert gains[0] == pytest.approx(gains[1], abs=1e-9)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_without_diversity_the_order_is_that_of_the_scores(scores):
    vectors = np.ones((len(scores), 1))
    assert mmr(np.array(scores, float), vectors, 9, 0.0) == sorted(
        range(len(scores)), key=lambda n: -scores[n]
    )


runs = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12), st.integers(0, 3)), max_size=8)


@given(runs)
def test_joined_runs_hold_the_same_chunks_and_do_not_touch(drawn):
    made = [
        ChunkRange(document, first, first + more, rank)
        for rank, (document, first, more) in enumerate(drawn, 1)
    ]
    joined = join(made)

    def cells(some):
        return {(run.document, at) for run in some for at in range(run.first, run.last + 1)}

    assert cells(joined) == cells(made)
    assert [run.rank for run in joined] == sorted(run.rank for run in joined)
    for one in joined:
        assert all(
            one is other
            or one.document != other.document
            or one.last + 1 < other.first
            or other.last + 1 < one.first
            for other in joined
        )
        inside = [
            run.rank
            for run in made
            if run.document == one.document and one.first <= run.first <= one.last
        ]
        assert one.rank == min(inside)


def test_texts_are_read_from_lists_of_any_kind():
    written = "1. How long?\n- What is it?\n\n(3) how LONG?\nQuestion 4: Why?\nMore?"
    assert read_texts("How long is it?", written, 3) == [
        "How long is it?",
        "How long?",
        "What is it?",
        "Why?",
    ]
    assert read_texts("q", "A passage\nof two lines.", 0) == ["q", "A passage of two lines."]
    assert read_texts("q", "", 2) == ["q"]


@pytest.fixture
def make(tmp_path, monkeypatch):
    documents = tmp_path / "documents"
    documents.mkdir()
    parts = [
        f"## Part {n}\n\nPart {n} tells of {word}.\n"
        for n, word in enumerate("ants bees cats dogs".split())
    ]
    (documents / "animals.md").write_text("# Animals\n\n" + "\n".join(parts))
    (documents / "plants.md").write_text("# Plants\n\nBees visit flowers.\n")
    engine = ScriptedEngine(
        lambda messages: (
            "1. tells of dogs\n2. flowers" if "Question" in messages[-1].content else ""
        )
    )
    monkeypatch.setattr(Project, "embedder", HashEmbedder())
    monkeypatch.setattr(Project, "engine", lambda *_: engine)

    def build(retrieval):
        file = tmp_path / "acclimate.toml"
        file.write_text('[chunking]\nmethod = "sections"\n[retrieval]\nk = 2\n' + retrieval)
        project = Project(tmp_path, load_settings(file))
        project.ingest()
        return project

    return build


def test_neighbours_are_exact_spans(make):
    with make("neighbours = 1\n") as project:
        hits = project.retrieve("tells of bees", 1)
        text = project.library.record.document("animals.md").text
        assert {word for word in ("ants", "bees", "cats") if word in hits[0].chunk.text} == {
            "ants",
            "bees",
            "cats",
        }
        assert all(text[hit.chunk.start : hit.chunk.end] == hit.chunk.text for hit in hits)
        assert len(project.retrieve("tells of ants bees cats dogs", 4)) <= 2


@pytest.mark.parametrize("rewrite", REWRITES)
def test_rewritten_questions_find_more(make, rewrite):
    with make(f'method = "text"\nrewrite = "{rewrite}"\n') as project:
        found = {hit.chunk.text for hit in project.retrieve("cats", 4)}
        assert any("cats" in text for text in found)
        assert any("dogs" in text for text in found)
        assert project.retrieve(" ", 4) == []


@pytest.mark.parametrize("setting", ['fusion = "rrf"', "diversity = 0.5"])
def test_settings_keep_to_the_documents_that_a_filter_leaves(make, setting):

    with make(setting + "\n") as project:
        hits = project.retrieve("bees", 3, where=Filter.parse(["path=plants.md"]))
        assert {hit.chunk.document for hit in hits} == {"plants.md"}
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
