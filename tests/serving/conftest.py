"""A project with a labelled document, a scripted engine, and a server in front of it."""

import json
import shutil
import socket
from contextlib import ExitStack

import httpx
import pytest

from acclimate.project import Project
from acclimate.serving.keys import keys_of
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.serving import serve_project
from acclimate.testing.states import STATE_S

SECRET = "4711"
FILES = {
    "pump.md": "# Pumps\n\nThe pump Fjell 9 weighs 117 kg. It was tested in 2024.\n",
    "prices.md": "# Prices\n\nA filter costs 12 euros. What the director earns is not said here.\n",
    "hr/pay.md": f"# Pay\n\nThe director earns {SECRET} euros a month.\n",
}
QUESTIONS = [
    {
        "id": "1",
        "question": "What does the director earn?",
        "answers": [SECRET],
        "document": "hr/pay.md",
    },
    {
        "id": "2",
        "question": "What does a filter cost?",
        "answers": ["12 euros"],
        "document": "prices.md",
    },
    {
        "id": "3",
        "question": "What does the director of the firm that makes the Fjell 9 earn?",
        "answers": [SECRET],
        "document": "pump.md",
        "documents": ["pump.md", "hr/pay.md"],
    },
]


def script(messages):
    """Reads the passages as a model would: the sentence of the first that shares a number with none of ours."""
    shown = messages[-1].content
    for found in ("4711 euros", "117 kg", "12 euros"):
        if found in shown:
            return f"{found} [1]"
    return "Not in the documents."


@pytest.fixture
def engine():
    return ScriptedEngine(script, context_tokens=4096)


def _open(folder, serve=None, documents=None, model=None, sources=None, login=None):
    values = {
        "sources": sources or {},
        "serve": {"port": 0, **(serve or {})},
        "documents": {"labels": ["hr/** = hr"], "workers": 1, **(documents or {})},
        "model": model or {},
        "login": login or {},
        "answer": {"second_reader": "none"},  # what the scripted engine says is what is looked at
    }
    project = Project(folder, make_settings(values, "test"))
    project.__dict__["embedder"] = HashEmbedder()
    return project


@pytest.fixture(scope="session")
def open_project():
    """Opens the project in a folder, with `[serve]`, `[documents]`, `[model]` and `[login]` settings of its own."""
    return _open


@pytest.fixture(scope="session")
def ingested(tmp_path_factory):
    """A folder whose documents are in its library."""
    folder = tmp_path_factory.mktemp("ingested")
    for name, text in FILES.items():
        file = folder / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    lines = [json.dumps(question | {"answerable": True, "split": "test"}) for question in QUESTIONS]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    with _open(folder) as project:
        project.ingest()
    return folder


@pytest.fixture
def make_project(tmp_path, engine, monkeypatch, ingested):
    """Gives a project with `[serve]` and `[documents]` settings of its own; `empty`: without documents."""
    monkeypatch.setattr(Project, "_load_engine", lambda *_: engine)

    def make(empty=False, **settings):
        if not empty:
            shutil.copytree(ingested, tmp_path, dirs_exist_ok=True)
        return _open(tmp_path, **settings)

    return make


@pytest.fixture
def serve(make_project):
    """Starts a server and gives a client of it; all end with the test."""
    with ExitStack() as stack:

        def start(project=None, **settings):
            address = stack.enter_context(serve_project(project or make_project(**settings)))
            return stack.enter_context(httpx.Client(base_url=address, timeout=STATE_S))

        yield start


@pytest.fixture
def client(serve):
    """A client of a server without keys."""
    return serve()


@pytest.fixture(scope="session")
def free_port():
    """Gives a port that nobody listens at: a login's address has to be known before the server starts."""

    def find():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return taken.getsockname()[1]

    return find


@pytest.fixture
def add_key(tmp_path):
    """Makes a key and gives the header that carries it."""

    def add(name, *scopes, labels=()):
        return {
            "Authorization": f"Bearer {keys_of(tmp_path).add(name, scopes or ('ask',), labels)}"
        }

    return add
