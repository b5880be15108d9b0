"""`acclimate compare` over models, settings and other systems' answers, with scripted servers."""

import json
import os
import signal
import subprocess
import sys

import pytest

from acclimate.cli.main import run
from acclimate.retrieval.newest import NewestRetriever
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.openai_server import serve_chat

WORDS = "amber birch cedar delta ember fjord grove heath islet jetty kelpy larch".split()


def say(messages):
    """Reads the first passage; without one it guesses."""
    text = messages[-1].content
    asked = text.rsplit("Question:", 1)[1].split()[-1].strip("?")
    return f"{asked}-town [1]" if "[1]" in text else "a town"


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCLIMATE_ANSWER__SECOND_READER", "none")
    monkeypatch.setenv("ACCLIMATE_RETRIEVAL__K", "4")
    (tmp_path / "docs").mkdir()
    rows = []
    for word in WORDS:
        (tmp_path / "docs" / f"{word}.md").write_text(
            f"# {word}\n\nThe seat of {word} is {word}-town.\n"
        )
        rows.append(
            {"id": word, "question": f"What is the seat of {word}?", "answers": [f"{word}-town"],
             "document": f"{word}.md", "evidence": f"The seat of {word} is {word}-town.",
             "split": "test", "facts": [[f"{word}-town"]], "wrong": ["a town"]}
        )  # fmt: skip
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run(["ingest", "docs"]) == 0
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def servers():
    with (
        serve_chat(ScriptedEngine(say, 8192)) as good,
        serve_chat(ScriptedEngine(lambda _: "a town", 8192)) as bad,
    ):
        yield good, bad


