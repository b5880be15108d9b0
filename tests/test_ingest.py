"""Ingest: only what changed is worked on, nothing is lost, and any interruption is made good by the next run."""

import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.errors import LibraryError, ProjectError
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder


class Place:
    """A documents folder and its library."""

    def __init__(self, folder, embedder=None):
        self.root, self.folder = folder / "docs", folder / "lib"
        self.root.mkdir(parents=True)
        self.library = Library(self.folder)
        self.embedder = embedder or HashEmbedder()

    def write(self, name, text):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, **options):
        chunker = make_chunker("structure", word_spans, no_embedder, Cut(options.pop("size", 20)))
        return ingest(
            self.root,
            self.library,
            parse,
            chunker,
            options.pop("embedder", self.embedder),
            **options,
        )

    def reopen(self):
        self.library.close()
        self.library = Library(self.folder)

    def words(self):
        return {
            path: self.library.record.document(path).text for path in self.library.record.files()
        }


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.write("a.txt", "Apples are red.\n\nPears are green.")
    place.write("sub/b.md", "# Bees\n\nBees make honey.")
    yield place
    place.library.close()


def counts(report):
    return (report.added, report.changed, report.removed, report.unchanged, len(report.failures))


def test_added_unchanged_changed_removed(place):
    assert counts(place.run()) == (2, 0, 0, 0, 0)
    second = place.run()
    assert (counts(second), second.embedded) == ((0, 0, 0, 2, 0), 0)
    place.write("a.txt", "Apples are yellow now.")
    (place.root / "sub/b.md").unlink()
    assert counts(place.run()) == (0, 1, 1, 0, 0)
    assert place.words() == {"a.txt": "Apples are yellow now."}
    assert place.library.check() == []
    assert place.library.texts.search("honey", 5) == []


def test_a_touched_file_is_hashed_and_not_embedded(place):
    place.run()
    os.utime(place.root / "a.txt", ns=(1, 1))
    report = place.run()
    assert (counts(report), report.embedded) == ((0, 0, 0, 2, 0), 0)


