"""Sets of others, in the forms that they are really written in."""

import json

import pytest

from acclimate.errors import SettingsError
from acclimate.questions.imports import Rules, read_foreign

BOTH = ["8 to 16", "8-16"]


@pytest.fixture
def saved():
    return {}


@pytest.fixture
def save(saved):
    def keep(name, text):
        saved[name] = text
        return f"{name}.md"

    return keep


def write(tmp_path, name, content):
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return tmp_path / name


def answers(tmp_path, name, content, rules=None):
    found = read_foreign(write(tmp_path, name, content), rules=rules)
    return [row["answers"] for row in found.rows], " ".join(found.summary)


def test_csv_with_other_names_and_a_semicolon(tmp_path):
    text = '\ufeffQuery;Answers;Source;Answerable\n"What; now?";a | b;x.md;\nNo?;;;no\n'
    rows = read_foreign(write(tmp_path, "q.csv", text)).rows
    assert rows[0] == {
        "question": "What; now?",
        "answers": ["a", "b"],
        "document": "x.md",
        "answerable": True,
    }
    assert rows[1] == {"question": "No?", "answers": [], "answerable": False}


@pytest.mark.parametrize(
    ("column", "cell", "wanted", "told"),
    [
        ("answer", "A|B|7", ["A|B|7"], ""),
        ("answers", "A|B|7", ["A|B|7"], "holds '|', kept whole"),
        ("answer", "left | right", ["left | right"], "holds ' | ', kept whole"),
        ("answers", "left | right", ["left", "right"], "separated by ' | '"),
        ("answers", "8 to 16; 8-16", ["8 to 16", "8-16"], "separated by '; '"),
        (
            "answer",
            "8 to 16; closed on Sunday",
            ["8 to 16; closed on Sunday"],
            "holds '; ', kept whole",
        ),
        ("answer", '["8 to 16", "8-16"]', ["8 to 16", "8-16"], "a list in a cell"),
        ("ground_truths", "['8 to 16', '8-16']", ["8 to 16", "8-16"], "a list in a cell"),
        ("answer", "[3]", ["[3]"], ""),
        ("answer", "[see page 3]", ["[see page 3]"], ""),
    ],
)
def test_a_cell_is_cut_only_where_it_says_so_and_that_is_told(tmp_path, column, cell, wanted, told):
    quoted = cell.replace('"', '""')
    found, lines = answers(tmp_path, "q.csv", f'question,{column}\nWhen?,"{quoted}"\n')
    assert found == [wanted]
    assert told in lines
    assert ("rows:" in lines) == bool(told)


