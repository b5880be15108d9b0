"""Access labels, through a whole project: no way of prompting shows a document to one who lacks its label."""

import json

import pytest

from acclimate.errors import SettingsError
from acclimate.indexes.filters import Filter
from acclimate.project import Project
from acclimate.settings import load_settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine

SECRET = "4711"
QUESTION = "How much does the director earn?"
QUESTIONS = [
    {
        "id": "1",
        "question": "What does the director earn?",
        "answers": [SECRET],
        "document": "hr/pay.md",
        "evidence": f"{SECRET} euros",
    },
    {
        "id": "2",
        "question": "What does a pump cost?",
        "answers": ["900"],
        "document": "open.md",
        "evidence": "900",
    },
]


@pytest.fixture
def engine():
    return ScriptedEngine(lambda _: "Nothing.", context_tokens=4096)


@pytest.fixture(params=["hybrid", "dense", "text"])
def project(request, tmp_path, monkeypatch, engine):
    documents = tmp_path / "documents"
    (documents / "hr").mkdir(parents=True)
    (documents / "hr" / "pay.md").write_text(
        f"---\nstaffonly: yes\n---\n# Pay\n\nThe director earns {SECRET} euros.\n"
    )
    (documents / "open.md").write_text(
        "# Prices\n\nA pump costs 900 euros. What the director earns is not said.\n"
    )
    lines = [
        json.dumps(question | {"answerable": True, "split": "train"}) for question in QUESTIONS
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    settings = f'[documents]\nlabels = ["hr/** = hr"]\n[retrieval]\nmethod = "{request.param}"\n'
    (tmp_path / "acclimate.toml").write_text(settings)
    monkeypatch.setattr(Project, "_load_engine", lambda *_: engine)
    with Project(tmp_path, load_settings(tmp_path / "acclimate.toml")) as project:
        project.__dict__["embedder"] = HashEmbedder()
        project.ingest()
        yield project


@pytest.mark.parametrize("recipe", ["rag", "stuffing", "few-shot", "few-shot+rag", "cot+rag"])
def test_only_who_has_the_label_sees_the_document(project, engine, recipe):
    for labels, seen in (([], False), (["shop"], False), (["hr"], True), (None, True)):
        engine.prompts.clear()
        project.answer(QUESTION, recipe=recipe, where=Filter.parse([], labels))
        shown = " ".join(message.content for prompt in engine.prompts for message in prompt)
        assert engine.prompts
        assert (SECRET in shown) is seen, f"labels {labels}"


def test_a_condition_narrows_what_a_label_leaves(project):
    paths = {
        hit.chunk.document
        for hit in project.retrieve(QUESTION, where=Filter.parse(["path=hr/*"], ["hr"]))
    }
    assert paths == {"hr/pay.md"}
    assert project.retrieve(QUESTION, where=Filter.parse(["path=hr/*"], [])) == []


def test_a_refused_key_does_not_tell_of_documents_out_of_sight(project):
    with pytest.raises(SettingsError, match="no document has a 'colour'") as caught:
        project.retrieve(QUESTION, where=Filter.parse(["colour=red"], []))
    assert "staffonly" not in caught.value.hint
    with pytest.raises(SettingsError) as caught:
        project.retrieve(QUESTION, where=Filter.parse(["colour=red"]))
    assert "staffonly" in caught.value.hint
