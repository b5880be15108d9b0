"""The question file: errors name the line, reviews are kept, writers lose nothing of each other."""

import json
import threading

import pytest

from acclimate.errors import SettingsError
from acclimate.questions.file import QuestionFile, read_questions


def row(number, **more):
    return {"id": f"q{number}", "question": f"What is {number}?", "answers": [str(number)], **more}


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "line 2"),
        ('{"question": "Q?"}', "'id' is missing"),
        ('{"id": "a", "question": "Q?", "answers": ["x"]}', "a second time"),
        ('{"id": "b", "question": "Q?"}', "needs answers"),
        ('{"id": "b", "question": " ", "answers": ["x"]}', "is empty"),
        ("[]", "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, part):
    good = json.dumps({"id": "a", "question": "Q?", "answers": ["x"]})
    (tmp_path / "q.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(SettingsError, match=part):
        read_questions(tmp_path / "q.jsonl")


def test_rejected_questions_are_not_asked_and_unknown_keys_stay(tmp_path):
    file = QuestionFile(tmp_path / "questions.jsonl", tmp_path / "lock")
    file.append([row(1, note="mine"), row(2, documents=["a.md", "b.md"])])
    file.update({"q1": {"status": "rejected"}, "gone": {"status": "accepted"}})
    (left,) = read_questions(tmp_path / "questions.jsonl")
    assert (left.id, left.documents, left.status) == ("q2", ("a.md", "b.md"), "")
    assert file.rows()[0]["note"] == "mine"


def test_what_several_write_at_once_is_all_there(tmp_path):
    file = tmp_path / "questions.jsonl"
    writers = [
        threading.Thread(target=lambda n=n: QuestionFile(file, tmp_path / "lock").append([row(n)]))
        for n in range(12)
    ]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert {question.id for question in read_questions(file)} == {f"q{n}" for n in range(12)}


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path):
    file = QuestionFile(tmp_path / "questions.jsonl", tmp_path / "lock")
    file.append([row(1)])
    with pytest.raises(ZeroDivisionError):
        file.change(lambda rows: 1 / 0)
    assert [one["id"] for one in file.rows()] == ["q1"]
    assert not list(tmp_path.glob("tmp*"))
