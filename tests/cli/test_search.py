"""`acclimate compare --search` and `--minutes` without recipes, with a scripted model."""

import json

import pytest

from acclimate.cli.main import run
from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.testing.models import ScriptedEngine
from acclimate.workflows.search import FOUND
from acclimate.workflows.search_candidates import AS_IT_IS, candidates, together

WORDS = "amber birch cedar delta ember fjord grove heath islet jetty kelpy larch".split()


def say(messages):
    """Reads only the second passage, so that k = 1 is always wrong, and more than one passage always right."""
    text = messages[-1].content
    asked = text.rsplit("Question:", 1)[1].split()[-1].strip("?")
    return f"{asked}-town [2]" if "[2]" in text else "Not in the documents."


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    rows = []
    for number, word in enumerate(WORDS):
        (tmp_path / "docs" / f"{word}.md").write_text(
            f"# {word}\n\nThe seat of {word} is {word}-town.\n"
        )
        split = "dev" if number % 2 else "test"
        rows.append(
            {"id": word, "question": f"What is the seat of {word}?", "answers": [f"{word}-town"],
             "document": f"{word}.md", "evidence": f"The seat of {word} is {word}-town.", "split": split}
        )  # fmt: skip
    for n in range(6):  # ten questions at least are compared
        rows.append(
            {
                **rows[0],
                "id": f"more{n}",
                "question": f"Say, number {n}: what is the seat of amber?",
            }
        )
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run(["ingest", "docs"]) == 0
    engine = ScriptedEngine(say, name="scripted")
    monkeypatch.setattr(Project, "engine", lambda self, recipe=None: engine)
    monkeypatch.setenv("ACCLIMATE_RETRIEVAL__K", "1")
    monkeypatch.setenv("ACCLIMATE_ANSWER__SECOND_READER", "none")
    capsys.readouterr()
    return tmp_path


def test_the_choice_is_made_on_dev_and_tested_once(folder, capsys):
    assert run(["compare", "--search", "--minutes", "5", "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert {question["split"] for question in result["questions"]} == {"test"}
    by_name = {row["recipe"]: row["summary"]["f1"] for row in result["rows"]}
    assert by_name == {FOUND: 1.0, AS_IT_IS: 0.0}
    assert "[retrieval]\nk = " in printed.err
    assert "chosen among" in result["notes"][0]
    assert (
        run(["compare", "--search", "--minutes", "5", "--json"]) == 0
    )  # from the trace: no answer is given twice
    assert json.loads(capsys.readouterr().out)["rows"] == result["rows"]


def test_candidates_begin_with_the_project_as_it_is(folder):
    with Project.open(folder) as project:
        names = list(candidates(project, "rag"))
    assert names[0] == AS_IT_IS
    assert {"rag k=2", "rag method=text", "rag+cot"} <= set(names)
    assert "rag+few-shot" not in names  # nothing is solved


def test_minutes_alone_take_the_usual_recipes_that_fit(folder, capsys, monkeypatch):
    with Project.open(folder) as project:
        planned = project.plan_comparison(minutes=20).optional
        assert planned == ("rag", "zero-shot", "rag+cot", "cot", "stuffing")
    assert run(["compare", "--minutes", "1", "--json"]) == 0
    printed = capsys.readouterr()
    recipes = [row["recipe"] for row in json.loads(printed.out)["rows"]]
    assert {"rag", "zero-shot"} <= set(recipes)
    assert "about" in printed.err
    assert "tokens" in printed.err
    assert (
        "a score is known to ±" in printed.err
    )  # what so many questions can tell, before they are asked


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(["zero-shot"], "retrieves nothing"), (["rag", "cot"], "begins with one recipe")],
)
def test_a_search_that_makes_no_sense_is_refused(folder, capsys, arguments, part):
    assert run(["compare", "--search", *arguments]) == 2
    assert part in capsys.readouterr().err


def test_candidates_have_chunks_styles_where_they_can_be_told_and_models(folder):
    with Project.open(folder) as project:
        names = set(candidates(project, "rag", "facts", ["default", "qwen2.5-coder-0.5b-instruct"]))
        assert {"rag chunking.max_tokens=100", "rag chunking.method=sections"} <= names
        assert {"rag+full", "rag @qwen2.5-coder-0.5b-instruct"} <= names
        assert not [name for name in names if "@default" in name]
        plain = set(candidates(project, "rag", "f1", chunking=False))
        assert "rag+full" not in plain
        assert not [name for name in plain if "chunking" in name]


def test_what_was_good_alone_is_tried_together(folder):
    with Project.open(folder) as project:
        tried = candidates(project, "rag", "facts", ["other"])
        base = tried[AS_IT_IS].wanted
        means = {AS_IT_IS: 0.3, "rag k=2": 0.5, "rag k=8": 0.4, "rag @other": 0.6, "rag+cot": 0.2}
        both = together(base, tried, means)
        assert list(both) == ["rag k=2 @other"]
        (one,) = both.values()
        assert (one.wanted.changed, one.wanted.model) == ({"retrieval": {"k": 2}}, "other")
        means |= {"rag+full": 0.9, "rag+cot": 0.9, "rag chunking.max_tokens=100": 0.9}
        every = together(base, tried, means)
        assert len(every) == 6
        # Full answers show no reasoning, so these two are never together.
        assert not [name for name in every if "cot" in name and "full" in name]
        assert next(iter(every.values())).chunking == {"max_tokens": 100}


def test_money_is_kept_to_and_other_chunks_that_lose_go(folder):
    with Project.open(folder) as project:
        model = project.settings.model.model_copy(update={"prompt_price": 1e6, "answer_price": 0.0})
        priced = project.sharing(project.settings.model_copy(update={"model": model}))
        with pytest.raises(SettingsError, match="of money were enough for 1 questions"):
            priced.search("rag", minutes=5, money=1e-9)
        searched = priced.search("rag", minutes=5, money=1e9)
        assert 0 < searched.found.cost < 1e9
        assert "chunking.max_tokens" in str(list(searched.found.scores))
        assert [*project.layout.searches.iterdir()] == []
        served = model.model_copy(update={"engine": "openai", "prompt_price": None})
        unpriced = project.sharing(project.settings.model_copy(update={"model": served}))
        with pytest.raises(SettingsError, match="has no prices"):
            unpriced.search("rag", minutes=5, money=1.0)
