"""A folder is followed: by events where there are any, else by looks."""

import os
import threading
import time

import pytest

from acclimate.documents import changes
from acclimate.documents.changes import Events, follow, look
from acclimate.documents.places import is_fresh
from acclimate.testing.states import STATE_S

ALL = (("**/*",), ("out/*",))
OLD = 1_600_000_000_000_000_000


class Following:
    """Follows `root` in a thread; `times` it was told to bring things up."""

    def __init__(self, root, works=lambda: True, seconds=STATE_S):
        self.times, self._stop = 0, threading.Event()
        self._changed = threading.Condition()
        self._works = works

        def run():
            follow(root, *ALL, self._bring_up, seconds=seconds, stop=self._stop)

        self._thread = threading.Thread(target=run, daemon=True)

    def _bring_up(self):
        worked = self._works()
        with self._changed:
            self.times += 1
            self._changed.notify_all()
        return worked

    def __enter__(self):
        self._thread.start()
        return self.reaches(1)

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(STATE_S)
        assert not self._thread.is_alive()

    def reaches(self, times):
        with self._changed:
            assert self._changed.wait_for(lambda: self.times >= times, STATE_S), self.times
        return self


def settled(file, text="text"):
    """A file that was written long ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, ns=(OLD, OLD))


@pytest.fixture(params=["events", "looks"])
def seconds(request, monkeypatch):
    """How often it is looked: without events often, with them hardly ever."""
    if request.param == "events":
        return STATE_S

    def none(*_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(changes, "RustNotify", none)
    return 0.05


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "new.md").write_text("new"),
        lambda root: (
            (root / "new" / "deep").mkdir(parents=True)
            or (root / "new" / "deep" / "one.md").write_text("x")
        ),
        lambda root: (root / "a.md").write_text("changed"),
        lambda root: (root / "a.md").unlink(),
        lambda root: (root / "a.md").rename(root / "b.md"),
    ],
    ids=["added", "in a new folder", "changed", "removed", "moved"],
)
def test_a_change_is_found(tmp_path, change, seconds):
    settled(tmp_path / "a.md")
    settled(tmp_path / "other.md")
    with Following(tmp_path, seconds=seconds) as following:
        following.reaches(2)  # the files have just come: they are hashed once more
        before = following.times
        change(tmp_path)
        following.reaches(before + 1)


def test_without_events_a_line_says_so(tmp_path, monkeypatch, caplog):
    def none(*_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(changes, "RustNotify", none)
    events = Events(tmp_path)
    events.wait(0.001, threading.Event())
    events.wait(0.001, threading.Event())
    (line,) = caplog.messages
    assert "changes are found by looks only" in line


def test_hidden_files_wake_no_one(tmp_path):
    """The library itself may lie below the documents."""
    heard = threading.Event()
    events = Events(tmp_path)
    events.wait(0.001, threading.Event())

    def wait():
        events.wait(STATE_S, threading.Event())
        heard.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    for number in range(20):
        (tmp_path / ".acclimate").mkdir(exist_ok=True)
        (tmp_path / ".acclimate" / f"{number}.db").write_text("x")
    assert not heard.wait(1.5)  # three silences: it would have heard by now
    (tmp_path / "seen.md").write_text("x")
    assert heard.wait(STATE_S)
    waiting.join()
    events.close()


def test_what_did_not_work_is_tried_again(tmp_path):
    settled(tmp_path / "a.md")
    worked = iter([False, False, True])
    with Following(tmp_path, works=lambda: next(worked, True), seconds=0.05) as following:
        following.reaches(3)


def test_a_folder_that_goes_and_comes_again_is_followed(tmp_path):
    root = tmp_path / "documents"
    settled(root / "a.md")
    with Following(root, seconds=0.05) as following:
        root.rename(tmp_path / "away")
        following.reaches(following.times + 2)
        settled(root / "b.md")
        following.reaches(following.times + 1)


def test_a_look_tells_changes_apart(tmp_path):
    settled(tmp_path / "a.md")
    first = look(tmp_path, *ALL)
    assert not look(tmp_path, *ALL).differs(first)
    settled(tmp_path / "out" / "left-out.md")
    settled(tmp_path / ".hidden.md")
    assert not look(tmp_path, *ALL).differs(first)
    (tmp_path / "loop.md").symlink_to("loop.md")
    assert look(tmp_path, *ALL).differs(first)  # what cannot be read counts too


def test_freshness_is_of_the_last_two_seconds():
    now = time.time_ns()
    assert is_fresh(now)
    assert not is_fresh(now - 10**11)
    assert not is_fresh(now + 10**11)  # a clock that is wrong makes no file fresh for ever
