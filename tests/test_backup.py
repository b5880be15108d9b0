"""A backup restored elsewhere is the same project; what is no whole backup is refused, and nothing is lost."""

import io
import json
import os
import shutil
import sqlite3
import tarfile
import threading

import pytest

from acclimate.cli.main import run
from acclimate.errors import AcclimateError, LibraryError, ProjectError
from acclimate.project import Project
from acclimate.serving.keys import keys_of
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.workflows.backup import MANIFEST
from acclimate.workspace.layout import Layout

SETTINGS = '[documents]\npath = "{path}"\nworkers = 1\n'
FILES = {
    "pump.md": "# Pumps\n\nThe pump Fjell 9 weighs 117 kg.\n",
    "deep/fan.md": "# Fans\n\nThe fan turns 900 times a minute.\n",
    "ü b.md": "# Umlauts\n\nThe shop in Tromsø opens at nine.\n",
}


def open_project(folder):
    return Project(folder, load_settings(folder / "acclimate.toml"), embedder=HashEmbedder())


def make(folder, path="documents"):
    root = folder / path
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        os.utime(root / name, ns=(10**18 + 1, 10**18 + 1))
    (folder / "acclimate.toml").write_text(SETTINGS.format(path=path))
    (folder / "questions.jsonl").write_text("{}\n")
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "rag.md").write_text("mine")
    with open_project(folder) as project:
        project.ingest()
    adapter = Layout(folder).adapters / "lora"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}")
    Layout(folder).comparisons.mkdir()
    with sqlite3.connect(Layout(folder).answers) as answers:
        answers.execute("CREATE TABLE answers (text)")
        answers.execute("INSERT INTO answers VALUES ('kept')")
    answers.close()
    keys_of(folder).add("ann", ("ask",), ())
    return folder


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "one")


def tree(folder):
    """Every file but databases and what is derived or passing."""
    skip = (".db", ".lock", "-wal", "-shm")
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith(skip) and "indexes" not in file.parts
    }


def hits(folder):
    with open_project(folder) as project:
        assert project.library.check() == []
        found = project.retrieve("How heavy is the pump Fjell 9?", 3)
        return project.library.record.id, [(hit.chunk, hit.score) for hit in found]


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz"])
def test_restored_elsewhere_it_is_the_same_project(folder, tmp_path, name):
    with open_project(folder) as project:
        made = project.backup(tmp_path / "kept" / name)
    assert (made.documents, made.chunks, made.with_documents) == (3, 3, True)
    assert made.size == made.file.stat().st_size
    assert made.file.stat().st_mode & 0o077 == 0
    assert [file.name for file in made.file.parent.iterdir()] == [name]

    with Project.restore(made.file, tmp_path / "two") as restored:
        assert restored.folder == (tmp_path / "two").resolve()
    (first, before), (second, after) = hits(folder), hits(tmp_path / "two")
    assert after == before
    assert second != first  # indexes of one are never taken for those of the other
    assert tree(tmp_path / "two") == tree(folder)
    with sqlite3.connect(Layout(tmp_path / "two").answers) as answers:
        assert answers.execute("SELECT text FROM answers").fetchall() == [("kept",)]
    answers.close()
    assert Layout(tmp_path / "two").keys.stat().st_mode & 0o077 == 0
    with open_project(tmp_path / "two") as project:
        report = project.ingest()
    assert (report.unchanged, report.embedded) == (3, 0)


def test_doctor_finds_nothing_after_it(folder, tmp_path, capsys, monkeypatch):
    assert run(["backup", str(tmp_path / "b.tar"), "--project", str(folder)]) == 0
    assert "3 documents in 3 chunks" in capsys.readouterr().out
    assert run(["restore", str(tmp_path / "b.tar"), str(tmp_path / "two")]) == 0
    assert "3 documents in 3 chunks" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "two")
    run(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)
    ours = [one["state"] for one in findings if one["check"] in ("project", "library", "documents")]
    assert ours == ["ok", "ok", "ok"]


