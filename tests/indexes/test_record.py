"""The record keeps one contract in SQLite and in PostgreSQL, and moves from one to the other."""

import threading
from contextlib import closing

import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.cli.main import run
from acclimate.documents.parsers import parse
from acclimate.errors import LibraryError, SettingsError
from acclimate.indexes.database import Database
from acclimate.indexes.library import Library
from acclimate.indexes.moving import copy, move
from acclimate.indexes.postgres_database import PostgresDatabase
from acclimate.indexes.record import Record
from acclimate.indexes.stores import StoreServer, open_database
from acclimate.ingest import ingest
from acclimate.project import Project
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.records import check_record, put
from acclimate.testing.states import wait_until


def silent(done, total):
    pass


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path, name):
    """Opens the same database each time."""
    if request.param == "sqlite":
        return lambda: Database(tmp_path / "library.db")
    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresDatabase(url, name)


@pytest.fixture
def places(tmp_path, postgres_url, name):
    """An SQLite file with a library, and an empty one in PostgreSQL."""
    local, remote = Database(tmp_path / "a.db"), PostgresDatabase(postgres_url, name)
    for number in range(120):
        put(Record(local), f"{number}.txt", [(0, 9 + number % 3), (20, 40)])
    yield local, remote
    local.close()
    remote.close()


def contents(database):
    tables = {"documents": "id", "chunks": "key", "vectors": "key", "meta": "key"}
    held = {
        table: database.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()  # noqa: S608
        for table, key in tables.items()
    }
    held["meta"] = [row for row in held["meta"] if row[0] not in ("format", "changes_from")]
    return held


def test_contract(database):
    check_record(database)


def test_a_move_there_and_back_changes_nothing(places, tmp_path):
    local, remote = places
    before = contents(local)
    moved = move(local, remote, silent)
    assert (moved.documents, moved.chunks, moved.vectors) == (120, 240, 240)
    assert contents(remote) == before
    put(Record(remote), "new.txt", [(0, 9)])
    assert Record(remote).problems() == []
    with closing(Database(tmp_path / "a.db")) as again:
        changed = contents(remote)
        move(remote, again, silent)
        assert contents(again) == changed
    with pytest.raises(LibraryError, match=r"was moved to .*a\.db"):
        Library(tmp_path / "lib", database=remote)


def test_an_interrupted_move_goes_on(places, tmp_path):
    local, remote = places

    def interrupt(done, total):
        assert (done, total) == (50, 120)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(local, remote, interrupt)
    with pytest.raises(LibraryError, match="did not finish"):
        Library(tmp_path / "lib", database=remote.another())
    heard = []
    move(local, remote, lambda done, total: heard.append(done))
    assert heard == [100, 120], "what was copied is not copied again"


