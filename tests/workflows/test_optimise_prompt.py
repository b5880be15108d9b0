"""Choosing a prompt on the dev split, with a model whose answers depend on the prompt."""

import json
from dataclasses import replace

import pytest

from acclimate.cli.main import run
from acclimate.errors import SettingsError
from acclimate.evaluation.halving import Budget
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.openai_server import serve_chat
from acclimate.workflows.optimise_prompt import AS_IT_IS, make_candidates, optimise_recipe
from acclimate.workflows.reflect import instruction_of, with_instruction

NUMBERS = range(30)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Facts about thirty houses; the model answers right only where its instruction says "quoting"."""
    (tmp_path / "documents").mkdir()
    rows = []
    for n in NUMBERS:
        (tmp_path / "documents" / f"house-{n}.md").write_text(
            f"# House {n}\n\nHouse {n} has {n + 7} rooms.\n"
        )
        split = "train"
        if n >= 8:
            split = "dev" if n < 24 else "test"
        row = {
            "id": f"h{n}",
            "question": f"How many rooms has house {n}?",
            "answers": [f"{n + 7} rooms"],
        }
        rows.append(
            json.dumps(
                row | {"document": f"house-{n}.md", "evidence": f"{n + 7} rooms", "split": split}
            )
        )
    (tmp_path / "questions.jsonl").write_text("\n".join(rows))

    def script(messages):
        number = int(messages[-1].content.split()[-1].rstrip("?"))
        well = "quoting" in messages[0].content or len(messages) > 2
        return f"{number + 7} rooms" if well or number < 4 else "Not in the documents."

    engine = ScriptedEngine(script, 4000)
    real = Project.engine  # of a server's model
    monkeypatch.setattr(
        Project,
        "engine",
        lambda self, recipe=None: (
            real(self, recipe) if self.settings.model.engine == "openai" else engine
        ),
    )
    monkeypatch.setenv("ACCLIMATE_ANSWER__SECOND_READER", "none")
    with Project.create(tmp_path, tmp_path / "documents") as opened:
        settings = opened.settings
        opened.settings = settings.model_copy(
            update={"retrieval": settings.retrieval.model_copy(update={"method": "text"})}
        )
        opened.ingest()
        opened.scripted = engine
        yield opened


def test_the_better_prompt_is_found_written_and_used(project):
    done = optimise_recipe(project, "rag", budget=Budget(calls=200))
    assert done.taken
    assert done.found.calls <= 200
    assert done.gain.interval.mean > 0.9
    assert done.gain.p < 0.01
    with Project.open(project.folder) as after:
        assert after.settings.answer.recipe == done.use
        answerer = after.answerer()
        answer = answerer.answer("How many rooms has house 20?")
    assert answer.text == "27 rooms"
    lines = [json.loads(line) for line in done.trace.read_text().splitlines()]
    tried = {row["item"] for row in lines if "item" in row}
    assert tried <= {f"h{n}" for n in range(8, 24)}
    assert AS_IT_IS in {row["candidate"] for row in lines if "item" in row}


def test_the_test_split_is_never_asked(project):
    asked = []
    generate = project.scripted.generate

    def listening(messages, *rest, **named):
        asked.append(messages[-1].content)
        return generate(messages, *rest, **named)

    project.scripted.generate = listening
    optimise_recipe(project, "rag", budget=Budget(calls=120))
    assert asked
    assert not any(f"house {n}?" in text for text in asked for n in range(24, 30))
    with pytest.raises(SettingsError, match="'test'"):
        optimise_recipe(project, "rag", split="test", budget=Budget())


def test_a_search_goes_on_where_it_was_stopped(project):
    calls = []

    def stop(trial, planned):
        calls.append(trial)
        if len(calls) == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise_recipe(project, "rag", budget=Budget(calls=150), on_trial=stop)
    done = optimise_recipe(
        project,
        "rag",
        budget=Budget(calls=150),
        on_trial=lambda trial, planned: calls.append(trial),
    )
    assert len({(one.candidate, one.item) for one in calls}) == len(calls) == done.found.calls


def test_a_gain_that_may_be_luck_is_not_taken_and_the_users_wording_is_a_variant(project):
    own = project.folder / "templates"
    own.mkdir()
    (own / "rag.txt").write_text("--- system\nquoting\n--- user\n{{passages}}\n{{question}}")
    (own / "rag.mine.txt").write_text("--- system\nplain\n--- user\n{{passages}}\n{{question}}")
    names = [one.name for one in make_candidates(project, find_recipe("rag"))[0]]
    assert names[0] == AS_IT_IS
    assert "rag.mine, no examples" in names
    assert "rag, no examples" not in names
    done = optimise_recipe(project, "rag", budget=Budget(calls=200))
    assert (done.taken, done.gain, done.use, done.written) == (False, None, "rag", ())
    assert "recipe =" not in [
        line for line in project.file.read_text().splitlines() if not line.startswith("#")
    ]


def test_nothing_is_lost_of_a_template_that_is_replaced(project):
    own = project.folder / "templates"
    own.mkdir()
    (own / "rag.txt").write_text("--- system\nplain\n--- user\n{{passages}}\n{{question}}")
    (own / "rag.aaa.txt").write_text(
        "--- system\nquoting well\n--- user\n{{passages}}\n{{question}}"
    )
    project.settings = project.settings.model_copy()
    questions = [
        replace(one, split="other") if one.split == "train" else one for one in project.questions()
    ]
    project.questions = lambda: questions
    done = optimise_recipe(project, "rag", budget=Budget(calls=200))
    assert done.taken
    assert "no train questions" in done.notes[0]
    assert "plain" in (own / "rag.before.txt").read_text()
    assert "quoting" in (own / "rag.txt").read_text()


def test_the_command_names_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert run(["init", "docs"]) == 0
    assert run(["optimise", "--split", "test"]) == 2
    assert "Choose on dev" in capsys.readouterr().err
    assert run(["optimise", "--calls", "9"]) == 2
    assert "no question of the split 'dev'" in capsys.readouterr().err


WELL = 'Answer by quoting the passages, with [2], or reply "Not in the documents."'


def test_a_stronger_model_proposes_instructions_from_train_questions(project, capsys):
    replies = iter(
        [f"It is too shy.\n===\n{WELL}", "No rule.", "x\n===\nBe brief.", "===\n--- user\nx"]
    )
    strong = ScriptedEngine(lambda messages: next(replies), 8000)
    with serve_chat(strong) as server:
        spec = f"{server.url}#strong"
        done = optimise_recipe(project, "rag", budget=Budget(calls=200), reflect_by=spec)
        assert len(server.requests) == 4
        again = optimise_recipe(project, "rag", budget=Budget(calls=200), reflect_by=spec)
        assert len(server.requests) == 4  # what was said is kept
    shown = "\n".join(body["messages"][-1]["content"] for body in server.requests)
    assert "How many rooms has house 3?" in shown
    assert "Score: 100 of 100" in shown
    assert "Score: 0 of 100" in shown
    for n in range(8, 30):  # neither dev nor test
        assert f"house {n}?" not in shown
    scores = done.found.scores["rag.reflected-1, no examples"]
    assert set(scores.values()) == {1.0}
    assert [note for note in done.notes if "reflected-2" in note and "did not write" in note]
    assert [note for note in done.notes if "reflected-3" in note and "lost" in note]
    assert [note for note in done.notes if "reflected-4" in note and "more than" in note]
    assert again.found.scores.keys() >= {"rag.reflected-1, no examples"}


def test_only_the_instruction_of_a_template_changes():
    text = "# why\n--- system\nOld.\n--- user\n{{passages}}\n\nQuestion: {{question}}\n"
    assert with_instruction(text, "New.") == text.replace("Old.", "New.")
    bare = "# why\n--- user\n{{question}}\n"
    changed = with_instruction(bare, "New.")
    assert changed == "# why\n--- system\nNew.\n--- user\n{{question}}\n"
    assert instruction_of(changed) == "New."


def test_reflection_needs_train_questions_and_a_model(project):
    with pytest.raises(SettingsError, match="does not say which of the server's models"):
        optimise_recipe(
            project, "rag", budget=Budget(calls=200), reflect_by="http://127.0.0.1:9/v1"
        )
