"""From a source to the library: the command, the verb, the watching, and where citations lead."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from acclimate.cli.main import cli
from acclimate.errors import SettingsError
from acclimate.ingest_report import IngestReport
from acclimate.project import Project
from acclimate.settings import make_settings
from acclimate.sources.base import SourceReport
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.states import STATE_S
from acclimate.workflows.sync import Syncing


def open_project(folder, site, **source):
    section = {
        "type": "web",
        "url": f"{site.url}/docs/",
        "allow_private": True,
        "requests_per_second": 1000,
        **source,
    }
    values = {"documents": {"workers": 1}, "sources": {"one": section}}
    return Project(folder, make_settings(values, "test"), embedder=HashEmbedder())


@pytest.fixture
def docs(site):
    site.page("/docs/", '<title>Home</title><p>Welcome to Halden.</p><a href="rent.html">Rent</a>')
    site.page("/docs/rent.html", "<title>Rent</title><p>The rent is nine hundred euros.</p>")
    return site


def test_what_was_mirrored_is_ingested_and_found_with_its_address(docs, tmp_path):
    with open_project(tmp_path, docs) as project:
        synced = project.sync()
        assert [(one.name, one.added, one.complete) for one in synced.sources] == [("one", 2, True)]
        assert not synced.failed
        assert project.ingest().added == 2
        hits = project.retrieve("rent euros")
        assert hits[0].chunk.document == "_sources/one/rent.html"
        assert project.origins.address(hits[0].chunk.document) == f"{docs.url}/docs/rent.html"
        del docs.pages["/docs/rent.html"]
        docs.page("/docs/", "<title>Home</title><p>Welcome to Halden.</p>")
        assert project.sync(["one"]).sources[0].removed == 1
        assert project.ingest().removed == 1
        assert project.origins.address("_sources/one/rent.html") == ""


def test_one_source_that_fails_costs_only_itself(docs, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "a.md").write_text("# A")
    values = {
        "sources": {
            "bad": {"type": "web", "url": docs.url + "/docs/"},
            "good": {"type": "notion", "path": "export"},
            "worse": {"type": "imap", "host": "127.0.0.1", "allow_private": True},
        }
    }
    with Project(tmp_path, make_settings(values, "test"), embedder=HashEmbedder()) as project:
        bad, good, worse = project.sync().sources
        assert "no public address" in bad.error
        assert (good.added, good.error) == (1, "")
        assert "password_env" in worse.error
        with pytest.raises(SettingsError, match="'goof'") as fault:
            project.sync(["goof"])
        assert "good" in fault.value.hint


def test_a_project_without_sources_says_how_to_name_one(tmp_path):
    with (
        Project(tmp_path, make_settings({}, "test"), embedder=HashEmbedder()) as project,
        pytest.raises(SettingsError, match="names no source"),
    ):
        project.sync()


def test_the_command_mirrors_reports_and_fails_where_a_source_does(docs, tmp_path):
    (tmp_path / "acclimate.toml").write_text(
        f'[sources.one]\ntype = "web"\nurl = "{docs.url}/docs/"\nrequests_per_second = 1000\n'
    )
    asked = ["sync", "--no-ingest", "--json", "--project", str(tmp_path)]
    done = CliRunner().invoke(cli, asked, standalone_mode=False)
    assert done.return_value == 1
    assert "allow_private" in json.loads(done.stdout)["sources"][0]["hint"]
    with (tmp_path / "acclimate.toml").open("a") as opened:
        opened.write("allow_private = true\n")
    done = CliRunner().invoke(cli, asked[:2] + asked[3:], standalone_mode=False)
    assert (done.return_value, done.stderr) == (0, "")
    assert done.stdout.startswith("one (web): 2 added, 0 changed, 0 removed")


def test_watching_mirrors_what_is_due_and_reads_it(docs, tmp_path):
    heard, changed, stop = [], threading.Condition(), threading.Event()

    def hear(told):
        with changed:
            heard.append(told)
            changed.notify_all()

    def until(holds):
        with changed:
            assert changed.wait_for(lambda: any(map(holds, heard)), STATE_S), heard

    with open_project(tmp_path, docs, every_minutes=0.01) as project:
        thread = threading.Thread(target=project.watch, args=(hear,), kwargs={"stop": stop})
        thread.start()
        try:
            until(lambda one: isinstance(one, SourceReport) and one.added == 2)
            until(lambda one: isinstance(one, IngestReport) and one.documents == 2)
            docs.page("/docs/rent.html", "<title>Rent</title><p>The rent is a thousand.</p>")
            until(lambda one: isinstance(one, SourceReport) and one.changed == 1)
            until(lambda one: isinstance(one, IngestReport) and one.changed == 1)
        finally:
            stop.set()
            thread.join(STATE_S)
        assert not thread.is_alive()


def test_a_source_is_not_due_again_before_its_time(docs, tmp_path):
    with open_project(tmp_path, docs, every_minutes=60) as project:
        chosen = project.settings.sources["one"]
        assert Syncing(project, lambda _: None)._due_in("one", chosen) < 0
        project.sync()
        assert 3500 < Syncing(project, lambda _: None)._due_in("one", chosen) <= 3600


def test_a_stopped_crawl_goes_on_where_it_was(docs, tmp_path):
    links = "".join(f'<a href="{number}.html">.</a>' for number in range(20))
    docs.page("/docs/", links)
    for number in range(20):
        docs.page(f"/docs/{number}.html", f"<p>Page {number}.</p>")
    script = (
        "import sys; from pathlib import Path; from acclimate.project import Project\n"
        "with Project.open(Path(sys.argv[1])) as project: project.sync()"
    )
    (tmp_path / "acclimate.toml").write_text(
        f'[sources.one]\ntype = "web"\nurl = "{docs.url}/docs/"\nrequests_per_second = 20\n'
        "allow_private = true\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    process = subprocess.Popen(command)
    until = time.monotonic() + STATE_S
    while len(docs.paths()) < 8 and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    asked = set(docs.paths())
    docs.forget()
    with open_project(tmp_path, docs) as project:
        report = project.sync().sources[0]
        assert (report.error, report.complete) == ("", True)
        mirrored = sorted((tmp_path / "documents/_sources/one").glob("*.html"))
    assert len(mirrored) == 21
    again = asked & set(docs.paths())
    assert len(again) <= 4  # robots.txt, the sitemap, and the page that was under way
    assert len(asked) >= 7
