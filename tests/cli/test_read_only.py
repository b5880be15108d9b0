"""A project that cannot be written answers; what has to write says which path it cannot.

Root may write everywhere: its children give that right up first, so that the folders' modes count for them too.
"""

import json
import os
import shutil
import stat
import subprocess
import sys

import httpx
import pytest

from acclimate.indexes.database import Database
from acclimate.indexes.record import Record
from acclimate.indexes.schema import VERSION
from acclimate.models.store import cache_folder

_DROP, _RIGHTS = 24, (1, 2, 3)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
NOWHERE = "http://127.0.0.1:9"  # the port of the discard service, which nobody runs
QUESTIONS = [("a", "How heavy is the pump?", "98 kg"), ("b", "Where is the pump made?", "Oslo")]


# Gives the rights up, and then becomes the program that stands behind it.
CHILD = f"""
import ctypes, os, sys
if os.geteuid() == 0:
    library = ctypes.CDLL(None, use_errno=True)
    for right in {_RIGHTS}:
        if library.prctl({_DROP}, right, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "rights cannot be given up")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def start(folder, *command, **options):
    program = [sys.executable, "-c", CHILD, *command]
    return subprocess.Popen(program, cwd=folder, text=True, encoding="utf-8", **options)


def call(folder, *arguments, stdin="", **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(folder, "-m", "acclimate", *arguments, **pipes, **options) as program:
        out, err = program.communicate(stdin, timeout=300)
    assert "Traceback" not in err
    return program.returncode, out, err


def forbid(folder):
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)


def allow(folder):
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def contents(folder):
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


def ingest(folder):
    (folder / "docs").mkdir()
    (folder / "docs" / "pump.md").write_text(
        "# Pump\n\nThe Fjell pump weighs 98 kg and is made in Oslo.\n"
    )
    rows = [
        {"id": i, "question": q, "answers": [a], "document": "pump.md", "split": "test"}
        for i, q, a in QUESTIONS
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert call(folder, "ingest", "docs")[0] == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A read-only project."""
    made = tmp_path_factory.mktemp("only") / "project"
    made.mkdir()
    ingest(made)
    forbid(made)
    yield made
    allow(made)


def test_it_answers_and_changes_nothing(folder):
    before = contents(folder)
    code, out, _ = call(folder, "ask", "How heavy is the pump?")
    assert (code, out.split(" [")[0]) == (0, "98 kg")
    code, out, _ = call(folder, "chat", stdin="How heavy is the pump?\nWhere is it made?\n\n")
    assert (code, "98 kg" in out, "Oslo" in out) == (0, True, True)
    assert call(folder, "questions", "show")[0] == 0
    assert contents(folder) == before
    with start(folder, "-c", "open('x', 'w')", stderr=subprocess.PIPE) as program:
        assert "PermissionError" in program.communicate()[1]  # else all of this would prove nothing


def test_doctor_says_it_once(folder):
    code, out, _ = call(folder, "doctor", "--json")
    said = [
        (one["state"], one["detail"]) for one in json.loads(out) if "read-only" in one["detail"]
    ]
    assert (code, [state for state, _ in said]) == (0, ["warning"])
    assert str(folder / ".acclimate") in said[0][1]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["ingest"], ".acclimate/ingest.lock"),
        (["doctor", "--repair"], ".acclimate/indexes"),
        (["questions", "add", "Who made it?"], ".acclimate/questions.lock"),
        (["questions", "split", "--again"], ".acclimate/questions.lock"),
        (["compare", "zero-shot", "--limit", "1"], ".acclimate/"),
        (["keys", "add", "ann"], ".acclimate/keys.lock"),
        (["export", "rag", "out", "--to", "peft"], ".export-"),
    ],
    ids=" ".join,
)
def test_what_has_to_write_names_the_path(folder, arguments, path):
    code, _, err = call(folder, *arguments)
    assert (code, path in err, "repair: " in err) == (1, True, True), err


