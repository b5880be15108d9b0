"""A fault that belongs to one file costs that file: it is named legibly, and everything else is in the library."""

import json
import os
import socket
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from acclimate.chunking.chunkers import Cut, make_chunker
from acclimate.documents.parsers import parse
from acclimate.errors import DocumentError, EngineError, LibraryError, ProjectError, legible
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.testing.chunking import no_embedder, word_spans
from acclimate.testing.embeddings import HashEmbedder

GOOD = {"a.txt": "Apples are red.", "b.txt": "Bees make honey.", "z.txt": "Zebras have stripes."}


class Place:
    """A documents folder with good files, and its library."""

    def __init__(self, folder):
        self.root = folder / "docs"
        self.root.mkdir()
        for name, text in GOOD.items():
            (self.root / name).write_text(text)
        self.library = Library(folder / "library")
        self.chunker = make_chunker("structure", word_spans, no_embedder, Cut(20))

    def run(self, parse=parse, chunker=None, embedder=None, **options):
        return ingest(
            self.root,
            self.library,
            parse,
            chunker or self.chunker,
            embedder or HashEmbedder(),
            **options,
        )

    def held(self):
        self.library.catch_up()
        assert self.library.check() == []
        return set(self.library.record.files())


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.library.close()


def reasons(report):
    """Why files were not read, by name; every reason can be printed on one line of a console."""
    for failure in report.failures:
        assert failure.reason.startswith(failure.path.rstrip("/"))
        assert failure.reason.isprintable()
        failure.reason.encode()
    return {failure.path: failure.reason for failure in report.failures}


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"\xff\xfe.md", b"a\x80\n.txt"])
def test_a_name_that_is_not_utf8(place, name):
    (place.root / os.fsdecode(name)).write_text("An entry that nobody can name.")
    report = place.run()
    ((path, reason),) = reasons(report).items()
    assert reason == f"{path} has a name that is not UTF-8: rename it."
    assert path == legible(os.fsdecode(name))
    assert place.held() == GOOD.keys()


def test_a_folder_whose_name_is_not_utf8(place):
    folder = place.root / os.fsdecode(b"d\xe9p\xf4t")
    folder.mkdir()
    (folder / "x.txt").write_text("Inside.")
    path = "d\\xe9p\\xf4t/x.txt"
    assert reasons(place.run()) == {path: f"{path} has a name that is not UTF-8: rename it."}
    assert place.held() == GOOD.keys()


@pytest.mark.parametrize(
    "name",
    [
        "new\nline.txt",
        "tab\t.txt",
        "\x1b[31mred.txt",
        "\u202egnp.txt",
        "é" * 120 + ".txt",
        "-rf.txt",
        " .txt",
    ],
)
def test_a_name_that_is_odd_but_whole_is_read(place, name):
    (place.root / name).write_text("An odd name.")
    assert reasons(place.run()) == {}
    assert place.held() == {*GOOD, name}
    (place.root / name).write_bytes(b"\x00\x01")
    assert list(reasons(place.run())) == [legible(name)]
    assert place.held() == {*GOOD, name}  # as it was


def test_what_is_no_file(place, tmp_path, monkeypatch):
    os.mkfifo(place.root / "pipe.txt")
    (place.root / "nowhere.txt").symlink_to("gone.txt")
    (place.root / "loop.txt").symlink_to("loop.txt")
    (place.root / "round").symlink_to(place.root, target_is_directory=True)
    (tmp_path / "secret.txt").write_text("Not for them.")
    (place.root / "outside.txt").symlink_to(tmp_path / "secret.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(place.root)  # such names may have 107 bytes
        listening.bind("socket.txt")
        report = place.run()
    assert place.held() == GOOD.keys()
    assert {path: reason.removeprefix(f"{path} ") for path, reason in reasons(report).items()} == {
        "pipe.txt": "is a named pipe, not a file.",
        "socket.txt": "is a socket, not a file.",
        "nowhere.txt": "is a link that leads nowhere, or has just gone.",
        "loop.txt": "cannot be read: Too many levels of symbolic links.",
        "round": "is a link to a folder, and such links are not followed.",
        "outside.txt": "is a link that leads outside the documents folder.",
    }


def test_a_path_that_is_too_long_to_open(place, monkeypatch):
    monkeypatch.chdir(place.root)
    for _ in range(20):
        Path("d" * 250).mkdir()
        os.chdir("d" * 250)
    Path("deep.txt").write_text("Too deep.")
    monkeypatch.undo()
    (reason,) = reasons(place.run()).values()
    assert "File name too long" in reason
    assert place.held() == GOOD.keys()


def test_a_folder_that_cannot_be_listed_keeps_what_is_known_of_it(place, monkeypatch):
    (place.root / "sub").mkdir()
    (place.root / "sub" / "c.txt").write_text("Cherries.")
    place.run()
    listed = os.scandir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = place.run()
    assert reasons(report) == {"sub/": "sub/ cannot be listed: Permission denied."}
    assert report.removed == 0
    assert place.held() == {*GOOD, "sub/c.txt"}


def test_a_file_that_goes_while_the_others_are_read(place):
    def vanish(file, path):
        (place.root / "z.txt").unlink(missing_ok=True)
        return parse(file, path)

    assert reasons(place.run(vanish)) == {
        "z.txt": "z.txt cannot be read: No such file or directory."
    }
    assert place.held() == {"a.txt", "b.txt"}
    assert place.run().removed == 0
    assert place.held() == {"a.txt", "b.txt"}


@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyError(3), RecursionError(), MemoryError(), AssertionError()]
)
def test_a_parser_that_raises_anything(place, error):
    def broken(file, path):
        if path == "b.txt":
            raise error
        return parse(file, path)

    ((path, reason),) = reasons(place.run(broken)).items()
    assert (path, type(error).__name__ in reason) == ("b.txt", True)
    assert place.held() == {"a.txt", "z.txt"}


