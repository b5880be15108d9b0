"""A watched folder: whatever changes and whatever is killed, the library comes into step."""

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from acclimate.errors import ProjectError
from acclimate.ingest_report import IngestReport
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.states import STATE_S

ROOT = Path(__file__).parents[1]


def open_project(folder, **documents):
    values = {"documents": {"workers": 1, **documents}}
    return Project(folder, make_settings(values, "test"), embedder=HashEmbedder())


class Watching:
    """Watches the project in `folder` in a thread, and hears how each ingest went."""

    def __init__(self, folder, **documents):
        self.heard, self._stop = [], threading.Event()
        self._changed = threading.Condition()
        self._project = open_project(folder, **documents)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        self._project.watch(self._hear, stop=self._stop)

    def _hear(self, told):
        with self._changed:
            self.heard.append(told)
            self._changed.notify_all()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(STATE_S)
        assert not self._thread.is_alive()
        self._project.close()

    def until(self, holds):
        """Wait for an ingest of which this holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(holds, self.heard)), STATE_S), self.heard
        return self


def test_killed_again_and_again_the_library_ends_equal_to_a_fresh_one():
    """The benchmark, with fewer changes."""
    command = [sys.executable, "-m", "benchmarks.watching", "--changes", "40", "--seconds", "8"]
    done = subprocess.run(
        [*command, "--kills", "3"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    result = json.loads(done.stdout)
    assert (done.returncode, result["problems"]) == (0, []), done.stderr
    assert result["documents"] > 5


def test_a_bad_file_costs_only_itself(tmp_path):
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.md").write_text("# A\n\nOne.\n")
    with Watching(tmp_path) as watching:
        watching.until(lambda report: report.added == 1)
        (documents / "bad.pdf").write_bytes(b"%PDF-1.7 and nothing more")
        (documents / "b.md").write_text("# B\n\nTwo.\n")
        watching.until(lambda report: report.failures and report.documents == 2)
        assert "bad.pdf" in next(one for one in watching.heard if one.failures).failures[0].reason


def test_the_first_error_is_raised_and_a_later_one_is_told(tmp_path):
    with open_project(tmp_path) as project, pytest.raises(ProjectError, match="does not exist"):
        project.watch()
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.md").write_text("# A\n\nOne.\n")
    with Watching(tmp_path, watch_seconds=0.2) as watching:
        watching.until(lambda report: report.added == 1)
        documents.rename(tmp_path / "away")
        watching.until(lambda told: isinstance(told, ProjectError))
        (tmp_path / "away").rename(documents)
        (documents / "b.md").write_text("# B\n\nTwo.\n")
        watching.until(lambda told: isinstance(told, IngestReport) and told.documents == 2)


def test_an_ingest_of_another_process_is_waited_for(tmp_path):
    from filelock import FileLock

    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.md").write_text("# A\n\nOne.\n")
    (tmp_path / ".acclimate").mkdir()
    lock = FileLock(tmp_path / ".acclimate" / "ingest.lock")
    with lock, Watching(tmp_path) as watching:
        watching.until(lambda told: "another ingest" in str(told))
        lock.release()
        watching.until(lambda told: isinstance(told, IngestReport) and told.added == 1)


def test_a_server_ingests_what_changes(tmp_path, monkeypatch, caplog):
    from acclimate.testing.models import ScriptedEngine
    from acclimate.testing.serving import serve_project

    engine = ScriptedEngine(lambda _: "Two [1]", context_tokens=4096)
    monkeypatch.setattr(Project, "_load_engine", lambda *_: engine)
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.md").write_text("# A\n\nOne.\n")
    with open_project(tmp_path) as project:
        project.ingest()
    values = {"documents": {"workers": 1, "watch": True}, "serve": {"port": 0}}
    project = Project(tmp_path, make_settings(values, "test"), embedder=HashEmbedder())
    caplog.set_level(logging.ERROR)
    with serve_project(project) as address, httpx.Client(base_url=address, timeout=STATE_S) as web:
        (documents / "b.md").write_text("# B\n\nTwo words stand here.\n")
        changed = threading.Event()
        for _ in range(int(STATE_S * 5)):
            found = web.post("/v1/search", json={"query": "two words", "k": 1}).json()["data"]
            if found and found[0]["path"] == "b.md":
                break
            changed.wait(0.2)
        assert found[0]["path"] == "b.md"
    assert caplog.messages == []