def test_a_second_change_in_the_same_tick_of_the_clock_is_found(place):
    """File systems count time in steps: right after a write, size and time prove nothing."""
    place.write("a.txt", "Apples are red.")
    stat = (place.root / "a.txt").stat()
    place.run()
    place.write("a.txt", "Apples are RED.")
    os.utime(place.root / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(place.run()) == (0, 1, 0, 1, 0)
    assert place.words()["a.txt"] == "Apples are RED."


def settle(place):
    """As if every file had been written long ago."""
    for number, file in enumerate(sorted(place.root.rglob("*.*"))):
        os.utime(file, ns=(10**18 + number, 10**18 + number))


def test_a_change_that_keeps_size_and_time_is_found_by_check_all(place):
    settle(place)
    place.run()
    stat = (place.root / "a.txt").stat()
    place.write("a.txt", "Apples are RED.\n\nPears are green.")
    os.utime(place.root / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(place.run()) == (0, 0, 0, 2, 0)
    assert counts(place.run(check_all=True)) == (0, 1, 0, 1, 0)


def test_a_file_that_cannot_be_read_costs_itself_and_keeps_its_old_version(place):
    place.run()
    (place.root / "a.txt").write_bytes(b"\x00\x01")
    place.write("c.txt", "Cherries.")
    report = place.run()
    assert counts(report) == (1, 0, 0, 1, 1)
    assert "a.txt" in report.failures[0].reason
    assert place.words()["a.txt"].startswith("Apples are red")


def test_an_empty_or_missing_folder_does_not_empty_the_library(place):
    place.run()
    for file in list(place.root.rglob("*.*")):
        file.unlink()
    with pytest.raises(ProjectError, match="2 are in the library") as caught:
        place.run()
    assert "--allow-empty" in caught.value.hint
    assert counts(place.run(allow_empty=True)) == (0, 0, 2, 0, 0)
    with pytest.raises(ProjectError, match="does not exist"):
        ingest(
            place.root / "none",
            place.library,
            parse,
            make_chunker("fixed", word_spans, no_embedder, Cut(9)),
            place.embedder,
        )


def test_include_exclude_hidden_and_links_outside(place, tmp_path):
    place.write(".hidden/x.txt", "x")
    place.write("skip/y.txt", "y")
    (tmp_path / "outside.txt").write_text("secret")
    (place.root / "link.txt").symlink_to(tmp_path / "outside.txt")
    place.run(include=["**/*.txt"], exclude=["skip/*"])
    assert set(place.words()) == {"a.txt"}


def test_other_chunking_reembeds_only_new_spans(place):
    place.run()
    report = place.run(size=4)
    assert report.changed == 2
    assert place.library.check() == []


def test_another_embedder_migrates_and_is_never_mixed(place):
    place.run()
    other = HashEmbedder(dimensions=32, name="other")
    with pytest.raises(LibraryError, match="another embedder"):
        place.library.require_embedder(other.fingerprint)
    report = place.run(embedder=other)
    assert (counts(report), report.embedded) == ((0, 0, 0, 2, 0), report.chunks)
    place.library.require_embedder(other.fingerprint)
    assert place.library.check() == []
    assert len(place.library.vectors.search(other.embed_queries(["honey"])[0], 9)) == report.chunks


def test_an_interrupted_migration_goes_on_and_serves_the_old_vectors(place):
    for number in range(600):
        place.write(f"n{number}.txt", f"Note number {number} about things.")
    place.run()

    class Dying(HashEmbedder):
        def embed_passages(self, texts, on_done=None):
            if len(texts) < 500:
                raise KeyboardInterrupt
            return super().embed_passages(texts, on_done)

    with pytest.raises(KeyboardInterrupt):
        place.run(embedder=Dying(name="other"))
    place.library.require_embedder(place.embedder.fingerprint)
    assert place.library.check() == []
    report = place.run(embedder=HashEmbedder(name="other"))
    assert 0 < report.embedded < report.chunks


def test_indexes_that_are_gone_or_damaged_are_built_again(place):
    place.run()
    (stamp,) = (place.folder / "indexes").glob("*/vector/stamp.json")
    stamp.unlink()
    (meta,) = (place.folder / "indexes").glob("*/text/*/meta.json")
    meta.write_text("{")
    place.reopen()
    assert place.library.check() == []
    assert len(place.library.texts.search("honey", 5)) == 1


def test_a_moved_file_is_not_embedded_again(place):
    place.run()
    (place.root / "sub/b.md").rename(place.root / "c.md")
    report = place.run()
    assert (counts(report), report.embedded) == ((1, 0, 1, 1, 0), 0)
    assert place.library.check() == []


def test_indexes_of_another_record_are_not_taken_for_its_own(place):
    place.run()
    place.library.close()
    for file in place.folder.glob("library.db*"):
        file.unlink()
    for file in list(place.root.rglob("*.*")):
        file.unlink()
    place.write("x.txt", "Plums are blue.\n\nFigs are brown.")
    place.write("y.md", "# Goats\n\nGoats eat grass.")
    place.library = Library(place.folder)
    place.run()
    assert place.library.texts.search("honey", 5) == []
    assert len(place.library.texts.search("grass", 5)) == 1
    assert place.library.check() == []


def test_a_zeroed_index_is_found(place):
    place.run()
    (rows,) = (place.folder / "indexes").glob("*/vector/*.rows")
    rows.write_bytes(bytes(rows.stat().st_size))
    place.reopen()
    assert any("vector" in problem for problem in place.library.check())
    place.library.repair()
    assert place.library.check() == []


def test_scores_after_a_removal_are_those_of_a_new_library(place, tmp_path):
    for number in range(30):
        place.write(f"n{number}.txt", "Bees and honey everywhere.")
    place.run()
    for number in range(30):
        (place.root / f"n{number}.txt").unlink()
    place.run()
    scores = [match.score for match in place.library.texts.search("honey", 5)]
    place.library.repair()
    assert scores == [match.score for match in place.library.texts.search("honey", 5)]


def test_a_second_ingest_at_the_same_time_is_told_to_wait(place):
    from filelock import FileLock

    with (
        FileLock(place.folder / "ingest.lock"),
        pytest.raises(LibraryError, match="another ingest"),
    ):
        place.run()


def test_check_sees_an_index_that_differs(place):
    place.run()
    place.library.vectors.clear()
    assert any("vector" in problem for problem in place.library.check())
    place.library.repair()
    assert place.library.check() == []


def test_a_newer_record_is_refused(place):
    place.library.record.database.execute("PRAGMA user_version = 99")
    place.library.close()
    with pytest.raises(LibraryError, match="format 99"):
        Library(place.folder)
    place.library = Library(place.folder.parent / "other")


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "library.db").write_text("not a database, but long enough to be looked at " * 50)
    with pytest.raises(LibraryError, match="damaged"):
        Library(tmp_path)


TELLING_INGEST = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_ingest import Place
from acclimate.testing.embeddings import HashEmbedder
class Telling(HashEmbedder):
    def embed_passages(self, texts, on_done=None):
        print("embedding", flush=True)
        return super().embed_passages(texts, on_done)
place = Place.__new__(Place)
from acclimate.indexes.library import Library
place.root, place.folder = Path(sys.argv[1]), Path(sys.argv[2])
place.library, place.embedder = Library(place.folder), Telling()
print("go", flush=True)
place.run()
"""


def test_killed_at_any_moment_the_next_run_completes(tmp_path):
    place = Place(tmp_path)
    rng = random.Random(7)
    for kill in range(6):
        for number in rng.sample(range(300), 120):
            place.write(
                f"n{number}.txt",
                f"Version {kill} of note {number}.\n\n" + "Words and more words. " * 30,
            )
        command = [
            sys.executable,
            "-c",
            TELLING_INGEST,
            str(place.root),
            str(place.folder),
            str(Path(__file__).parent),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            for _ in range(
                1 + rng.randrange(5)
            ):  # to the beginning, or into one of the first groups
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            child.wait()
        place.reopen()
        assert place.library.check() == []
    place.run()
    assert place.library.check() == []
    assert place.words() == {file.name: file.read_text() for file in place.root.iterdir()}
    place.library.close()


def test_a_full_disk_loses_nothing(tmp_path):
    place = Place(tmp_path)
    place.write("a.txt", "Apples are red.")
    place.run()
    place.write("big.txt", "\n\n".join(f"Paragraph {n} " + "word " * 60 for n in range(800)))
    place.library.record.database.execute("PRAGMA max_page_count = 20")
    with pytest.raises(LibraryError, match="cannot grow") as caught:
        place.run()
    assert "Free disk space" in caught.value.hint
    place.reopen()
    assert set(place.words()) == {"a.txt"}
    place.run()
    assert set(place.words()) == {"a.txt", "big.txt"}
    assert place.library.check() == []
    place.library.close()


class LibraryMachine(RuleBasedStateMachine):
    """Any sequence of edits, runs and reopenings leaves the library equal to the folder at the last run."""

    names = Bundle("names")

    @initialize()
    def start(self):
        self.scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.place = Place(Path(self.scratch.name))
        self.wanted = {}

    @rule(
        target=names,
        name=st.sampled_from("abcdef"),
        text=st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=40),
    )
    def write(self, name, text):
        self.place.write(f"{name}.txt", text)
        return name

    @rule(name=consumes(names))
    def remove(self, name):
        (self.place.root / f"{name}.txt").unlink(missing_ok=True)

    @rule()
    def run(self):
        self.place.run(allow_empty=True, check_all=True)
        self.wanted = {file.name: file.read_text() for file in self.place.root.iterdir()}

    @rule()
    def reopen(self):
        self.place.reopen()

    @invariant()
    def equal(self):
        if hasattr(self, "place"):
            assert self.place.words() == self.wanted
            assert self.place.library.check() == []

    def teardown(self):
        self.place.library.close()
        self.scratch.cleanup()


TestLibraryMachine = LibraryMachine.TestCase
TestLibraryMachine.settings = settings(deadline=None, max_examples=12, stateful_step_count=12)


def test_chunks_of_another_unicode_form_are_embedded_again_and_no_others(place):
    place.write("ligature.txt", "The oﬃce coﬀee costs 240 euro.")
    place.run()
    record = place.library.record
    before = dict(record.vectors(record.keys(), record.embedder))
    (old,) = [key for key in before if "ﬃ" in record.chunks([key])[0].text]
    with record.transaction():  # as an older version left it
        record.database.set_meta("embedded_form", "1")
        record.database.execute("UPDATE chunks SET hash = 'old' WHERE key = ?", (old,))
        record.database.execute(
            "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE key = ?", (old,)
        )
    report = place.run()
    assert (report.embedded, report.unchanged) == (1, 3)
    after = dict(record.vectors(record.keys(), record.embedder))
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert place.library.check() == []
    assert place.run().embedded == 0