def test_a_move_begins_anew_where_the_source_changed(places):
    local, remote = places
    with pytest.raises(ZeroDivisionError):
        copy(local, remote, lambda done, total: 1 // 0)
    put(Record(local), "0.txt", [(0, 5)])
    assert move(local, remote, silent).documents == 120
    assert len(Record(remote).keys_of(["0.txt"])) == 1


def test_a_move_finds_a_row_that_differs(places):
    local, remote = places
    with pytest.raises(ZeroDivisionError):
        copy(local, remote, lambda done, total: 1 // 0)
    with remote.transaction():
        remote.execute("UPDATE chunks SET context = 'x' WHERE key = 7")
    with pytest.raises(LibraryError, match=r"and .*a\.db has"):
        move(local, remote, silent)
    assert local.meta("moved") is None


def test_a_move_spares_another_library(places):
    local, remote = places
    put(Record(remote), "other.txt", [(0, 9)])
    with pytest.raises(LibraryError, match="holds another library"):
        move(local, remote, silent)
    assert [*Record(remote).files()] == ["other.txt"]


def test_a_record_needs_an_address_and_a_name(postgres_url):
    with pytest.raises(SettingsError, match=r"store\.url"):
        open_database(None, "handbook")
    with pytest.raises(SettingsError, match=r"store\.library"):
        open_database(StoreServer(postgres_url, "acclimate"), "")
    with pytest.raises(LibraryError, match="acclimate_x"):
        open_database(StoreServer("postgresql://nobody@localhost:1/none", "acclimate"), "x")


def test_a_lost_connection_is_made_again(postgres_url, name):
    with closing(PostgresDatabase(postgres_url, name)) as one, closing(one.another()) as other:
        put(Record(one), "a.txt", [(0, 9)])
        end = "SELECT pg_terminate_backend(?)"
        other.execute(end, (one.execute("SELECT pg_backend_pid()").fetchone()[0],))
        assert [*Record(one).files()] == ["a.txt"]
        other.execute(end, (one.execute("SELECT pg_backend_pid()").fetchone()[0],))
        put(Record(one), "b.txt", [(0, 9)])
        with pytest.raises(LibraryError, match="terminat"), one.transaction():  # noqa: PT012
            Record(one).remove("a.txt")
            other.execute(end, (one.execute("SELECT pg_backend_pid()").fetchone()[0],))
            Record(one).remove("b.txt")
        assert [*Record(one).files()] == ["a.txt", "b.txt"]


def test_two_libraries_in_one_database_do_not_meet(postgres_url, name):
    with (
        closing(PostgresDatabase(postgres_url, f"{name}_a")) as one,
        closing(PostgresDatabase(postgres_url, f"{name}_b")) as two,
    ):
        put(Record(one), "a.txt", [(0, 9)])
        assert (Record(two).files(), Record(one).id == Record(two).id) == ({}, False)
        with one.lock("ingest") as first, two.lock("ingest") as second:
            assert (first, second) == (True, True)


def test_a_lock_keeps_others_out(postgres_url, name):
    with closing(PostgresDatabase(postgres_url, name)) as one:
        shares = one.lock("ingest", shared=True), one.lock("ingest", shared=True)
        with shares[0] as first, shares[1] as second, one.lock("ingest") as alone:
            assert (first, second, alone) == (True, True, False)
        with one.lock("ingest") as alone, one.lock("ingest", shared=True) as shared:
            assert (alone, shared) == (True, False)


def test_the_library_of_one_machine_shows_what_another_wrote(postgres_url, name, tmp_path):
    """Each has indexes of its own, which follow the changes that the record keeps."""
    root = tmp_path / "docs"
    root.mkdir()
    (root / "a.txt").write_text("Apples are red.")
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))
    with (
        closing(Library(tmp_path / "1", database=PostgresDatabase(postgres_url, name))) as writer,
        closing(Library(tmp_path / "2", database=PostgresDatabase(postgres_url, name))) as reader,
    ):
        ingest(root, writer, parse, chunker, HashEmbedder())
        reader.catch_up()
        (root / "b.txt").write_text("Bees make honey.")
        (root / "a.txt").write_text("Apples are yellow.")
        ingest(root, writer, parse, chunker, HashEmbedder())
        reader.catch_up()
        found = [match.key for match in reader.texts.search("honey yellow red", 9)]
        assert sorted(chunk.text for chunk in reader.fetch(found)) == [
            "Apples are yellow.",
            "Bees make honey.",
        ]
        assert (reader.check(), writer.check()) == ([], [])


def test_readers_of_many_changes_see_whole_documents(postgres_url, name, tmp_path):
    """A document is replaced again and again while another process brings its index up to date."""
    writer = Record(PostgresDatabase(postgres_url, name))
    put(writer, "a.txt", [(0, 9)])
    ended = threading.Event()

    def write():
        turn = 0
        while not ended.is_set():
            put(writer, f"{turn % 3}.txt", [(0, 9 + turn % 7), (20, 30 + turn % 5)])
            turn += 1

    with closing(Library(tmp_path, database=PostgresDatabase(postgres_url, name))) as reader:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            first = reader.record.generation

            def caught_up():
                reader.catch_up()
                return reader.vectors.generation > first + 20

            wait_until(caught_up, "twenty generations")
        finally:
            ended.set()
            thread.join()
            writer.close()
        reader.catch_up()
        assert reader.check() == []


def test_the_commands_move_a_library_and_back_it_up_from_there(
    postgres_url, name, tmp_path, capsys
):
    folder = tmp_path / "project"
    with closing(Database(folder / ".acclimate/library.db")) as file:
        put(Record(file), "a.txt", [(0, 9), (20, 40)])
        expected = contents(file)
    (folder / "docs").mkdir()
    (folder / "docs/a.txt").write_text("A backup leaves out documents whose files are gone.")
    settings = f'[documents]\npath = "docs"\n[store]\nurl = "{postgres_url}"\nlibrary = "{name}"\n'
    (folder / "acclimate.toml").write_text(settings)
    place = ["--project", str(folder)]
    assert run(["ingest", "--status", *place]) == 2, "the record is a file"
    assert run(["library", "move", "--to", "postgres", *place]) == 0
    told = capsys.readouterr()
    assert "1 documents, 2 chunks and 2 vectors are there" in told.out
    assert 'Now set [store] record = "postgres"' in told.err
    assert run(["ingest", "--status", *place]) == 1, "the file was moved"
    assert f"acclimate_{name}" in capsys.readouterr().err
    (folder / "acclimate.toml").write_text(settings + 'record = "postgres"\n')
    assert run(["ingest", "--status", *place]) == 0
    assert "No worker has ingested yet." in capsys.readouterr().out
    with Project.open(folder) as project:
        assert project.library.check() == []
        project.backup(tmp_path / "backup.tar")
    Project.restore(tmp_path / "backup.tar", tmp_path / "again").close()
    with closing(Database(tmp_path / "again/.acclimate/library.db")) as restored:
        held = contents(restored)
    assert held.keys() == expected.keys()
    assert [held[table] for table in ("documents", "chunks", "vectors")] == [
        expected[table] for table in ("documents", "chunks", "vectors")
    ]