def compare(capsys, *arguments):
    code = run(["compare", *arguments, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return json.loads(printed.out)


def test_recipes_meet_models_and_another_system_in_one_report(folder, servers, capsys, monkeypatch):
    good, bad = servers
    searched = []
    retrieve = NewestRetriever.retrieve
    monkeypatch.setattr(
        NewestRetriever,
        "retrieve",
        lambda self, query, k: searched.append((query, k)) or retrieve(self, query, k),
    )
    lines = [{"id": word, "answer": f"{word}-town", "citations": [f"{word}.md"]} for word in WORDS]
    (folder / "peer.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "checks.py").write_text(
        "def short(question, answer):\n    return len(answer.text.split()) < 3\n"
    )
    result = compare(
        capsys, "zero-shot", "rag", "rag[k=2]", "--model", f"{good.url}#good", "--model",
        f"{bad.url}#bad", "--answers", "peer.jsonl", "--metric", "full", "--check",
        "checks.py:short", "--check", "town=contains:-TOWN", "--gate", "rag[k=2]@good.full>=0.9",
        "--gate", "rag@bad.check:town<=0", "--parallel", "4",
    )  # fmt: skip
    rows = {row["recipe"]: row for row in result["rows"]}
    right = {"rag@good", "rag[k=2]@good", "peer"}
    assert set(rows) == {"zero-shot@good", "zero-shot@bad", "rag@bad", "rag[k=2]@bad", *right}
    assert {name: row["interval"]["mean"] for name, row in rows.items()} == {
        name: float(name in right) for name in rows
    }
    assert (rows["rag@good"]["parallel"], rows["peer"]["parallel"]) == (4, 1)
    # Each question is searched for once with each k, whatever recipes and models there are.
    assert sorted(searched) == sorted(
        (f"What is the seat of {word}?", k) for word in WORDS for k in (2, 4)
    )
    times = {one["recipe"]: one["answer"]["timings"]["retrieve_s"] for one in result["outcomes"]}
    assert min(times["rag@good"], times["rag@bad"]) > 0  # as if each had searched
    measures = {one["name"]: one for one in result["measures"]}
    assert measures["check:town"]["intervals"]["peer"]["mean"] == 1
    assert measures["check:short"]["n"] == len(WORDS)
    assert measures["wrong"]["intervals"]["rag@bad"]["mean"] == 1
    assert measures["facts"]["against"]["rag@bad"]["adjusted"] < 0.01
    again = len(good.requests)
    compare(capsys, "rag", "--model", f"{good.url}#good")
    assert len(good.requests) == again  # kept


def test_a_terminal_shows_settings_as_they_were_written(folder, servers, capsys, monkeypatch):
    """Square brackets are markup to rich, by which both would be called rag@good."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")  # bars too
    entries = [f"rag[k={k}]@{servers[0].url}#good" for k in (2, 3)]
    assert run(["compare", *entries]) == 0
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert "rag[k=2]@good" in text
        assert "rag[k=3]@good" in text
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["compare", *entries]) == 0
    assert "first token" in capsys.readouterr().out  # no figure is cut, names are folded
    monkeypatch.delenv("FORCE_COLOR")
    assert run(["compare", *entries]) == 0
    told = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in told[1:3]} == {"rag[k=2]@good", "rag[k=3]@good"}


def test_an_earlier_comparison_is_found_again_under_its_model(folder, servers, capsys):
    good, bad = servers
    base = "ACCLIMATE_MODEL__"
    os.environ |= {f"{base}ENGINE": "openai", f"{base}BASE_URL": bad.url, f"{base}NAME": "m"}
    try:
        compare(capsys, "rag")
    finally:
        for name in ("ENGINE", "BASE_URL", "NAME"):
            del os.environ[base + name]
    compare(capsys, "rag", "--model", f"{good.url}#m", "--against", "LAST")
    page = max((folder / ".acclimate" / "comparisons").glob("*.md")).read_text()
    assert "- rag@m since" in page
    assert "100 points" in page


def test_an_adapter_that_a_server_cannot_wear_is_left_out_and_told(folder, servers, capsys):
    code = run(["compare", "rag[kk=1]", "--json"])
    assert (code, "Did you mean" in capsys.readouterr().err) == (2, True)
    (folder / ".acclimate" / "adapters" / "mine").mkdir(parents=True)
    adapter = folder / ".acclimate" / "adapters" / "mine"
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    result = compare(
        capsys, "zero-shot@" + servers[0].url + "#good", "mine", "--model", f"{servers[1].url}#bad"
    )
    assert [row["recipe"] for row in result["rows"]] == ["zero-shot@good"]
    assert "mine@bad was left out" in result["notes"][0]


KILLED = """
import os, sys
from acclimate.cli.main import run
from acclimate.evaluation.cache import AnswerCache
kept, put = [], AnswerCache.put_all
def counted(self, answers, parallel=1):
    put(self, answers, parallel)
    kept.extend(answers)
    if len(kept) >= 9:
        print(len(kept), flush=True)
        os.kill(os.getpid(), 9)
AnswerCache.put_all = counted
sys.exit(run(sys.argv[1:]))
"""


def test_killed_it_goes_on_with_what_was_kept_of_all_entries(folder, servers, capsys):
    good, bad = servers
    command = ["compare", "zero-shot", "rag", "--model", f"{good.url}#good", "--model",
               f"{bad.url}#bad", "--parallel", "2"]  # fmt: skip
    line = [sys.executable, "-c", KILLED, *command]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    kept, asked = int(done.stdout), len(good.requests) + len(bad.requests)
    assert kept <= asked < 4 * len(WORDS)  # what was under way was lost
    result = compare(capsys, *command[1:])
    assert len(result["rows"]) == 4
    total = len(good.requests) + len(bad.requests)
    assert total - asked == 4 * len(WORDS) - kept


def test_only_questions_that_are_drawn_can_lack_an_answer(folder, servers, capsys):
    good, _ = servers
    model = f"{good.url}#good"
    first = compare(capsys, "rag", "--model", model, "--limit", "4")
    drawn = [one["id"] for one in first["questions"]]
    lines = [json.dumps({"id": one, "answer": f"{one}-town"}) for one in drawn[:3]]
    (folder / "li.jsonl").write_text("\n".join(lines))
    result = compare(capsys, "rag", "--model", model, "--answers", "li.jsonl", "--limit", "4")
    (note,) = [one for one in result["notes"] if "has no answer" in one]
    assert "no answer to 1 of 4 questions" in note
    assert drawn[3] in note
