"""`acclimate questions` as a user meets it: made, imported, reviewed, split, shown."""

import io
import json

import pytest

from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.questions.file import read_questions
from acclimate.workflows.questions import find_leaks, write_learnt
from acclimate.workspace.engine import shipped_adapter

from .commands import call

PRICES = """# Price list

| Article | Price | Weight |
| --- | --- | --- |
| Aura six | 64,900 | 98 kg |
| Aura nine | 78,500 | 117 kg |
| Snow cover | 3,150 | 9 kg |
"""
BRIDGE = """# The Sundvik bridge

The Sundvik bridge is 512 metres long and was opened in 1968. It was designed by the engineer Ada Holm and crosses the
Moss fjord. Cars pay a toll of 40 kroner, and cyclists cross for free. It is painted every nine years.
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "prices.md").write_text(PRICES)
    (tmp_path / "docs" / "museum.md").write_text(
        "# The museum\n\nIt opened in 1931. It was designed by Ada Holm.\n"
    )
    assert call(capsys, "ingest", "docs")[0] == 0
    return tmp_path


def rows(folder):
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]


def test_made_by_rule_with_places_then_reviewed(folder, capsys, monkeypatch):
    made = [
        "questions",
        "make",
        "--writer",
        "rules",
        "--unchecked",
        "--kind",
        "table",
        "--count",
        "3",
    ]
    code, out, err = call(capsys, *made)
    assert (code, out) == (0, "3 questions kept (3 table) of 3 drafts.\n")
    assert "table: What is the" in err
    text = (folder / "docs" / "prices.md").read_text()
    for row in rows(folder):
        (place,) = row["source"]["places"]
        assert text[place["start"] : place["end"]] == row["evidence"]
        assert row["answers"][0] in row["evidence"]
        assert row["split"]
    call(capsys, *made)
    assert len({row["question"] for row in rows(folder)}) == 6

    monkeypatch.setattr("sys.stdin", io.StringIO("a\nr\ne\nWhat is the price?\n1 | 2\nq\n"))
    code, out, _ = call(capsys, "questions", "review")
    assert code == 0
    assert "3 questions are left to review." in out
    first, second, third, *others = rows(folder)
    assert [row["status"] for row in (first, second, third)] == ["accepted", "rejected", "accepted"]
    assert (third["question"], third["answers"]) == ("What is the price?", ["1", "2"])
    assert all(not row["status"] for row in others)
    assert second["id"] not in {
        question.id for question in read_questions(folder / "questions.jsonl")
    }


def test_the_default_model_writes_with_the_adapter_that_ships(folder, capsys):
    (folder / "docs" / "bridge.md").write_text(BRIDGE)
    assert call(capsys, "ingest")[0] == 0
    code, _, _ = call(capsys, "questions", "make", "--kind", "single-fact", "--count", "2")
    assert (code, len(rows(folder))) == (0, 2)
    for row in rows(folder):
        assert row["source"]["writer"] == "smollm2-135m-instruct+smollm2-135m-writer"
        assert row["answers"][0] in row["evidence"]


@pytest.mark.parametrize(
    ("setting", "value"), [("ADAPTER", "none"), ("NAME", "another"), ("ENGINE", "openai")]
)
def test_no_other_model_wears_that_adapter(folder, monkeypatch, setting, value):
    monkeypatch.setenv(f"ACCLIMATE_MODEL__{setting}", value)
    with Project.open(folder) as project:
        assert shipped_adapter(project.settings.model, "writer") is None


def test_imported_typed_split_and_shown(folder, capsys):
    (folder / "mine.csv").write_text(
        "question,answer,document\nWho designed the museum?,Ada Holm,museum.md\n"
    )
    assert call(capsys, "questions", "import", "mine.csv")[1] == "1 questions added.\n"
    assert (
        call(capsys, "questions", "import", "mine.csv")[1]
        == "0 questions added. 1 were in the set already.\n"
    )
    typed = [
        "questions",
        "add",
        "When did the museum open?",
        "--answer",
        "1931",
        "--document",
        "museum.md",
    ]
    assert call(capsys, *typed, "--evidence", "It opened in 1931.")[0] == 0
    assert call(capsys, *typed, "--evidence", "It opened in 2031.")[0] == 2
    assert "is in the set already" in call(capsys, *typed)[2]
    assert "no document 'x.md'" in call(capsys, "questions", "add", "Q?", "--document", "x.md")[2]

    code, out, _ = call(capsys, "questions", "split", "--shares", "0,0,100")
    assert code == 0
    assert "No leaks" in out
    assert {row["split"] for row in rows(folder)} == {"test"}
    assert call(capsys, "questions", "split", "--shares", "1,2")[0] == 2

    shown = json.loads(call(capsys, "questions", "show", "--json")[1])
    assert shown["splits"] == {"test": {"other": 1, "single-fact": 1}}
    assert [one["document"] for one in shown["documents"] if not one["questions"]] == ["prices.md"]
    assert "no question: prices.md" in call(capsys, "questions", "show")[1]


def test_what_an_adapter_learnt_is_not_asked_of_it(folder, capsys):
    (folder / "q.jsonl").write_text(
        json.dumps({"question": "Who designed the museum?", "answer": "Ada Holm"})
    )
    call(capsys, "questions", "import", "q.jsonl")
    call(capsys, "questions", "split", "--shares", "0,0,1")
    with Project.open(folder) as project:
        adapter = folder / "adapter"
        adapter.mkdir()
        assert find_leaks(project, project.questions(), [adapter]) == []
        write_learnt(adapter, project.questions())
        (leak,) = find_leaks(project, project.questions(), [adapter], train=False)
        assert leak.kind == "same question"


def test_errors_say_what_to_do(folder, capsys, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    code, _, err = call(capsys, "questions", "import", "x.json")
    assert code == 2
    assert "Known: CSV, JSON Lines or JSON with 'question'" in err
    (folder / "questions.jsonl").write_text("{}\n")
    code, _, err = call(capsys, "questions", "show")
    assert (code, "line 1: the key 'id' is missing" in err) == (SettingsError.exit_code, True)