@pytest.mark.parametrize("path", ["data/docs", "."])
def test_documents_anywhere_below_the_project(tmp_path, path):
    folder = make(tmp_path / "one", path)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "other.csv").write_text("not a document's")
    with open_project(folder) as project:
        project.backup(tmp_path / "b.tar")
    Project.restore(tmp_path / "b.tar", tmp_path / "two").close()
    assert (tmp_path / "two" / path / "pump.md").read_text() == FILES["pump.md"]
    assert hits(tmp_path / "two")[1] == hits(folder)[1]


def test_documents_elsewhere_are_not_included_and_that_is_told(folder, tmp_path, capsys):
    (folder / "documents").rename(tmp_path / "documents")
    (folder / "acclimate.toml").write_text(SETTINGS.format(path="../documents"))
    assert run(["backup", str(tmp_path / "b.tar"), "-p", str(folder)]) == 0
    assert "not included" in capsys.readouterr().err
    assert run(["restore", str(tmp_path / "b.tar"), str(tmp_path / "two")]) == 0
    assert "must be in their place" in capsys.readouterr().err
    assert hits(tmp_path / "two")[1] == hits(folder)[1]


def test_sources_go_on_after_a_restore(folder, tmp_path):
    (folder / "export").mkdir()
    (folder / "export" / f"Page {'a' * 32}.md").write_text("# Page\n\nFrom elsewhere.\n")
    with (folder / "acclimate.toml").open("a") as opened:
        opened.write('[sources.notes]\ntype = "notion"\npath = "export"\n')
    with open_project(folder) as project:
        project.sync()
        project.ingest()
        project.backup(tmp_path / "b.tar.gz")
    shutil.copytree(folder / "export", tmp_path / "again" / "export")
    Project.restore(tmp_path / "b.tar.gz", tmp_path / "again").close()
    with open_project(tmp_path / "again") as project:
        address = project.origins.address("_sources/notes/Page.md")
        assert address == f"https://www.notion.so/{'a' * 32}"
        (report,) = project.sync().sources
        assert (report.added, report.changed, report.unchanged) == (0, 0, 1)


def test_nothing_is_overwritten_without_being_told(folder, tmp_path):
    kept = tmp_path / "b.tar"
    kept.write_text("mine")
    with open_project(folder) as project, pytest.raises(ProjectError, match="exists already"):
        project.backup(kept)
    assert kept.read_text() == "mine"
    with open_project(folder) as project:
        project.backup(kept, replace=True)
    (folder / "documents" / "pump.md").write_text("# Pumps\n\nChanged.\n")
    (folder / "documents" / "later.md").write_text("# Later\n")
    before = tree(folder)
    with pytest.raises(ProjectError, match="exists already") as caught:
        Project.restore(kept, folder)
    assert "--replace" in caught.value.hint
    assert tree(folder) == before
    Project.restore(kept, folder, replace=True).close()
    assert (folder / "documents" / "pump.md").read_text() == FILES["pump.md"]
    assert not (folder / "documents" / "later.md").exists()
    assert not list(folder.glob(".acclimate-*"))
    assert hits(folder)[1]


def test_only_what_is_in_the_way_counts(folder, tmp_path):
    """Empty folders and files of others are none of ours."""
    with open_project(folder) as project:
        project.backup(tmp_path / "b.tar")
    (tmp_path / "two" / "documents" / "deep").mkdir(parents=True)
    (tmp_path / "two" / "notes.txt").write_text("mine")
    Project.restore(tmp_path / "b.tar", tmp_path / "two").close()
    assert (tmp_path / "two" / "notes.txt").read_text() == "mine"
    assert hits(tmp_path / "two")[1] == hits(folder)[1]