def test_the_user_says_what_separates_answers_and_what_columns_are(tmp_path):
    text = "question,answer,expected\nWhen?,wrong,a/b\n"
    with pytest.raises(
        SettingsError, match="'answer' and 'expected' could each be the answers"
    ) as raised:
        read_foreign(write(tmp_path, "q.csv", text))
    assert "--column answers=answer" in raised.value.hint
    rules = Rules({"answers": "expected"}, separator="/")
    assert answers(tmp_path, "q.csv", text, rules)[0] == [["a", "b"]]
    assert answers(tmp_path, "q.csv", "question,answers\nW?,a | b\n", Rules(separator=""))[0] == [
        ["a | b"]
    ]
    with pytest.raises(SettingsError, match="no column 'Solution'"):
        read_foreign(tmp_path / "q.csv", rules=Rules({"answers": "Solution"}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("numbered.csv", "question,answer1,Answer 2\nWhen?,8 to 16,8-16\n"),
        (
            "ragas.csv",
            "user_input,retrieved_contexts,reference_contexts,response,reference\n"
            "When?,['x'],\"['The desk is open from 8.', 'b']\",wrong,\"['8 to 16', '8-16']\"\n",
        ),
        (
            "old-ragas.json",
            [{"question": "When?", "answer": "no", "contexts": ["x"], "ground_truths": BOTH}],
        ),
        ("deepeval.json", [{"input": "When?", "actualOutput": "no", "expectedOutput": BOTH}]),
        ("deepeval-set.json", {"goldens": [{"input": "When?", "expected_output": BOTH}]}),
        ("langsmith.jsonl", {"inputs": {"question": "When?"}, "outputs": {"answer": BOTH}}),
        (
            "langsmith.json",
            [
                {
                    "inputs": {"question": "When?"},
                    "outputs": {"answer": "no"},
                    "reference_outputs": {"a": BOTH},
                }
            ],
        ),
        (
            "openai.jsonl",
            {
                "input": [{"role": "system", "content": "S"}, {"role": "user", "content": "When?"}],
                "ideal": BOTH,
            },
        ),
        ("openai-item.jsonl", {"item": {"question": "When?", "expected": BOTH}}),
        (
            "kiln.json",
            [{"input": "When?", "output": {"output": "no"}, "repaired_output": {"output": BOTH}}],
        ),
        ("promptfoo.csv", 'question,__expected\nWhen?,"contains-any: 8 to 16, 8-16"\n'),
        (
            "promptfoo.yaml",
            "prompts: [p]\ntests:\n- vars:\n    question: When?\n  assert:\n  - type: icontains-any\n"
            "    value: [8 to 16, 8-16]\n  - type: latency\n    threshold: 5\n",
        ),
        (
            "promptfoo.json",
            [{"vars": {"city": "When?"}, "assert": [{"type": "contains-any", "value": BOTH}]}],
        ),
        (
            "trivia.jsonl",
            {"question": "When?", "answer": {"value": "8 to 16", "aliases": ["8-16", "8 to 16"]}},
        ),
        ("squad.jsonl", {"question": "When?", "answers": {"text": BOTH, "answer_start": [1, 1]}}),
        (
            "llamaindex.json",
            {
                "examples": [
                    {
                        "query": "When?",
                        "query_by": {"model_name": "", "type": "human"},
                        "reference_contexts": ["The desk is open from 8."],
                        "reference_answer": BOTH,
                        "reference_answer_by": None,
                    }
                ]
            },
        ),
        (
            "llamaindex evaluator.json",
            {"examples": [{"query": "When?", "answer": "no", "ground_truth_answer": BOTH}]},
        ),
        ("haystack.json", {"question": ["When?"], "ground_truth_answers": [BOTH]}),
        (
            "haystack report.json",
            {
                "question": ["When?"],
                "contexts": [["x"]],
                "answer": [BOTH],
                "predicted_answer": ["no"],
            },
        ),
    ],
)
def test_the_fields_of_other_programs_are_known(tmp_path, name, content):
    found = read_foreign(write(tmp_path, name, content))
    (row,) = found.rows
    assert (row["question"], row["answers"], row["answerable"]) == ("When?", BOTH, True)
    assert "→ answers" in found.summary[0]
    if name == "ragas.csv":
        assert row["evidence"] == "The desk is open from 8."
        assert "not read: retrieved_contexts, response" in found.summary[0]
        assert "several texts as evidence, the first is kept" in found.summary[2]
    if name == "promptfoo.yaml":
        assert "1 rows: assertions 'latency', which give no reference" in found.summary[1]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.csv", 'question,answer\n"Who\nis?",Ada\n\nWhere?,\n', "line 5: there is no answer"),
        ("b.csv", "question,answer\nWho?,Ada,9\n", "line 2 has 3 cells under 2 columns"),
        ("c.csv", 'question,answer\nWho?,Ada\nWhy?,"x\n', "line 3: not CSV"),
        ("d.csv", "title,text\nx,y\n", "no key is a question: title, text"),
        (
            "e.csv",
            "question,answer,answerable\nWho?,Ada,perhaps\n",
            "'perhaps' in 'answerable' is neither yes nor no",
        ),
        ("f.csv", "question,answer,split\nWho?,Ada,blind\n", "line 2: there is no split 'blind'"),
        (
            "g.jsonl",
            '{"question": "Q?", "answer": "a"}\n{"question": "Q?", "answer": "a"',
            "line 2 is not JSON",
        ),
        (
            "h.jsonl",
            '{"question": "Q?", "question": "R?", "answer": "a"}',
            "has the key 'question' twice",
        ),
        (
            "i.jsonl",
            '{"question": "Q?", "answer": {"x": 1, "y": 2}}',
            "line 1: an object with the keys x, y",
        ),
        (
            "j.jsonl",
            '{"input": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "ideal": "x"}',
            "2 turns",
        ),
        (
            "k.json",
            [{"vars": {"a": "1", "b": ""}, "assert": []}],
            "one of the variables a, b should",
        ),
        (
            "l.json",
            [{"vars": {"q": "1"}, "assert": [{"type": "equals", "value": "x"}] * 2}],
            "2 assertions give",
        ),
        (
            "m.jsonl",
            '{"question": "Q?", "prompt": "R?", "answer": "a"}',
            "'question' and 'prompt' could each",
        ),
        ("n.jsonl", '{"question": "half \\ud83d", "answer": "a"}', "half a character"),
        ("o.yaml", "tests: file://tests.csv\n", "it holds no list of rows and has the keys tests"),
        ("p.yaml", "a: [", "is not YAML"),
        ("q.json", "[" * 3000, "too many brackets"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, name, content, part):
    with pytest.raises(SettingsError) as raised:
        read_foreign(write(tmp_path, name, content))
    assert part in str(raised.value)


