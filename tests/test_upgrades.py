"""Libraries that older releases wrote are opened, asked and brought up to date; the files are those releases' own."""

import gzip
import sqlite3
from pathlib import Path

import pytest

from acclimate.indexes.database import Database
from acclimate.indexes.record import Record
from acclimate.indexes.schema import UPGRADES, VERSION
from acclimate.project import Project
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.workspace.layout import Layout

KEPT = Path(__file__).parent / "upgrades"
FORMATS = tuple(range(1, VERSION))
DOCUMENTS = {
    "boiler.md": "# Boilers\n\nThe boiler Orkan 20 weighs 84 kg. Its filter is changed every six months.\n\n"
    "| part | price |\n|---|---|\n| filter | 14 euros |\n| pump | 230 euros |\n",
    "guides/refunds.md": "# Refunds\n\nRefunds are paid within 21 days. Café owners get theirs within 7 days.\n",
}
WEIGHT = "The boiler Orkan 20 weighs 84 kg."


def make(folder, version=None):
    """A project with the documents, and with the library of an older format where one is named."""
    for name, text in DOCUMENTS.items():
        file = folder / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (folder / "acclimate.toml").write_text('[documents]\npath = "documents"\nworkers = 1\n')
    record = Layout(folder).record
    if version is not None:
        record.parent.mkdir()
        record.write_bytes(gzip.decompress((KEPT / f"format-{version}.db.gz").read_bytes()))
    return record


def open_project(folder):
    return Project(folder, load_settings(folder / "acclimate.toml"), embedder=HashEmbedder())


def content(file):
    """What a library holds, without times and keys; vectors go with their chunks."""
    with sqlite3.connect(file) as database:
        documents = database.execute(
            "SELECT path, sha256, title, media_type, text, elements, chunker, sketch FROM documents ORDER BY path"
        ).fetchall()
        chunks = database.execute(
            "SELECT c.id, c.hash, c.start, c.end, c.text, c.headings, c.header, c.breaks, c.context, c.same, "
            "v.embedder, v.vector, v.windows FROM chunks c LEFT JOIN vectors v USING (key) ORDER BY c.id"
        ).fetchall()
    database.close()
    return documents, chunks


def tables(file):
    """Columns and indexes of every table, in any order."""
    with sqlite3.connect(file) as database:
        names = [
            row[0]
            for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        columns = {
            (name, *row[1:4])
            for name in names
            for row in database.execute(f"SELECT * FROM pragma_table_info('{name}')")  # noqa: S608
        }
        others = set(database.execute("SELECT type, name FROM sqlite_master WHERE type <> 'table'"))
    database.close()
    return columns, others


def test_every_older_format_has_its_library():
    assert {file.name for file in KEPT.glob("*.gz")} == {f"format-{one}.db.gz" for one in FORMATS}
    assert set(UPGRADES) == set(FORMATS)


@pytest.mark.parametrize("version", FORMATS)
def test_an_older_record_is_opened_with_all_that_it_holds(version, tmp_path):
    file = make(tmp_path, version)
    with sqlite3.connect(file) as before:
        assert before.execute("PRAGMA user_version").fetchone() == (version,)
        vectors = dict(before.execute("SELECT key, vector FROM vectors").fetchall())
    before.close()
    database = Database(file)
    record = Record(database)
    try:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert record.files().keys() == DOCUMENTS.keys()
        chunks = record.chunks(record.keys())
        assert [chunk.document for chunk in chunks] == list(DOCUMENTS)
        for chunk in chunks:
            text = record.document(chunk.document).text
            assert text[chunk.start : chunk.end] == chunk.text
        found = {
            key: rows.astype("<f4").tobytes()
            for key, rows in record.vectors(record.keys(), record.embedder)
        }
        assert found == vectors
        assert record.problems() == []
    finally:
        record.close()


@pytest.mark.parametrize("version", FORMATS)
def test_the_tables_become_those_of_a_new_library(version, tmp_path):
    (tmp_path / "old").mkdir()
    file = make(tmp_path / "old", version)
    Database(file).close()
    Database(tmp_path / "new.db").close()
    assert tables(file) == tables(tmp_path / "new.db")


@pytest.mark.parametrize("version", FORMATS)
def test_the_next_ingest_makes_it_equal_to_a_fresh_library(version, tmp_path):
    for name in ("old", "fresh"):
        (tmp_path / name).mkdir()
    old, fresh = make(tmp_path / "old", version), make(tmp_path / "fresh")
    for folder in (old, fresh):
        with open_project(folder.parents[1]) as project:
            report = project.ingest()
            assert (report.documents, report.removed, report.failures) == (len(DOCUMENTS), 0, ())
            assert WEIGHT in project.retrieve("What does the boiler Orkan 20 weigh?")[0].chunk.text
    assert content(old) == content(fresh)


def test_a_library_of_a_newer_format_is_left_alone(tmp_path):
    file = make(tmp_path, 1)
    with sqlite3.connect(file) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    with pytest.raises(Exception, match=f"format {VERSION + 1}; this Acclimate knows {VERSION}"):
        Database(file)
