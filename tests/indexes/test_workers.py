"""Workers share one ingest: every file is stored once, whoever dies, is lost or comes late."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.errors import LibraryError, ProjectError, SettingsError
from acclimate.indexes.claims import Claims, new_run, status_of
from acclimate.indexes.database import Database
from acclimate.indexes.library import Library
from acclimate.indexes.postgres_database import PostgresDatabase
from acclimate.ingest import ingest
from acclimate.ingest_reading import Reader
from acclimate.ingest_report import NoProgress
from acclimate.ingest_worker import Folder, Job, work
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.states import STATE_S, wait_until


class Halting(HashEmbedder):
    """Stops for good when it is to embed a text with the word "halt"."""

    def embed_passages(self, texts, on_done=None):
        if any("halt" in text for text in texts):
            print("halted", flush=True)
            threading.Event().wait()
        return super().embed_passages(texts, on_done)


def library(url, name, folder):
    return Library(folder, database=PostgresDatabase(url, name))


def job(opened, root, embedder=None, size=20, **options):
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(size))
    reader = Reader(parse, chunker, 1)
    return Job(
        Folder(root, **options), opened, reader, embedder or HashEmbedder(), None, NoProgress()
    )


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "docs"
    root.mkdir()
    for number in range(24):
        text = f"# Note {number}\n\nWord{number} is here.\n\nAnd there is word{number % 5}."
        (root / f"{number}.md").write_text(text)
    return root


@pytest.fixture
def opened(postgres_url, name, tmp_path):
    with closing(library(postgres_url, name, tmp_path / "lib")) as opened:
        yield opened


def start(url, name, root, folder, which="HashEmbedder"):
    """A worker in a process of its own, with two seconds' lease."""
    code = f"""
import sys; sys.path[:0] = {sys.path[:1]!r}
import importlib.util; from pathlib import Path
spec = importlib.util.spec_from_file_location("workers", {__file__!r})
workers = importlib.util.module_from_spec(spec); spec.loader.exec_module(workers)
opened = workers.library({url!r}, {name!r}, Path({str(folder)!r}))
print("ready", flush=True)
workers.work(workers.job(opened, Path({str(root)!r}), workers.{which}()), lease_s=2)
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def contents(record):
    held = {path: (record.document(path), []) for path in record.files()}
    keys = record.keys()
    vectors = record.vectors(keys, record.embedder)
    for chunk, (_, vector) in zip(record.chunks(keys), vectors, strict=True):
        held[chunk.document][1].append((chunk, vector.tobytes()))
    return held


def by_one(root, tmp_path):
    """What one process makes of the folder, into a file."""
    with closing(Library(tmp_path / "one")) as one:
        chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))
        ingest(root, one, parse, chunker, HashEmbedder())
        return contents(one.record)


def test_one_worker_does_what_one_process_does(opened, root, tmp_path):
    (root / "bad.txt").write_bytes(b"\0\1")
    report = work(job(opened, root))
    assert (report.added, report.documents, len(report.failures)) == (24, 24, 1)
    assert contents(opened.record) == by_one(root, tmp_path)
    assert (opened.check(), opened.record.ingests.finished) == ([], True)
    assert opened.record.ingests.failures == [report.failures[0].reason]
    (root / "3.md").unlink()
    (root / "4.md").write_text("Changed.")
    os.utime(root / "5.md", ns=(1, 1))
    report = work(job(opened, root))
    counted = (report.added, report.changed, report.removed, report.unchanged)
    assert counted == (0, 1, 1, 22)
    assert contents(opened.record) == by_one(root, tmp_path)


def test_a_killed_workers_files_are_done_by_others(opened, postgres_url, name, root, tmp_path):
    (root / "0.md").write_text("Here they halt.")
    with start(postgres_url, name, root, tmp_path / "lib2", "Halting") as worker:
        assert worker.stdout.readline() == "ready\n"
        assert worker.stdout.readline() == "halted\n"
        status = status_of(opened.record.database)
        assert (status.run.open, status.counts.claimed > 0) == (True, True)
        assert [one.state for one in status.workers] == ["working"]
        worker.send_signal(signal.SIGKILL)
    wait_until(
        lambda: status_of(opened.record.database).workers[0].state == "lost", "the lease's end"
    )
    report = work(job(opened, root), lease_s=2)
    assert (report.added, report.failures) == (24, ())
    assert contents(opened.record) == by_one(root, tmp_path)
    assert opened.check() == []


def test_a_paused_workers_files_are_not_stored_twice(opened, postgres_url, name, root, tmp_path):
    """Its lease runs out, others store its files, and it goes on as if nothing had been."""
    with start(postgres_url, name, root, tmp_path / "lib2") as worker:
        assert worker.stdout.readline() == "ready\n"
        wait_until(lambda: status_of(opened.record.database).counts.claimed, "a claim")
        worker.send_signal(signal.SIGSTOP)
        try:
            report = work(job(opened, root), lease_s=2)
        finally:
            worker.send_signal(signal.SIGCONT)
        assert worker.wait(timeout=STATE_S) == 0
    assert report.documents == 24
    assert contents(opened.record) == by_one(root, tmp_path)
    assert opened.record.problems() == []


def plan(claims, paths):
    claims.plan(new_run("r", "e", len(paths), 0), {path: path.encode() for path in paths}, (), {})


def test_a_claim_that_another_took_stores_nothing(opened):
    one, two = (Claims(opened.record.database.another(), lease_s) for lease_s in (0.2, 60))
    with closing(one._db), closing(two._db):
        plan(one, ["a", "b"])
        one._db.execute(
            "INSERT INTO workers (id, host, process, started, seen, lease) "
            "VALUES (?, 'h', 1, now(), now(), now())",
            (one.id,),
        )
        assert one.take() == {"a": b"a"}
        with two.working():
            assert two.take() == {"b": b"b"}
            assert two.take() == {"a": b"a"}, "its lease ran out"
            assert (two.take(), one.take()) == ({}, {}), "nothing is claimed twice"
            assert (list(one.done(["a"])), one.failed("a", "x")) == ([], False)
            assert (list(two.done(["a"])), two.failed("b", "x")) == (["a"], True)
        assert (two.counts().done, two.failures()) == (1, {"b": "x"})


def test_a_file_that_ends_every_worker_is_given_up(opened):
    database = opened.record.database
    plan(Claims(database), ["a", "b"])
    for taken in (["a"], ["b"], ["a"], ["b"], ["a"], ["b"], []):
        claims = Claims(database)  # dead at once: no worker of this name ever said that it lives
        assert [*claims.take()] == taken
    claims.give_up()
    assert claims.counts().failed == 2
    assert "3 workers ended" in claims.failures()["a"]


def test_what_a_worker_leaves_in_order_is_free_at_once(opened):
    database = opened.record.database
    plan(Claims(database), ["a"])
    one = Claims(database)
    with one.working():
        assert [*one.take()] == ["a"]
    assert one.counts().due == 1
    assert [*Claims(database).take()] == ["a"]


def test_workers_must_read_and_embed_alike(opened, root):
    plan(Claims(opened.record.database), ["0.md"])
    with pytest.raises(LibraryError, match="otherwise"):
        work(job(opened, root))


def test_a_worker_and_an_ingest_of_one_process_do_not_meet(opened, root, tmp_path):
    chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))
    with opened.ingesting(shared=True), pytest.raises(LibraryError, match="another ingest"):
        ingest(root, opened, parse, chunker, HashEmbedder())
    with opened.ingesting(), pytest.raises(LibraryError, match="another ingest"):
        work(job(opened, root))
    with closing(Database(tmp_path / "x.db")) as file, pytest.raises(SettingsError, match="share"):
        Claims(file)


def test_a_machine_that_lost_the_folder_spoils_nothing(opened, root, tmp_path):
    empty = tmp_path / "unmounted"
    empty.mkdir()
    plan(Claims(opened.record.database), [])
    reader = job(opened, root).reader
    run = new_run(reader.name, HashEmbedder().fingerprint, 1, 0)
    Claims(opened.record.database).plan(run, {"0.md": b"0.md"}, (), {})
    with pytest.raises(ProjectError, match="is empty on this machine"):
        work(job(opened, empty))
    assert status_of(opened.record.database).counts.due == 1
    Claims(opened.record.database).close(run)
    with pytest.raises(ProjectError, match="there is no document"):
        work(job(opened, empty))
