"""A source's folder survives kills, strangers and listings that went wrong."""

import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from acclimate.errors import SourceError
from acclimate.sources.mirror import LimitError, Limits, Mirror
from acclimate.sources.origins import Origins
from acclimate.sources.state import STATE_NAME, Item, State

MB = 1_000_000


def open_mirror(folder, **options):
    limits = options.pop("limits", Limits(1000, MB, 10 * MB))
    return Mirror("one", folder, limits, **options)


def put(mirror, key, content=b"text", **version):
    return mirror.put(key, key.split("/"), [content], Item(key, "", **version))


def names(folder):
    return sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    )


def test_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(tmp_path):
    """Killed after each of the steps in turn; the end is as that of a run that nobody killed."""
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from acclimate.sources import mirror, state
        kill_at, steps = int(sys.argv[2]), 0
        def step(before):
            def counted(*arguments, **options):
                global steps
                steps += 1
                if steps == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return before(*arguments, **options)
            return counted
        os.fsync = step(os.fsync)
        Path.replace, Path.unlink = step(Path.replace), step(Path.unlink)
        with mirror.Mirror("one", Path(sys.argv[1]), mirror.Limits(99, 10**6, 10**7)) as opened:
            for key, text in (("a.md", b"new"), ("b/c.md", b"bee"), ("d.md", b"dee")):
                opened.put(key, key.split("/"), [text], state.Item(key, "", tag=text.decode()))
            opened.complete()
        print(steps)
    """)
    folder = tmp_path / "one"
    kill_at = 1
    while True:
        with open_mirror(folder, accept=True) as mirror:
            put(mirror, "a.md", b"old", tag="old")
            put(mirror, "gone.md")
            mirror.complete()
        command = [sys.executable, "-c", script, str(folder), str(kill_at)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if done.returncode == 0:
            break
        again = subprocess.run([*command[:-1], "0"], capture_output=True, text=True, check=False)
        assert again.returncode == 0, again.stderr
        assert names(folder) == ["a.md", "b/c.md", "d.md"]
        assert (folder / "a.md").read_bytes() == b"new"
        assert not list(folder.glob(".part-*"))
        with open_mirror(folder) as mirror:
            assert [item.path for item in mirror.items()] == ["a.md", "b/c.md", "d.md"]
            assert all(mirror.known(item.key) for item in mirror.items())
        kill_at += 3
    assert kill_at > 10


def test_a_torn_last_line_is_dropped_and_a_damaged_one_is_told(tmp_path):
    with open_mirror(tmp_path) as mirror:
        put(mirror, "a.md")
        mirror.complete()
    file = tmp_path / STATE_NAME
    with file.open("a") as opened:
        opened.write('{"key": "half')
    state = State(tmp_path)
    assert list(state.items) == ["a.md"]
    file.write_text('{"key": 1}\nnot json\n')
    with pytest.raises(SourceError, match=r"line 1"):
        State(tmp_path)


def test_a_file_that_somebody_changed_or_removed_is_fetched_anew(tmp_path):
    with open_mirror(tmp_path) as mirror:
        put(mirror, "a.md")
        put(mirror, "b.md")
        mirror.complete()
    (tmp_path / "a.md").write_text("scribbled")
    (tmp_path / "b.md").unlink()
    with open_mirror(tmp_path) as mirror:
        assert mirror.known("a.md") is None
        assert mirror.known("b.md") is None
        put(mirror, "a.md")
        put(mirror, "b.md")
        mirror.complete()
        report = mirror.report("web", None, 0)
    assert (report.changed, (tmp_path / "a.md").read_bytes()) == (2, b"text")


def test_a_copy_of_the_folder_is_known_by_its_bytes(tmp_path):
    with open_mirror(tmp_path / "one") as mirror:
        put(mirror, "a.md", tag="1")
        mirror.complete()
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    with open_mirror(tmp_path / "two") as mirror:
        assert mirror.known("a.md").tag == "1"
        put(mirror, "a.md", tag="2")
        mirror.complete()
        assert mirror.report("web", None, 0).unchanged == 1


def test_files_of_others_are_never_removed(tmp_path):
    (tmp_path / "mine.md").write_text("mine")
    with open_mirror(tmp_path) as mirror:
        put(mirror, "a.md")
        mirror.complete()
    with open_mirror(tmp_path, accept=True) as mirror:
        mirror.complete()
    assert names(tmp_path) == ["mine.md"]


def test_two_processes_do_not_mirror_one_source(tmp_path):
    with open_mirror(tmp_path), pytest.raises(SourceError, match="another process"):
        open_mirror(tmp_path)
    open_mirror(tmp_path).close()


def test_a_source_that_is_suddenly_empty_keeps_its_documents(tmp_path):
    with open_mirror(tmp_path) as mirror:
        put(mirror, "a.md")
        mirror.complete()
    with open_mirror(tmp_path) as mirror, pytest.raises(SourceError, match="nothing was removed"):
        mirror.complete()
    assert names(tmp_path) == ["a.md"]


def test_limits_hold_over_all_documents(tmp_path):
    with open_mirror(tmp_path, limits=Limits(3, 1000, 1500)) as mirror:
        assert put(mirror, "large.md", b"x" * 1001) is None
        assert put(mirror, "a.md", b"x" * 1000) is not None
        with pytest.raises(LimitError, match="MB"):
            put(mirror, "b.md", b"x" * 900)
        with pytest.raises(LimitError, match="more than 3"):
            put(mirror, "c.md")
        assert mirror.report("web", None, 0).failures[0].path == "large.md"
    assert not list(tmp_path.glob(".part-*"))


def test_names_that_fold_into_one_stay_apart_and_come_back_to_themselves(tmp_path):
    keys = ["A.md", "a.md", "a.md/b.md", "Straße.md", "STRASSE.md", "e\u0301.md", "\u00e9.md"]
    for _ in range(2):
        with open_mirror(tmp_path) as mirror:
            for key in keys:
                put(mirror, key, key.encode())
            mirror.complete()
            paths = {item.key: item.path for item in mirror.items()}
    folded = {path.casefold() for path in paths.values()}
    assert len(folded) == len(keys)
    assert {key: (tmp_path / path).read_bytes().decode() for key, path in paths.items()} == {
        key: key for key in keys
    }


def test_an_empty_folder_goes_with_its_last_document(tmp_path):
    with open_mirror(tmp_path) as mirror:
        put(mirror, "deep/er/a.md")
        put(mirror, "b.md")
        mirror.complete()
    with open_mirror(tmp_path) as mirror:
        mirror.keep("b.md")
        mirror.complete()
    assert not (tmp_path / "deep").exists()


def test_addresses_follow_the_journal_as_it_changes(tmp_path):
    folder = tmp_path / "_sources" / "one"
    origins = Origins(tmp_path)
    assert origins.address("_sources/one/a.md") == ""
    with open_mirror(folder) as mirror:
        put(mirror, "a.md", url="https://docs.test/a")
        put(mirror, "b.md", url="javascript:alert(1)")
        assert origins.address("_sources/one/a.md") == "https://docs.test/a"
        assert origins.address("_sources/one/b.md") == ""
        mirror.complete()
    assert origins.address("_sources/one/a.md") == "https://docs.test/a"
    assert origins.address("one/a.md") == origins.address("_sources/../one/a.md") == ""
