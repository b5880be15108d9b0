"""JSON Lines: whatever is written is read back, by our reader and by those that cut lines as `str.splitlines` does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acclimate.cli.main import run
from acclimate.errors import SettingsError
from acclimate.evaluation.halving import Trace, Trial
from acclimate.evaluation.judge import Label, add_label, read_labels
from acclimate.files import jsonlines
from acclimate.project import Project
from acclimate.prompting.demonstrations import (
    Demonstration,
    read_demonstrations,
    write_demonstrations,
)
from acclimate.questions.file import QuestionFile, read_questions
from acclimate.questions.imports import read_foreign
from acclimate.types import Question
from acclimate.workflows.questions import add_question, write_learnt

BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # all that `str.splitlines` cuts at
HARD = st.text(st.one_of(st.sampled_from(f'{BREAKS}\ufeff\x00"\\ a'), st.characters(codec="utf-8")))
WORDS = HARD.filter(str.strip)


@given(
    st.lists(
        st.dictionaries(HARD, st.one_of(HARD, st.none(), st.integers(), st.lists(HARD))), max_size=4
    )
)
def test_what_is_written_is_read(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    jsonlines.write(file, rows)
    assert [row for _, row in jsonlines.read_rows(file)] == rows
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == rows
    jsonlines.append(file, {"last": BREAKS})
    assert jsonlines.read_rows(file)[-1] == (len(rows) + 1, {"last": BREAKS})


@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4, unique_by=lambda pair: pair[0]), HARD
)
def test_whatever_question_is_added_the_set_can_be_read(tmp_path_factory, pairs, odd):
    folder = tmp_path_factory.mktemp("project")
    (folder / "acclimate.toml").write_text("", encoding="utf-8")
    with Project.open(folder) as project:
        for question, answer in pairs:
            add_question(project, question, [answer], None, None)
        try:
            add_question(project, odd, [odd], None, None)
        except SettingsError:  # empty, or in the set already
            assert not odd.strip() or odd in dict(pairs)
    held = {one.question: one.answers for one in read_questions(folder / "questions.jsonl")}
    assert held == {question: (answer,) for question, answer in pairs} | (
        {odd: held[odd]} if odd in held else {}
    )
    taken = read_foreign(folder / "questions.jsonl").rows
    assert [row["question"] for row in taken] == [question.strip() for question in held]


def test_the_command_adds_what_it_can_read_and_refuses_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acclimate.toml").write_text("")
    raw = json.dumps(
        {"id": "1", "question": "Old\u2028one?", "answers": ["a\x85b"]}, ensure_ascii=False
    )
    (tmp_path / "questions.jsonl").write_text(
        raw, encoding="utf-8"
    )  # as an editor leaves it: no line end
    assert run(["questions", "add", f"What{BREAKS}now?", "--answer", f"x{BREAKS}y"]) == 0
    for refused in (["  ", "--answer", "x"], ["Q?", "--answer", " "]):
        assert run(["questions", "add", *refused]) == 2
    with (
        Project.open(tmp_path) as project,
        pytest.raises(SettingsError, match=r"half a character \(U\+DCFF\)"),
    ):
        project.add_question("Q\udcff?", ["x"])
    assert run(["questions", "split", "--json"]) == 0
    rows = QuestionFile(tmp_path / "questions.jsonl", tmp_path / "lock").rows()
    assert [row["question"] for row in rows] == ["Old\u2028one?", f"What{BREAKS}now?"]
    assert rows[1]["answers"] == [f"x{BREAKS}y"]


def test_every_other_file_of_rows_keeps_them_too(tmp_path):
    text = f"a{BREAKS}b"
    for label in (Label("q", text, True), Label(text, "x", False)):
        add_label(tmp_path / "labels.jsonl", label)
    assert read_labels(tmp_path / "labels.jsonl") == [
        Label("q", text, True),
        Label(text, "x", False),
    ]
    shown = [Demonstration(text, text), Demonstration("q", text, document=text)]
    write_demonstrations(tmp_path / "shown.jsonl", shown)
    assert read_demonstrations(tmp_path / "shown.jsonl") == shown
    write_learnt(tmp_path, [Question("1", text, (text,))])
    assert read_questions(tmp_path / "learnt.jsonl")[0].question == text
    with Trace(tmp_path / "trace.jsonl") as trace:
        trace.add(Trial(text, text, 0.5, 1.0))
    with (tmp_path / "trace.jsonl").open("ab") as file:
        file.write(b'{"candidate": "cut by a st')
    with Trace(tmp_path / "trace.jsonl") as trace:
        assert list(trace.trials) == [(text, text)]
        trace.add(Trial("next", "x", 1.0, 1.0))
    with Trace(tmp_path / "trace.jsonl") as trace:
        assert list(trace.trials) == [(text, text), ("next", "x")]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b'{"a": 1}\r\n\r\n{"a": \r\n', "line 3: not JSON"),
        (b'{"a": 1, "a": 2}\n', "line 1: the key 'a' comes twice"),
        (b"[" * 100_000, "line 1: not JSON: too many brackets"),
        (b'{"a": "\xfc"}\n', "line 1: the byte 0xfc is not UTF-8"),
        (b'{"a": 1}\n\0\0\n', "line 2: a zero byte"),
        ("\ufeff{}".encode("utf-16"), "is UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_with_its_line(tmp_path, content, part):
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        jsonlines.read_rows(file)
    assert str(raised.value).startswith(str(file))
    assert part in str(raised.value)


def test_a_mark_and_carriage_returns_are_passed_over(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_bytes('\ufeff{"a": "\u2028"}\r\n\r\n{"a": 2}'.encode())
    assert jsonlines.read_rows(file) == [(1, {"a": "\u2028"}), (3, {"a": 2})]
    jsonlines.append(file, {"a": 3})
    assert [row["a"] for _, row in jsonlines.read_rows(file)] == ["\u2028", 2, 3]
