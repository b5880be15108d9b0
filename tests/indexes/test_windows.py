"""A chunk of several windows has the score of the best, in every operation of a vector index."""

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.embeddings.chunks import embed_chunks, window_texts
from acclimate.indexes.base import Change
from acclimate.indexes.filters import Among
from acclimate.indexes.library import Library
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.indexes.windows import WindowedVectorIndex
from acclimate.ingest import ingest
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.text.embedded import embedding_text
from acclimate.types import Chunk


class Held:
    """Chunks' windows by key, and what the record would say of them."""

    def __init__(self):
        self.rows, self.most_windows = {}, 1

    def put(self, key, rows):
        self.rows[key] = rows
        self.most_windows = max(self.most_windows, len(rows))

    def long_chunks(self):
        return {key: len(rows) for key, rows in sorted(self.rows.items()) if len(rows) > 1}


chunk_counts = st.lists(st.integers(1, 5), max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    rounds=st.lists(st.tuples(chunk_counts, st.sets(st.integers(1, 12))), min_size=1, max_size=3),
    k=st.integers(0, 7),
    only=st.none() | st.sets(st.integers(1, 18)),
    codes_from=st.sampled_from([0, 999]),
)
def test_it_is_what_brute_force_says(rounds, k, only, codes_from):
    rng, held, last = np.random.default_rng(0), Held(), 0
    with tempfile.TemporaryDirectory() as folder:
        index = WindowedVectorIndex(ExactVectorIndex(Path(folder), codes_from), held)
        for generation, (counts, gone) in enumerate(rounds, start=1):
            removed = sorted(gone & held.rows.keys())
            for key in removed:
                del held.rows[key]
            added = range(last + 1, last + 1 + len(counts))
            last += len(counts)
            for key, count in zip(added, counts, strict=True):
                held.put(key, rng.normal(size=(count, 8)).astype(np.float32))
            index.update(
                Change(removed, added, generation), ((key, held.rows[key]) for key in added)
            )
        for one in (index, WindowedVectorIndex(ExactVectorIndex(Path(folder), codes_from), held)):
            query = rng.normal(size=8).astype(np.float32)
            best = {
                key: float((rows @ query).max())
                for key, rows in held.rows.items()
                if only is None or key in only
            }
            expected = sorted(best, key=lambda key: -best[key])[:k]
            found = one.search(
                query, k, None if only is None else Among(np.array(sorted(only), np.int64))
            )
            assert [match.key for match in found] == expected
            assert [match.score for match in found] == pytest.approx(
                [best[key] for key in expected], abs=1e-5
            )
            scored = {match.key: match.score for match in one.scores(query, sorted({*best, 99}))}
            assert scored == pytest.approx(best, abs=1e-5)
            assert (one.keys(), one.whole(), one.generation) == (
                sorted(held.rows),
                True,
                len(rounds),
            )


def test_a_window_that_is_missing_is_noticed(tmp_path):
    held, rows = Held(), np.eye(3, 8, dtype=np.float32)
    held.put(1, rows)
    index = WindowedVectorIndex(ExactVectorIndex(tmp_path), held)
    index.update(Change((), [1], 1), iter([(1, rows)]))
    assert index.whole()
    held.put(1, np.eye(4, 8, dtype=np.float32))
    assert not WindowedVectorIndex(ExactVectorIndex(tmp_path), held).whole()


def test_windows_hold_the_whole_text_and_each_its_headings():
    embedder, heard = HashEmbedder(max_tokens=60), []
    text = " ".join(f"word{number}" for number in range(200))
    long = Chunk("1", "a.md", 0, len(text), text, "Pumps", ("Weights",))
    short = Chunk("2", "a.md", 0, 5, "short", "Pumps")
    windows, head = window_texts(embedder, long), embedding_text(long, "") + "\n"
    assert "Pumps" in head
    assert "Weights" in head
    assert all(one.startswith(head) and len(embedder.token_spans(one)) <= 60 for one in windows)
    assert "".join(one.removeprefix(head) for one in windows) == text
    rows = embed_chunks(embedder, [long, short], heard.append)
    assert [len(some) for some in rows] == [len(windows), 1]
    assert np.array_equal(rows[0], embedder.embed_passages(windows))
    assert sum(heard) == 2, "progress counts chunks"
    assert embed_chunks(embedder, []) == []


def test_a_long_chunk_is_found_by_any_of_its_parts(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    topics = ["pumps carry heat", "valves close tightly", "filters catch dust"]
    (docs / "long.md").write_text(
        "# Topics\n\n" + "".join(f"On {topic}. " + f"{topic} " * 15 + "\n" for topic in topics)
    )
    (docs / "short.md").write_text("Something about heat.\n")
    embedder, chunker = (
        HashEmbedder(max_tokens=60),
        make_chunker("structure", word_spans, no_embedder, Cut(300)),
    )
    with closing(Library(tmp_path / "lib")) as library:
        ingest(docs, library, parse, chunker, embedder)
        [(key, windows)] = library.record.long_chunks().items()
        assert windows > 2
        for topic in topics:
            found = library.vectors.search(embedder.embed_queries([topic])[0], 2)
            assert (found[0].key, len(found)) == (key, 2)
            assert found[0].score > 0.9, "the mean of the topics is near to none of them"
        one = library.record.vectors_of(library.fetch([key]))
        assert one.shape == (1, 64)
        assert np.linalg.norm(one) == pytest.approx(1)
        (docs / "long.md").rename(docs / "moved.md")
        assert ingest(docs, library, parse, chunker, embedder).embedded == 0
        assert [*library.record.long_chunks().values()] == [windows]
        assert library.check() == []
        (docs / "moved.md").unlink()
        ingest(docs, library, parse, chunker, embedder)
        assert library.record.long_chunks() == {}
        assert library.check() == []
