"""Which recipes have the extractor read beside the model, and whose answers are taken for whose."""

import pytest

from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.testing.models import ScriptedEngine
from acclimate.workflows.stage import make_entry


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "care.md").write_text(
        "# Care\n\nThe oil is due in May. The pump is blue.\n"
    )
    with Project.create(tmp_path, tmp_path / "docs") as project:
        project.ingest()
    engine = ScriptedEngine(lambda messages: "the moon [1]", name="scripted")
    monkeypatch.setattr(Project, "engine", lambda self, recipe=None: engine)
    return tmp_path


def weighs(folder, recipe="rag", **options):
    with Project.open(folder) as project:
        return project.answerer(recipe, **options).second_reader is not None


def test_the_extractor_reads_what_the_shipped_reader_reads(folder, monkeypatch):
    with Project.open(folder) as project:
        answer = project.answer("When is the oil due?")
    # The last word is not with a model that says what stands nowhere.
    assert (answer.text, answer.abstained) == ("May", False)
    assert "the extractor gives" in answer.decision
    assert weighs(folder)
    assert not any(
        weighs(folder, recipe) for recipe in ("zero-shot", "stuffing", "rag+cot", "extract")
    )
    schema = {"type": "object", "properties": {"month": {"type": "string"}}}
    assert weighs(folder, schema=schema), "JSON is filled from the plain answer"
    with monkeypatch.context() as changed:
        changed.setenv("ACCLIMATE_ANSWER__JSON_BY", "model")
        assert not weighs(folder, schema=schema)
    monkeypatch.setenv("ACCLIMATE_ANSWER__SECOND_READER", "none")
    assert not weighs(folder)


@pytest.mark.parametrize(
    ("size_class", "text"),
    [("tiny", "May"), ("small", "May"), ("medium", "the moon"), ("large", "the moon")],
)
def test_beside_a_model_without_an_adapter_its_class_decides(folder, monkeypatch, size_class, text):
    # "the moon" stands in no passage: only a model that writes well is believed.
    monkeypatch.setattr("acclimate.workspace.style.class_of", lambda workspace: size_class)
    monkeypatch.setenv("ACCLIMATE_MODEL__ADAPTER", "none")
    assert weighs(folder, style="short") is (size_class != "large")
    with Project.open(folder) as project:
        assert project.answer("When is the oil due?", style="short").text == text
        first = make_entry(project, find_recipe("rag")).key
    monkeypatch.setattr("acclimate.workspace.style.class_of", lambda workspace: "large")
    with Project.open(folder) as project:
        assert (make_entry(project, find_recipe("rag")).key == first) is (size_class == "large")


def test_answers_of_one_reader_are_not_taken_for_those_of_two(folder, monkeypatch):
    keys = []
    for value in ("auto", "none"):
        monkeypatch.setenv("ACCLIMATE_ANSWER__SECOND_READER", value)
        with Project.open(folder) as project:
            keys += [
                make_entry(project, find_recipe(recipe)).key for recipe in ("rag", "zero-shot")
            ]
    assert keys[0] != keys[2]
    assert keys[1] == keys[3]  # which reads nothing
