"""A project's few-shot recipes and `auto`, with the default model."""

import json

import pytest

from acclimate.errors import SettingsError
from acclimate.indexes.filters import Filter
from acclimate.project import Project
from acclimate.prompting.demonstrations import (
    Demonstration,
    read_demonstrations,
    write_demonstrations,
)
from acclimate.prompting.recipes import find_recipe
from acclimate.workspace.answerer import open_answerer
from acclimate.workspace.demonstrations import bootstrapped, chosen_file, demonstrate

FACTS = {
    "museum": ("It opened in 1931.", "When did the museum open?", "1931"),
    "bridge": ("It is 512 metres long.", "How long is the bridge?", "512 metres"),
    "lake": ("It is 40 metres deep.", "How deep is the lake?", "40 metres"),
    "tower": ("It was built by Ada Holm.", "Who built the tower?", "Ada Holm"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("p")
    (folder / "documents").mkdir()
    rows = []
    for name, (text, question, answer) in FACTS.items():
        (folder / "documents" / f"{name}.md").write_text(
            f"# The {name}\n\n{text} It stands in the town of Moss.\n"
        )
        row = {
            "id": name,
            "question": question,
            "answers": [answer],
            "document": f"{name}.md",
            "evidence": text,
        }
        rows.append(json.dumps(row | {"split": "test" if name == "tower" else "train"}))
    wrong = {
        "id": "wrong",
        "question": "Where does the lake stand?",
        "answers": ["on Mars"],
        "document": "lake.md",
    }
    rows.append(
        json.dumps(wrong | {"split": "train", "evidence": "It stands in the town of Moss."})
    )
    (folder / "questions.jsonl").write_text("\n".join(rows))
    with Project.create(folder, folder / "documents") as opened:
        opened.ingest()
        yield opened


def shown(project, recipe, where=(), question="Who built the tower?"):
    filter_ = Filter.parse(where, None)
    return {
        one.question: one
        for one in demonstrate(project, find_recipe(recipe), filter_, open_answerer)(question)
    }


def test_fixed_examples_are_the_first_until_others_are_chosen(project):
    first = shown(project, "rag+few-shot-fixed")
    assert list(first) == [FACTS[name][1] for name in ("museum", "bridge", "lake")] + [
        "Where does the lake stand?"
    ]
    assert first[FACTS["lake"][1]].answer == "40 metres [1]"
    assert "40 metres deep" in first[FACTS["lake"][1]].hits[0].chunk.text
    file = chosen_file(project, find_recipe("rag+few-shot-fixed"))
    chosen = [first[FACTS["lake"][1]], Demonstration("Say yes.", "yes")]
    write_demonstrations(file, chosen)
    assert read_demonstrations(file) == chosen
    assert list(shown(project, "rag+few-shot-fixed").values()) == chosen
    assert list(shown(project, "rag+few-shot-fixed", question="Say yes.")) == [FACTS["lake"][1]]
    assert list(shown(project, "rag+few-shot-fixed", ["path=museum.md"])) == ["Say yes."]
    file.write_text("no\n")
    with pytest.raises(SettingsError, match="line 1"):
        shown(project, "rag+few-shot-fixed")
    file.unlink()


def test_the_model_shows_what_it_solved_itself_and_nothing_else(project):
    own = shown(project, "rag+few-shot-bootstrapped")
    assert {FACTS["museum"][1], FACTS["lake"][1]} <= set(own)
    assert "Where does the lake stand?" not in own
    museum = own[FACTS["museum"][1]]
    assert museum.answer == "1931 [1]"
    assert museum.hits[0].chunk.document == "museum.md"
    calls = project.engine("rag").generate
    project.engine("rag").generate = None  # kept: the model is not asked again
    assert bootstrapped(
        project,
        find_recipe("rag+few-shot-bootstrapped"),
        project.settings.answer.shots,
        open_answerer,
    )
    project.engine("rag").generate = calls
    assert set(shown(project, "rag+few-shot-bootstrapped", ["path=lake.md"])) <= {FACTS["lake"][1]}
    assert len(shown(project, "rag+few-shot")) == 4


def test_examples_reach_the_prompt(project):
    answer = project.answer("Who built the tower?", recipe="rag+few-shot-bootstrapped")
    turns = [message for message in answer.prompt.messages if message.role == "assistant"]
    assert turns
    assert all(turn.content.endswith("[1]") for turn in turns)


def test_auto_stuffs_what_fits_and_says_why(project):
    answer = project.answer("Who built the tower?", recipe="auto")
    assert answer.recipe == "stuffing"
    assert answer.decision.startswith("stuffing: all documents (4, of ")
    assert "reads well" in answer.decision
    assert len(answer.prompt.passages) == 4
    assert "Ada Holm" in answer.text


def test_auto_searches_what_does_not(project, monkeypatch):
    monkeypatch.setattr("acclimate.retrieval.documents._READER_TOKENS", 60)
    answer = project.answer("Who built the tower?", recipe="auto")
    assert (answer.recipe, answer.decision.split(":")[0]) == ("rag", "rag")
    assert "60 tokens" in answer.decision


def test_recipes_tell_their_examples_apart():
    assert find_recipe("cot+few-shot-bootstrapped").few_shot
    assert find_recipe("rag+few-shot-fixed").plain.name == "rag"
    assert find_recipe("few-shot").plain.name == "zero-shot"
    for wrong in (
        "few-shot+few-shot-fixed",
        "few-shot-fixed+cot",
        "auto+rag",
        "zero-shot-cot+few-shot-bootstrapped",
    ):
        with pytest.raises(SettingsError):
            find_recipe(wrong)
