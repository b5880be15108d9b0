"""Reading a library while others write it: what one reader sees is of one moment."""

from contextlib import ExitStack, closing

import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.errors import LibraryError
from acclimate.indexes.library import Library
from acclimate.indexes.postgres_database import PostgresDatabase
from acclimate.indexes.stores import StoreServer, open_indexes
from acclimate.ingest import ingest
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder


@pytest.fixture(params=["sqlite", "postgres", "shared indexes"])
def libraries(request, postgres_url, name, tmp_path):
    """A reader's and a writer's own view of one library."""
    shared, server = request.param == "shared indexes", StoreServer(postgres_url, name)
    options = {"open_indexes": open_indexes("postgres", "postgres", server)} if shared else {}

    def opened(number):
        if request.param == "sqlite":
            return Library(tmp_path / "one")
        database = PostgresDatabase(postgres_url, name)
        return Library(tmp_path / str(number), database=database, **options)

    with ExitStack() as stack:
        yield [stack.enter_context(closing(opened(number))) for number in range(2)]


@pytest.fixture
def write(libraries, tmp_path):
    """Gives the only document another text, through the writer."""
    root = tmp_path / "docs"
    root.mkdir()
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))

    def written(text):
        (root / "a.txt").write_text(text)
        ingest(root, libraries[1], parse, chunker, HashEmbedder(), check_all=True)

    written("Valve one is open.")
    return written


def found(library):
    keys = [match.key for match in library.texts.search("valve", 5)]
    return keys, lambda: [chunk.text for chunk in library.fetch(keys)]


def test_a_document_that_is_replaced_under_a_reader_is_seen_whole(libraries, write):
    reader, texts = libraries[0], iter(f"Valve two is shut {number}." for number in range(3))
    calls = []

    def look():
        calls.append(1)
        keys, fetch = found(reader)
        if (text := next(texts, None)) is not None:
            write(text)
        return keys, fetch()

    for _ in range(3):
        keys, seen = reader.read(look)
        assert len(keys) == len(seen) == 1
    assert reader.read(look)[1] == ["Valve two is shut 2."], "the next reader sees the newest"
    assert len(calls) <= 7, "a read is repeated only where indexes are shared, once for each change"


def test_what_is_really_wrong_is_told_at_once(libraries, write):
    reader, calls = libraries[0], []

    def look():
        calls.append(1)
        return reader.fetch([10**6])

    with pytest.raises(LibraryError, match="no chunk 1000000"):
        reader.read(look)
    assert len(calls) == 1


def test_readers_within_readers_see_the_same(libraries, write):
    reader = libraries[0]

    def outer():
        before = reader.read(lambda: found(reader)[1]())
        write("Valve three is gone.")
        return before

    assert reader.read(outer) == ["Valve one is open."]


def test_a_library_that_changes_all_the_time_is_busy_not_broken(libraries, write, monkeypatch):
    reader, number = libraries[0], iter(range(10**6))
    monkeypatch.setattr("acclimate.indexes.library._PATIENCE_S", 0.0)

    def look():
        write(f"Valve {next(number)}.")
        raise LibraryError("what an index says whose rows have gone")

    with pytest.raises(LibraryError, match="faster than it can be read") as busy:
        reader.read(look)
    assert busy.value.retryable