def test_a_damaged_backup_is_refused_and_changes_nothing(folder, tmp_path):
    whole = tmp_path / "b.tar"
    with open_project(folder) as project:
        project.backup(whole)
    content = whole.read_bytes()
    with tarfile.open(whole) as tar:
        data = {one.name: (one.offset_data, one.size) for one in tar}
    inside, size = data[Layout(folder).record.relative_to(folder).as_posix()]
    flipped = bytearray(content)
    flipped[inside + size // 2] ^= 1
    wrong = [b"", b"no archive", bytes(flipped)]
    wrong += [content[: len(content) * part // 8] for part in range(1, 8)]
    for number, damaged in enumerate(wrong):
        file = tmp_path / f"damaged-{number}"
        file.write_bytes(damaged)
        with pytest.raises(ProjectError, match=r"no backup|damaged|incomplete"):
            Project.restore(file, tmp_path / "two")
        assert list((tmp_path / "two").iterdir()) == []
    with pytest.raises(ProjectError, match="does not exist"):
        Project.restore(tmp_path / "nowhere", tmp_path / "two")


def archive(file, members, manifest=None):
    with tarfile.open(file, "w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if manifest is not None:
            said = json.dumps(manifest).encode()
            last = tarfile.TarInfo(MANIFEST)
            last.size = len(said)
            tar.addfile(last, io.BytesIO(said))


def member(name, kind=tarfile.REGTYPE, link=""):
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, link
    return one


@pytest.mark.parametrize(
    "hostile",
    [
        member("../out.md"),
        member("/acclimate-out.md"),
        member("a/../../out.md"),
        member("C:/out.md"),
        member("..\\out.md"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda one: one.name,
)
def test_an_archive_writes_nowhere_else(tmp_path, hostile):
    file = tmp_path / "b.tar"
    archive(file, [(hostile, b"")])
    with pytest.raises(ProjectError, match="it holds"):
        Project.restore(file, tmp_path / "two")
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["b.tar", "two"]


def test_a_newer_format_says_so(tmp_path):
    file = tmp_path / "b.tar"
    said = {"format": 99, "acclimate": "9", "created": "", "documents": 0, "chunks": 0}
    archive(file, [], said | {"with_documents": False, "files": {}, "unknown": 1})
    with pytest.raises(ProjectError, match="format 99") as caught:
        Project.restore(file, tmp_path / "two")
    assert "upgrade" in caught.value.hint


def test_before_the_first_ingest_there_is_nothing_to_back_up(tmp_path):
    (tmp_path / "documents").mkdir()
    project = Project.create(tmp_path, tmp_path / "documents")
    with project, pytest.raises(ProjectError, match="not been ingested"):
        project.backup(tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def test_a_running_ingest_is_not_pulled_away(folder, tmp_path):
    from filelock import FileLock

    with open_project(folder) as project:
        project.backup(tmp_path / "b.tar")
    with (
        FileLock(Layout(folder).state / "ingest.lock"),
        pytest.raises(LibraryError, match="ingest"),
    ):
        Project.restore(tmp_path / "b.tar", folder, replace=True)
    assert hits(folder)[1]


def test_backups_made_while_documents_change_are_whole(folder, tmp_path):
    stop, errors = threading.Event(), []

    def churn():
        number = 0
        with open_project(folder) as project:
            while not stop.is_set():
                number += 1
                root = folder / "documents"
                (root / f"note-{number % 7}.md").write_text(
                    f"# Note {number}\n\nVersion {number}.\n"
                )
                (root / f"note-{(number + 3) % 7}.md").unlink(missing_ok=True)
                try:
                    project.ingest()
                except AcclimateError as error:
                    errors.append(error)

    changing = threading.Thread(target=churn)
    changing.start()
    try:
        made = []
        for number in range(4):
            with open_project(folder) as project:
                made.append(project.backup(tmp_path / f"{number}.tar"))
    finally:
        stop.set()
        changing.join()
    assert errors == []
    for number, backup in enumerate(made):
        target = tmp_path / f"restored-{number}"
        Project.restore(backup.file, target).close()
        with open_project(target) as project:
            held = set(project.library.record.files())
            assert project.library.check() == []
        root = target / "documents"
        assert {one.relative_to(root).as_posix() for one in root.rglob("*.md")} == held
        assert backup.documents == len(held) >= len(FILES)
