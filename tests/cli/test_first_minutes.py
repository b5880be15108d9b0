"""A newcomer's first minutes: folders that are not there, names that do not exist, a library that is empty or half."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from acclimate.cli import try_
from acclimate.errors import nearest
from acclimate.files.places import as_typed
from acclimate.models.store import cache_folder
from acclimate.project import Project
from acclimate.types import Answer, Prompt, Question, Timings, Usage

from .commands import call

PUMP = "# Pumps\n\nThe pump Fjell 9 weighs 117 kg.\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    return tmp_path


def ingested(folder, capsys):
    (folder / "docs" / "pump.md").write_text(PUMP)
    assert call(capsys, "ingest", "docs")[0] == 0


@pytest.mark.parametrize("named", ["nowhere", "docs", "docs/../docs", "~/nowhere"])
def test_an_ingest_that_finds_nothing_leaves_nothing(folder, capsys, named):
    code, _, err = call(capsys, "ingest", named)
    assert code == 1
    assert "does not exist" in err or f"there is no document in {named}" in err
    assert [file.name for file in folder.iterdir()] == ["docs"]


def test_a_folder_whose_name_no_file_can_hold_is_refused(folder, capsys):
    named = os.fsdecode(b"caf\xe9")
    (folder / named).mkdir()
    (folder / named / "a.md").write_text(PUMP)
    code, _, err = call(capsys, "ingest", named)
    assert (code, "caf\\xe9 is not UTF-8" in err) == (1, True)
    assert not (folder / "acclimate.toml").exists()


def test_a_library_that_stays_empty_is_told(folder, capsys):
    os.mkfifo(folder / "docs" / "pipe.md")
    code, out, err = call(capsys, "ingest", "docs")
    assert code == 1
    assert out.startswith("0 documents in 0 chunks")
    assert "not read: pipe.md is a named pipe, not a file." in err
    assert "The library holds no documents: none of the files could be read." in err


def test_answers_tell_why_there_is_none(folder, capsys):
    os.mkfifo(folder / "docs" / "pipe.md")
    call(capsys, "ingest", "docs")
    code, out, err = call(capsys, "ask", "What does it weigh?")
    assert (code, out.strip()) == (0, "The library holds no documents.")
    assert "acclimate ingest" in err
    code, out, _ = call(capsys, "ask", "--json", "What does it weigh?")
    answer = json.loads(out)
    assert (answer["abstained"], answer["abstention"]) == (True, "empty_library")
    code, _, err = call(capsys, "compare", "rag")
    assert (code, "the library holds no documents" in err) == (1, True)

    ingested(folder, capsys)
    code, out, err = call(capsys, "ask", "--where", "path=other/*", "What does the pump weigh?")
    assert out.startswith("No document is left to answer from")
    assert "loosen --where or --label" in err
    found = {}
    for name, options in {"left": ["--where", "path=other/*"], "not": [], "held": []}.items():
        question = "What does Fjell 9 weigh?" if name == "held" else "Who is the queen of the moon?"
        found[name] = json.loads(call(capsys, "ask", "--json", *options, question)[1])["abstention"]
    assert found == {"left": "no_document_left", "not": "not_answered", "held": ""}
    _, out, err = call(capsys, "ask", "Who is the queen of the moon?")
    assert out.strip() == "Not in the documents."
    assert "(1 passage was found and read; no answer was found in it.)" in err


def findings(capsys):
    code, out, _ = call(capsys, "doctor", "--json")
    return code, [
        (one["state"], one["detail"])
        for one in json.loads(out)
        if one["check"] in ("library", "documents")
    ]


def test_doctor_sees_an_empty_and_a_half_library(folder, capsys):
    os.mkfifo(folder / "docs" / "pipe.md")
    call(capsys, "ingest", "docs")
    code, found = findings(capsys)
    assert code == 1
    assert ("failed", "the library holds no documents, and docs has 0 files") in found
    assert ("warning", "not read: pipe.md is a named pipe, not a file.") in found

    (folder / "docs" / "pipe.md").unlink()
    ingested(folder, capsys)
    code, found = findings(capsys)
    assert (code, found[-1]) == (0, ("ok", "all 1 files in docs are in the library"))
    (folder / "docs" / "new.md").write_text("Later.")
    code, found = findings(capsys)
    assert (code, found[-1]) == (
        0,
        ("warning", "1 of 2 files in docs are not in the library: new.md"),
    )
    (folder / "docs" / "new.md").unlink()
    (folder / "docs" / "pump.md").unlink()
    code, found = findings(capsys)
    assert (code, found[-1]) == (
        0,
        ("warning", "1 documents in the library are no longer in docs: pump.md"),
    )
    shutil.rmtree(folder / "docs")
    code, found = findings(capsys)
    assert found[-1] == ("warning", f"the documents folder {folder / 'docs'} does not exist.")
    assert "the documents folder docs does not exist." in call(capsys, "doctor")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "error", "repair"),
    [
        (["ask", "-r", "foo", "Who?"], 2, "there is no recipe or adapter 'foo'", "rag"),
        (["ask", "-r", "rag+lra", "Who?"], 2, "there is no recipe or adapter 'rag+lra'", "'lora'"),
        (["ask", "-r", "lora", "Who?"], 2, "which is not trained yet", "acclimate tune lora"),
        (["compare", "foo", "--split", ""], 2, "there is no recipe or adapter 'foo'", "rag"),
        (["compare", "rag", "--metric", "f2"], 2, "there is no measure 'f2'", "f1"),
        (["compare", "rag", "--split", "tset"], 2, "no question of the split 'tset'", "'test'"),
        (["compare", "rag", "--gate", "rag.f2>=1"], 2, "f2", "f1"),
        (["tune", "lra"], 2, "there is no way to tune 'lra'", "'lora'"),
        (["models", "fetch", "smolm2"], 1, "there is no model 'smolm2'", "'smollm2-135m-instruct'"),
        (["ask", "--where", "titel=x", "Who?"], 2, "no document has a 'titel'", "title"),
        (["ingst"], 2, "No such command 'ingst'", "'ingest'"),
    ],
)
def test_a_name_that_is_not_known_gets_the_nearest(
    folder, capsys, monkeypatch, arguments, code, error, repair
):
    monkeypatch.setenv("GLIBC_TUNABLES", "")  # else `tune` starts the program again in our place
    ingested(folder, capsys)
    row = {
        "id": "1",
        "question": "What does it weigh?",
        "answers": ["117 kg"],
        "answerable": True,
        "split": "test",
    }
    (folder / "questions.jsonl").write_text(
        json.dumps(row | {"document": "pump.md", "evidence": None}) + "\n"
    )
    got, _, err = call(capsys, *arguments)
    assert got == code
    assert error in err
    assert repair in err


def test_a_variable_that_sets_no_key_is_named(folder, capsys, monkeypatch):
    ingested(folder, capsys)
    monkeypatch.setenv("ACCLIMATE_MODLE__NAME", "x")
    code, _, err = call(capsys, "ask", "Who?")
    assert code == 2
    assert "ACCLIMATE_MODLE__NAME sets no key" in err
    assert "'ACCLIMATE_MODEL__NAME'" in err


def test_home_is_understood_and_paths_are_shown_as_typed(folder, capsys, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(cache_folder()))  # the models stay where they are
    monkeypatch.setenv("HOME", str(folder / "home"))
    (folder / "home" / "papers").mkdir(parents=True)
    (folder / "home" / "papers" / "pump.md").write_text(PUMP)
    (folder / "acclimate.toml").write_text('[documents]\npath = "~/papers"\n')
    code, out, _ = call(capsys, "ingest")
    assert (code, out[:11]) == (0, "1 documents")
    with Project.open(folder) as project:
        assert project.documents == folder / "home" / "papers"
    assert ("ok", "all 1 files in ~/papers are in the library") in findings(capsys)[1]
    code, _, err = call(capsys, "ingest", "docs")
    assert (code, "this project's documents are ~/papers, not docs" in err) == (2, True)
    assert "Change [documents] path in acclimate.toml" in err
    (folder / "home" / "papers").rename(folder / "home" / "moved")
    code, _, err = call(capsys, "ingest")
    assert (code, "error: the documents folder home/papers does not exist." in err) == (1, True)
    assert call(capsys, "ask", "--project=~/nowhere", "Who?")[0] == 2
    monkeypatch.chdir("/")
    assert str(folder) not in call(capsys, "ask", "--project=~", "Who?")[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{here}/a/b.toml is wrong", "a/b.toml is wrong"),
        ("'{here}/x' and {home}/y", "'x' and ~/y"),
        ("{here}", "{here}"),
        ("/else{here}/x", "/else{here}/x"),
        ("{here}other/x", "{here}other/x"),
    ],
)
def test_messages_name_paths_as_typed(folder, monkeypatch, text, shown):
    home = folder.parent / "someone"
    monkeypatch.setenv("HOME", str(home))
    assert as_typed(text.format(here=folder, home=home)) == shown.format(here=folder)


def test_init_says_what_comes_next(folder, capsys):
    code, _, err = call(capsys, "init", "papers")
    assert (
        code,
        "put your files into papers, which does not exist yet, and run acclimate ingest" in err,
    ) == (0, True)


def test_nearest():
    assert nearest("fewshot", ["rag", "few-shot", "lora"]) == "Did you mean 'few-shot'?"
    assert nearest("F1", ["f1", "em"]) == "Did you mean 'f1'?"
    assert nearest("xyz", ["f1", "em"]) == "Known: f1, em."
    assert nearest("xyz", []) == ""


def answer(text, abstained=False):
    return Answer(
        "q", text, text, abstained, (), Prompt((), 0), Usage(0, 0), Timings(0, 0, 0), "rag", "m"
    )


@pytest.mark.parametrize(
    ("given", "word", "detail"),
    [
        (answer("14 days."), "right", ""),
        (answer("two weeks"), "right", ""),
        (
            replace(answer("Others have 30 days. You have 14 days."), style="full"),
            "right",
            ": it holds “14 days” or “two weeks”",
        ),
        (
            answer("16 days"),
            "wrong",
            ": the reference is “14 days” or “two weeks” (50% of the words agree)",
        ),
        (
            answer("Not in the documents.", True),
            "refused",
            ": the reference is “14 days” or “two weeks”",
        ),
    ],
)
def test_the_demo_tells_what_is_the_references(given, word, detail):
    question = Question("1", "How long?", ("14 days", "two weeks"), "a.md")
    assert try_.checked(question, given) == (word, detail)


def test_the_demo_checks_each_answer_that_it_shows(folder, capsys, monkeypatch):
    example = folder / "example"
    (example / "documents").mkdir(parents=True)
    (example / "documents" / "pump.md").write_text(PUMP)
    shared = {
        "answerable": True,
        "split": "test",
        "document": "pump.md",
        "evidence": "The pump Fjell 9 weighs 117 kg.",
    }
    asked = [
        ("What does the pump Fjell 9 weigh?", "117 kg"),
        ("What does Fjell 9 weigh?", "200 kg"),
    ]
    rows = [{"id": q, "question": q, "answers": [a], **shared} for q, a in asked]
    rows.append(
        {
            "id": "train",
            "question": "Which pump is it?",
            "answers": ["Fjell 9"],
            **shared,
            "split": "train",
        }
    )
    (example / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(try_, "example", lambda: example)
    code, out, _ = call(capsys, "try", "--folder", "there")
    assert code == 0
    first, second = (
        part.split("Checked: ")[1].splitlines()[0] for part in out.split("Question: ")[1:]
    )
    assert first == "right"
    assert second.startswith("wrong: the reference is “200 kg”")
    assert "1 of these 2 answers are right" in out
    assert Path("there/acclimate.toml").exists()
