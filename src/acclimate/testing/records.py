"""The contract that the record keeps in every database, as one check."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from acclimate.errors import LibraryError
from acclimate.indexes.base import Change, FileState
from acclimate.indexes.record import Record
from acclimate.indexes.sql import SqlDatabase
from acclimate.testing.embeddings import HashEmbedder
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Document, Element, Picture, Span

_EMBEDDER = HashEmbedder()
_TITLE = "Ünder %s and ?"
_TEXT = "Übung: 100 % of *pumps*? 猫 👩🏽‍🚀 \\ 'quoted' \"twice\"\n\nThe second paragraph."


def document(path: str, text: str = _TEXT) -> Document:
    """A document with everything that one may have."""
    elements = (
        Element("heading", 0, 5, level=1, page=1),
        Element("paragraph", 5, len(text), page=2, metadata={"hidden": "comment"}),
    )
    return Document(
        path=path,
        text=text,
        elements=elements,
        title=_TITLE,
        media_type="text/plain",
        sha256="00ff",
        page_starts=(0, 9),
        metadata={"Date": "2024-05-01", "nul": "a\0b"},
    )


def put(record: Record, path: str, spans: Sequence[tuple[int, int]], text: str = _TEXT) -> None:
    """Put a document in place of its older version, in one transaction."""
    chunks = [
        Chunk(f"{path}:{start}", path, start, end, text[start:end], _TITLE, ("A", "b?"))
        for start, end in spans
    ]
    vectors = dict(
        zip(
            map(embedded_hash, chunks),
            _EMBEDDER.embed_passages([chunk.text for chunk in chunks]),
            strict=True,
        )
    )
    state = FileState(path, "00ff", 1 << 40, 1 << 60, "structure")
    with record.transaction():
        if record.embedder is None:
            record.set_embedder(_EMBEDDER.fingerprint)
        record.put(document(path, text), state, chunks, vectors, _EMBEDDER.fingerprint)
        record.bump()


def check_record(open_database: Callable[[], SqlDatabase]) -> None:
    """Raises AssertionError where a record in such a database breaks its contract. `open_database`
    opens the same one each time, which is empty at first."""
    record = Record(open_database())
    assert (record.files(), record.keys(), record.embedder, record.problems()) == ({}, [], None, [])
    before = record.generation
    put(record, "b/Z.txt", [(0, 20), (20, len(_TEXT))])
    put(record, "b/a.txt", [(0, 9)])
    put(record, "ä.txt", [(0, 9)])
    _check_reading(record)
    _check_changes(record, before)
    _check_vectors(record)
    _check_pictures(record)
    _check_transactions(record, Record(open_database()))
    identity, generation = record.id, record.generation
    record.close()
    again = Record(open_database())
    assert (again.id, again.generation, again.problems()) == (identity, generation, [])
    again.close()


def _check_reading(record: Record) -> None:
    assert [*record.properties()] == ["b/Z.txt", "b/a.txt", "ä.txt"]  # by code points
    state = record.files()["b/a.txt"]
    assert (state.size, state.mtime_ns, record.files_of(["b/a.txt", "none"])) == (
        *(1 << 40, 1 << 60),
        {"b/a.txt": state},
    )
    assert record.document("b/a.txt") == document("b/a.txt")
    assert record.document("none") is None
    first, second, *_ = record.keys()
    chunks = record.chunks([second, first])
    assert [chunk.start for chunk in chunks] == [20, 0]
    assert chunks[1].headings == ("A", "b?")
    assert record.keys_of(["b/Z.txt"]) == [first, second]
    cut = record.cut(chunks[1], Span(7, 30))
    assert (cut.text, cut.page, cut.breaks) == (_TEXT[7:30], 1, (9,))
    assert record.cut(chunks[1], Span(0, 3)).headings == ("A", "b?")
    assert record.beginning(chunks[0]).start == 0
    assert record.outline("b/Z.txt") == [(Span(0, 20), ""), (Span(20, len(_TEXT)), "")]
    assert record.copies.metadata(["ä.txt"]) == {"ä.txt": {"Date": "2024-05-01", "nul": "a\0b"}}
    assert sorted(record.copies.sketches([])) == []
    assert sorted(record.copies.sketches()) == sorted(record.files())
    assert record.copies.dated(["ä.txt"])["ä.txt"].metadata["date"] == "2024-05-01"
    told = ""
    try:
        record.chunks([first, 1 << 40])
    except LibraryError as error:
        told = str(error)
    assert str(1 << 40) in told


def _check_changes(record: Record, before: int) -> None:
    keys = record.keys()
    assert record.change_since(before) == Change([], keys, record.generation)
    middle = record.generation
    old = record.keys_of(["b/a.txt"])
    put(record, "b/a.txt", [(3, 12)])
    new = record.keys_of(["b/a.txt"])
    assert record.change_since(middle) == Change(old, new, record.generation)
    assert min(new) > max(keys), "keys are never used again"
    with record.transaction():
        record.remove("ä.txt")
        record.bump()
    assert "ä.txt" not in record.files()
    put(record, "ä.txt", [(0, 9)])


def _check_vectors(record: Record) -> None:
    fingerprint = _EMBEDDER.fingerprint
    keys = record.keys()[::-1]
    found = dict(record.vectors(keys, fingerprint))
    assert [*found] == keys
    for key, chunk in zip(keys, record.chunks(keys), strict=True):
        expected = _EMBEDDER.embed_passages([chunk.text])
        assert np.array_equal(found[key], expected)
        assert np.allclose(record.vectors_of([chunk]), expected)
    assert record.missing_vectors(fingerprint, 9) == {}
    assert [*record.missing_vectors("other", 2)] == record.keys()[:2]
    assert record.long_chunks() == {}
    with record.transaction():
        record.put_vector(keys[0], "other", np.ones((3, 4), np.float32))
    assert record.most_windows == 3
    with record.transaction():
        record.set_embedder(fingerprint)
    assert len(record.missing_vectors("other", 9)) == len(keys)


def _check_pictures(record: Record) -> None:
    rows = np.eye(2, 4, dtype=np.float32)
    with record.transaction():
        record.pictures.put(
            "b/Z.txt", [Picture(3, 4, None, b""), Picture(25, 26, 2, b"")], rows, "clip"
        )
    first, second = record.keys_of(["b/Z.txt"])
    found = record.pictures.search(np.array([0.1, 1, 0, 0], np.float32), 2, "clip")
    assert [match.key for match in found] == [second, first]
    assert (record.pictures.count("clip"), record.pictures.count("none")) == (2, 0)


def _check_transactions(record: Record, other: Record) -> None:
    held = record.files()
    try:
        with record.transaction():
            record.remove("b/a.txt")
            assert other.files() == held, "nobody sees what is not committed"
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert record.files() == other.files() == held
    put(record, "new.txt", [(0, 4)])
    assert "new.txt" in other.files()
    assert other.generation == record.generation
    other.ingests.note(finished=True, failures=["x %s"])
    assert (record.ingests.finished, record.ingests.failures) == (True, ["x %s"])
    other.close()
