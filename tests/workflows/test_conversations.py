"""Questions with earlier turns: asked after them, kept apart from single ones, and learnt from as single ones."""

import json

import pytest

from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.questions.file import read_questions
from acclimate.settings import make_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine
from acclimate.workspace.workspace import alone

WEIGHTS = {"Fjell 9": "117 kg", "Fjell 12": "139 kg", "Brise 4": "31 kg"}
ROWS = [
    {
        "id": f"q{number}",
        "question": "And the Fjell 12?",
        "turns": [{"question": f"What does a {name} weigh?", "answer": WEIGHTS[name]}],
        "answers": ["139 kg"],
        "document": "Fjell 12.md",
        "split": "test",
        "rubric": ["It names a weight."],
    }
    for number, name in enumerate(("Fjell 9", "Brise 4"))
] + [
    {
        "id": "cost",
        "question": "And the Fjell 12?",
        "turns": [{"question": "What does a Fjell 9 cost?", "answer": "not said"}],
        "answers": [],
        "answerable": False,
        "split": "test",
    }
]


def say(messages):
    """Reads the passage of what is asked, and knows no costs."""
    asked = messages[-1].content.rsplit("Question:", 1)[-1]
    if "weigh" not in asked:
        return "Not in the documents."
    return next(weight for name, weight in WEIGHTS.items() if name in asked)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, weight in WEIGHTS.items():
        file = tmp_path / "documents" / f"{name}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# {name}\n\nThe {name} weighs {weight}.\n")
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    model = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1", "name": "scripted"}
    values = {
        "documents": {"workers": 1}, "model": model,
        "answer": {"second_reader": "none", "tables": "off"},
    }  # fmt: skip
    monkeypatch.setattr(Project, "_load_engine", lambda *_: ScriptedEngine(say, 4096))
    with Project(tmp_path, make_settings(values, "test"), embedder=HashEmbedder()) as made:
        made.ingest()
        yield made


def test_a_comparison_asks_after_the_turns_and_scores_as_ever(project):
    made = project.compare(["rag"])
    said = {one.question: one.answer for one in made.outcomes}
    assert said["q0"].asked == "What does a Fjell 12 weigh?"
    assert {name: answer.text for name, answer in said.items()} == {
        "q0": "139 kg", "q1": "139 kg", "cost": "Not in the documents.",
    }  # fmt: skip
    assert (
        made.rows[0].interval.mean == 1.0
    )  # the same words after other turns are another question
    (report,) = project.layout.comparisons.glob("*.html")
    assert "Asked after: “What does a Brise 4 weigh?”" in report.read_text()
    again = project.compare(["rag"])
    assert [one.answer for one in again.outcomes] == [one.answer for one in made.outcomes]


def test_what_learns_from_single_questions_gets_whole_ones(project):
    single = {one.id: one for one in project.single_questions()}
    assert single["q0"].question == "What does a Fjell 12 weigh?"
    assert single["q0"].turns == ()
    assert alone(single["q0"]) is single["q0"]


@pytest.mark.parametrize(
    "turns", ["before", ["before"], [{"question": "What?"}], [{"question": 1, "answer": []}]]
)
def test_turns_that_are_none_are_refused_with_their_line(tmp_path, turns):
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps(ROWS[0] | {"turns": turns}))
    with pytest.raises(SettingsError, match="line 1: 'turns'"):
        read_questions(file)