def test_excel_s_bytes_long_cells_and_its_separator_line(tmp_path):
    file = tmp_path / "q.csv"
    file.write_bytes("question;answer\r\nWho in Zürich?;Ada\r\n".encode("cp1252"))
    with pytest.raises(SettingsError, match="line 2: the byte 0xfc is not UTF-8") as raised:
        read_foreign(file)
    assert "iconv -f WINDOWS-1252" in raised.value.hint
    long = "x" * 200_000
    rows = read_foreign(
        write(tmp_path, "q.csv", f"\ufeffsep=;\r\nquestion;answer;context\r\nWho?;Ada;{long}\r\n")
    ).rows
    assert rows == ({"question": "Who?", "answers": ["Ada"], "evidence": long, "answerable": True},)


def test_rows_without_an_answer_are_unanswerable_only_where_that_is_said(tmp_path):
    text = "question,answer\nWho?,Ada\nWhy?,\n"
    with pytest.raises(SettingsError, match="line 3: there is no answer") as raised:
        read_foreign(write(tmp_path, "q.csv", text))
    assert "--unanswerable" in raised.value.hint
    rows = read_foreign(tmp_path / "q.csv", rules=Rules(unanswerable=True)).rows
    assert [row["answerable"] for row in rows] == [True, False]
    said = {"question": "Why?", "answers": {"text": [], "answer_start": []}}
    assert not read_foreign(write(tmp_path, "q.jsonl", said)).rows[0]["answerable"]


def test_json_lines_and_lists(tmp_path):
    rows = [
        {"question": "Who\u2028is it?", "answer": "Ada", "id": 7},
        {"question": "Why?", "answer": ["x", "y"]},
    ]
    write(
        tmp_path,
        "q.jsonl",
        "\ufeff" + "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
    )
    write(tmp_path, "q.json", rows)
    assert read_foreign(tmp_path / "q.jsonl").rows == read_foreign(tmp_path / "q.json").rows
    assert [row["answers"] for row in read_foreign(tmp_path / "q.json").rows] == [
        ["Ada"],
        ["x", "y"],
    ]


def test_squad_two(tmp_path, save, saved):
    context = "The hall is old. Ada Holm built it in 1931."
    asked = [
        {
            "id": "a",
            "question": "Who built it?",
            "answers": [{"text": "Ada Holm", "answer_start": 17}] * 2,
        },
        {"id": "b", "question": "Who sold it?", "answers": [], "is_impossible": True},
    ]
    data = {
        "version": "v2.0",
        "data": [{"title": "Hall", "paragraphs": [{"context": context, "qas": asked}]}],
    }
    (tmp_path / "s.json").write_text(json.dumps(data))
    known, unknown = read_foreign(tmp_path / "s.json", save).rows
    assert saved == {"Hall": context}
    assert (known["answers"], known["evidence"]) == (["Ada Holm"], "Ada Holm built it in 1931.")
    assert (unknown["answerable"], unknown["kind"], unknown["document"]) == (
        False,
        "unanswerable",
        "Hall.md",
    )


def test_beir(tmp_path, save):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "title": "T", "text": "Some text."}\n')
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "1", "text": "a claim"}\n{"_id": "2", "text": "unjudged"}\n'
    )
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t1\n2\td1\t0\n")
    (row,) = read_foreign(tmp_path, save).rows
    assert (row["question"], row["document"], row["evidence"]) == ("a claim", "d1.md", "Some text")


