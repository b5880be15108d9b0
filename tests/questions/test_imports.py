"""Sets of others, in the forms that they are really written in."""

import json

import pytest

from acclimate.errors import SettingsError
from acclimate.questions.imports import read_foreign


@pytest.fixture
def saved():
    return {}


@pytest.fixture
def save(saved):
    def keep(name, text):
        saved[name] = text
        return f"{name}.md"

    return keep


def test_csv_with_other_names_and_a_semicolon(tmp_path):
    file = tmp_path / "q.csv"
    file.write_text('\ufeffQuery;Expected;Source;Answerable\n"What; now?";a | b;x.md;\nNo?;;;no\n', encoding="utf-8")
    rows = read_foreign(file)
    assert rows[0] == {"question": "What; now?", "answers": ["a", "b"], "document": "x.md", "answerable": True}
    assert rows[1] == {"question": "No?", "answers": [], "answerable": False}


def test_a_row_without_an_answer_is_named(tmp_path):
    file = tmp_path / "q.csv"
    file.write_text("question,answer\nWho?,Ada\nWhere?,\n")
    with pytest.raises(SettingsError, match="line 3: there is no answer"):
        read_foreign(file)
    file.write_text("title\nx\n")
    with pytest.raises(SettingsError, match="no question"):
        read_foreign(file)


def test_json_lines_and_lists(tmp_path):
    rows = [{"question": "Who?", "answer": "Ada", "id": 7}, {"question": "Why?", "answers": {"text": ["x", "y"]}}]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "q.json").write_text(json.dumps(rows))
    assert read_foreign(tmp_path / "q.jsonl") == read_foreign(tmp_path / "q.json")
    assert [row["answers"] for row in read_foreign(tmp_path / "q.json")] == [["Ada"], ["x", "y"]]


def test_squad_two(tmp_path, save, saved):
    context = "The hall is old. Ada Holm built it in 1931."
    asked = [
        {"id": "a", "question": "Who built it?", "answers": [{"text": "Ada Holm", "answer_start": 17}] * 2},
        {"id": "b", "question": "Who sold it?", "answers": [], "is_impossible": True},
    ]
    data = {"version": "v2.0", "data": [{"title": "Hall", "paragraphs": [{"context": context, "qas": asked}]}]}
    (tmp_path / "s.json").write_text(json.dumps(data))
    known, unknown = read_foreign(tmp_path / "s.json", save)
    assert saved == {"Hall": context}
    assert (known["answers"], known["evidence"]) == (["Ada Holm"], "Ada Holm built it in 1931.")
    assert (unknown["answerable"], unknown["kind"], unknown["document"]) == (False, "unanswerable", "Hall.md")


def test_beir(tmp_path, save):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "title": "T", "text": "Some text."}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "a claim"}\n{"_id": "2", "text": "unjudged"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t1\n2\td1\t0\n")
    (row,) = read_foreign(tmp_path, save)
    assert (row["question"], row["document"], row["evidence"]) == ("a claim", "d1.md", "Some text")


@pytest.mark.parametrize("text", ["{", '{"data": [{"title": "x"}]}', "[1]"])
def test_what_is_no_set_is_refused_with_the_forms_that_are(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SettingsError, match="cannot be read as questions") as raised:
        read_foreign(tmp_path / "x.json")
    assert "SQuAD" in raised.value.hint