def test_it_is_served_and_uploads_are_refused(folder):
    with start(
        folder,
        "-m",
        "acclimate",
        "serve",
        "--port",
        "0",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        address = server.stdout.readline().strip()
        asked = {
            "model": "rag",
            "messages": [{"role": "user", "content": "How heavy is the pump?"}],
        }
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            answer = client.post("/v1/chat/completions", json=asked)
            assert answer.json()["choices"][0]["message"]["content"].startswith("98 kg")
            files = {"file": ("new.md", b"# New\n\nText.\n")}
            refused = client.post("/v1/documents", files=files)
            assert 400 <= refused.status_code < 600
            assert "error" in refused.json()
            assert client.get("/healthz").json() == {"status": "ok"}
        server.terminate()
        _, err = server.communicate(timeout=120)
    assert err.count("audit.log cannot be written") == 1
    assert "Traceback" not in err
    assert "Logging error" not in err


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(folder, tmp_path):
    """Also where the models are there, but nothing was prepared of them yet."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(cache_folder() / "models", target_is_directory=True)
    cache.chmod(0o555)
    environment = {**os.environ, "ACCLIMATE_CACHE": str(cache), "HF_ENDPOINT": NOWHERE}
    code, _, err = call(folder, "ask", "How heavy is the pump?", env=environment)
    assert (code, f"the cache {cache} cannot be written" in err) == (1, True), err
    assert "set ACCLIMATE_CACHE to a folder of yours" in err
    (one,) = (
        one
        for one in json.loads(call(folder, "doctor", "--json", env=environment)[1])
        if one["check"] == "cache"
    )
    assert (one["state"], "ACCLIMATE_CACHE" in one["repair"]) == ("warning", True)


def test_a_model_for_a_cache_that_cannot_be_written_is_not_fetched(folder, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o555)
    environment = {**os.environ, "ACCLIMATE_CACHE": str(cache), "HF_ENDPOINT": NOWHERE}
    code, _, err = call(folder, "models", "fetch", "smollm2-135m-instruct", env=environment)
    assert (code, f"the cache {cache} cannot be written" in err) == (1, True), err
    assert list(cache.iterdir()) == []


def test_what_a_killed_writer_left_is_read(tmp_path):
    """Committed, but not yet moved from the file beside the database into it."""
    ingest(tmp_path)
    kill = (
        "import os, sys; from pathlib import Path; from acclimate.indexes.record import Record;"
        "from acclimate.indexes.database import Database;"
        "record = Record(Database(Path('.acclimate/library.db')));"
        "record.ingests.add_seconds(1000); os._exit(0)"
    )
    with start(tmp_path, "-c", kill) as program:
        assert program.wait() == 0
    assert (tmp_path / ".acclimate" / "library.db-wal").stat().st_size
    forbid(tmp_path)
    look = "from pathlib import Path; from acclimate.indexes.record import Record;"
    look += "from acclimate.indexes.database import Database;"
    look += "print(Record(Database(Path('.acclimate/library.db'))).ingests.seconds > 1000)"
    with start(tmp_path, "-c", look, stdout=subprocess.PIPE) as program:
        assert program.communicate()[0].strip() == "True"
    assert call(tmp_path, "ask", "How heavy is the pump?")[0] == 0
    allow(tmp_path)


def test_indexes_that_would_have_to_be_built_are_told(tmp_path):
    ingest(tmp_path)
    shutil.rmtree(tmp_path / ".acclimate" / "indexes")
    forbid(tmp_path)
    code, _, err = call(tmp_path, "ask", "How heavy is the pump?")
    assert (code, "the indexes must be built first" in err) == (1, True)
    allow(tmp_path)


def test_an_older_format_is_told(tmp_path):
    with_record = Record(Database(tmp_path / "library.db"))
    with_record.database.execute("PRAGMA user_version = 3")
    with_record.close()
    forbid(tmp_path)
    code = "from pathlib import Path; from acclimate.indexes.database import Database; Database(Path('library.db'))"
    with start(tmp_path, "-c", code, stderr=subprocess.PIPE) as program:
        assert f"its format 3 must become {VERSION} first" in program.communicate()[1]
    allow(tmp_path)


def test_a_graph_is_read_only_too(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "# Fjell Works\n\nAda Holm leads Fjell Works in Oslo.\n"
    )
    settings = '[documents]\npath = "docs"\n[retrieval]\ngraph = "rules"\n'
    (tmp_path / "acclimate.toml").write_text(settings)
    assert call(tmp_path, "ingest")[0] == 0
    forbid(tmp_path)
    assert call(tmp_path, "ask", "Who leads Fjell Works?")[1].startswith("Ada Holm")
    allow(tmp_path)