@pytest.mark.parametrize("text", ["{", '{"title": [{"x": 1}]}', "7"])
def test_what_is_no_set_is_refused_with_the_forms_that_are(tmp_path, text):
    with pytest.raises(SettingsError, match="cannot be read as questions") as raised:
        read_foreign(write(tmp_path, "x.json", text))
    assert "SQuAD" in raised.value.hint


def test_a_fault_in_squad_names_article_and_question(tmp_path):
    asked = {"id": "a", "question": "Who?", "answers": [{"text": "Eva", "answer_start": 0}]}
    data = {"data": [{"title": "Hall", "paragraphs": [{"context": "Ada Holm.", "qas": [asked]}]}]}
    with pytest.raises(
        SettingsError, match=r"article 1 \('Hall'\), question a: the answer 'Eva' is not in its"
    ):
        read_foreign(write(tmp_path, "s.json", data))


RAGAS = [{"user_input": "When?", "reference": "at 8", "reference_contexts": ["From 8."]}]
LLAMAINDEX = {"examples": [{"query": "When?", "reference_answer": "at 8"}]}
SQUAD = {
    "data": [
        {
            "title": "Desk",
            "paragraphs": [
                {
                    "context": "It opens at 8.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "When?",
                            "answers": [{"text": "at 8", "answer_start": 9}],
                        }
                    ],
                }
            ],
        }
    ]
}
PAIRS = {
    "queries": {"q1": "When?", "q2": "Nobody knows?"},
    "corpus": {"n1": "It opens at 8.", "n2": "The lift is old."},
    "relevant_docs": {"q1": ["n1", "n2"]},
}


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("ragas", RAGAS),
        ("langsmith", [{"inputs": {"question": "When?"}, "outputs": {"answer": "at 8"}}]),
        ("llamaindex", LLAMAINDEX),
        ("haystack", [{"question": "When?", "ground_truth_answers": ["at 8"]}]),
        ("haystack", SQUAD),
        ("squad", SQUAD),
    ],
)
def test_a_set_in_the_form_that_is_named(tmp_path, save, form, content):
    found = read_foreign(write(tmp_path, "a.json", content), save, Rules(form=form))
    assert [(row["question"], row["answers"]) for row in found.rows] == [("When?", ["at 8"])]


@pytest.mark.parametrize(
    ("form", "content", "needed"),
    [
        ("squad", RAGAS, "articles and paragraphs"),
        ("squad", PAIRS, "articles and paragraphs"),
        ("ragas", LLAMAINDEX, "reference and userinput"),
        ("ragas", SQUAD, "the form of ragas"),
        ("llamaindex", RAGAS, "query and referenceanswer"),
        ("langsmith", "question,answer\nWhen?,at 8\n", "inputs and outputs"),
    ],
)
def test_a_set_in_another_form_than_the_one_named_is_refused(tmp_path, form, content, needed):
    name = "a.csv" if isinstance(content, str) else "a.json"
    with pytest.raises(SettingsError) as caught:
        read_foreign(write(tmp_path, name, content), rules=Rules(form=form))
    assert f"the form of {form}" in str(caught.value)
    assert needed in str(caught.value)
    assert "--format" in caught.value.hint


def test_a_folder_is_in_no_form_that_can_be_named(tmp_path):
    with pytest.raises(SettingsError, match="the form of ragas"):
        read_foreign(tmp_path, rules=Rules(form="ragas"))


def test_llamaindex_pairs_bring_their_texts(tmp_path, save, saved):
    (row,) = read_foreign(write(tmp_path, "a.json", PAIRS), save).rows
    assert saved == {"n1": "It opens at 8.\n", "n2": "The lift is old.\n"}
    assert (row["question"], row["answers"]) == ("When?", ["It opens at 8."])
    assert (row["document"], row["documents"]) == ("n1.md", ["n1.md", "n2.md"])
    assert (row["evidence"], row["kind"]) == ("It opens at 8", "retrieval")
    lost = PAIRS | {"relevant_docs": {"q1": ["n9"]}}
    with pytest.raises(SettingsError, match="query q1: its text n9 is not in the corpus"):
        read_foreign(write(tmp_path, "b.json", lost), save)