class Picky:
    """A chunker that fails on what holds a word; on everything where that is empty."""

    def __init__(self, inner, word):
        self.inner, self.word, self.fingerprint = inner, word, inner.fingerprint

    def split(self, document):
        if self.word in document.text:
            raise ZeroDivisionError("no words")
        return self.inner.split(document)


def test_a_chunker_that_fails_on_one_document(place):
    report = place.run(chunker=Picky(place.chunker, "honey"))
    assert reasons(report) == {
        "b.txt": "b.txt cannot be cut into chunks: ZeroDivisionError: no words."
    }
    assert place.held() == {"a.txt", "z.txt"}
    with pytest.raises(ZeroDivisionError):  # where it fails on all, no file is at fault
        place.run(chunker=Picky(place.chunker, ""), check_all=True)


class Failing(HashEmbedder):
    """An embedder that fails on texts that hold a word: with an error, or with so many vectors of no numbers."""

    def __init__(self, word, error):
        super().__init__()
        self.word, self.error = word, error

    def embed_passages(self, texts, on_done=None):
        if any(self.word in text for text in texts):
            if isinstance(self.error, Exception):
                raise self.error
            return np.full((self.error, 64), np.nan, np.float32)
        return super().embed_passages(texts, on_done)


@pytest.mark.parametrize("error", [EngineError("400: too long"), ValueError("no"), 0, 1])
def test_an_embedder_that_fails_on_one_document(place, error):
    report = place.run(embedder=Failing("honey", error))
    assert list(reasons(report)) == ["b.txt"]
    assert "b.txt cannot be embedded: " in reasons(report)["b.txt"]
    assert (report.added, report.unchanged) == (2, 0)
    assert place.held() == {"a.txt", "z.txt"}
    assert place.run().added == 1


def test_an_embedder_that_fails_on_everything_ends_the_ingest(place):
    with pytest.raises(EngineError, match="down"):
        place.run(embedder=Failing("", EngineError("the server is down")))
    assert place.held() == set()
    assert not place.library.record.ingests.finished
    place.run()
    assert place.library.record.ingests.finished


def test_a_record_that_cannot_be_written_ends_the_ingest(place, monkeypatch):
    def full(*_):
        raise LibraryError("the disk is full")

    monkeypatch.setattr(place.library.record, "put", full)
    with pytest.raises(LibraryError, match="full"):
        place.run()


def test_broken_bytes_in_the_facts_about_a_document_are_replaced(place):
    (place.root / "s.json").write_text('{"key\\ud800": "before \\udc00 after"}')
    (place.root / "m.eml").write_bytes(
        b"From: J\xf6rg <j@x.org>\nTo: a@x.org\nSubject: Caf\xe9\n\nOpen at nine.\n"
    )
    assert reasons(place.run()) == {}
    assert place.held() == {*GOOD, "s.json", "m.eml"}
    for path in ("s.json", "m.eml"):
        document = place.library.record.document(path)
        json.dumps(
            [document.text, document.title, dict(document.metadata)], ensure_ascii=False
        ).encode()


def test_what_failed_is_noted_for_those_who_ask_later(place):
    os.mkfifo(place.root / "pipe.txt")
    place.run()
    assert place.library.record.ingests.failures == ["pipe.txt is a named pipe, not a file."]
    (place.root / "pipe.txt").unlink()
    place.run()
    assert place.library.record.ingests.failures == []


def test_only_faults_are_no_reason_to_empty_the_library(place, tmp_path):
    place.run()
    (tmp_path / "secret.txt").write_text("Not for them.")
    for name in GOOD:
        (place.root / name).unlink()
        (place.root / name).symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ProjectError, match="3 are in the library"):
        place.run()
    assert place.held() == GOOD.keys()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain é 日本.txt", "plain é 日本.txt"),
        ("a\nb", "a\\nb"),
        (os.fsdecode(b"\xe9"), "\\xe9"),
        ("\u202e", "\\u202e"),
        ("\x1b[0m", "\\x1b[0m"),
        (unicodedata.lookup("NO-BREAK SPACE"), "\xa0"),
    ],
)
def test_names_are_legible(name, shown):
    assert legible(name) == shown


def test_a_document_error_tells_its_own_reason(place):
    def refuse(file, path):
        if path == "b.txt":
            raise DocumentError(f"{path} is\nencrypted.")
        return parse(file, path)

    assert reasons(place.run(refuse)) == {"b.txt": "b.txt is\\nencrypted."}
