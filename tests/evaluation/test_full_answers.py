"""Scores of answers in sentences: facts, completeness, language, claims, rubrics, own checks."""

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from acclimate.errors import SettingsError
from acclimate.evaluation.cache import AnswerCache
from acclimate.evaluation.checks import open_check
from acclimate.evaluation.compare import Setting, compare
from acclimate.evaluation.comparison import figure, load, save
from acclimate.evaluation.comparison_run import ComparisonRun
from acclimate.evaluation.entry import Entry, NoProgress
from acclimate.evaluation.full import completeness, facts_found, wrong_found
from acclimate.evaluation.gates import parse_gate
from acclimate.evaluation.judges import Judges
from acclimate.evaluation.measures import METRICS, find_measure, require_metric
from acclimate.evaluation.metrics import normalise, score
from acclimate.evaluation.report import render_html, render_markdown
from acclimate.questions.file import read_questions, to_question
from acclimate.text.language import language_of, same_language
from acclimate.types import Answer, Chunk, Citation, Hit, Prompt, Question, Timings, Usage

PASSAGE = "The pump weighs 117 kg. It needs oil every two years."


def said(text, *, abstained=False, passage=PASSAGE):
    hit = Hit(Chunk("c", "a.md", 0, len(passage), passage), 1.0, 1)
    cited = () if abstained else (Citation(1, "a.md", 0, 5, passage[:5]),)
    return Answer(
        "?", text, text, abstained, cited, Prompt((), 0, (hit,)), Usage(1, 1, 1),
        Timings(0, 1, 1), "r", "m",
    )  # fmt: skip


def test_facts_are_found_as_people_type_them():
    facts = [["\\b16[ -]weeks?", "sixteen weeks?"], ["truework"]]
    assert facts_found("**16\u00a0weeks**, by Truework", facts) == 1
    assert facts_found("16‑week leave", facts) == 0.5
    assert facts_found("16 months", facts) == 0
    assert wrong_found("up to 300–500 dollars", ["\\b300 ?(-|to) ?\\$?500\\b"])
    assert not wrong_found("300", ["\\b300 ?(-|to) ?\\$?500\\b"])


ASKED = Question(
    "q",
    "How long is the leave?",
    ("It is 16 weeks.",),
    facts=(("16",), ("paid",)),
    wrong=("8 weeks",),
)


@pytest.mark.parametrize(
    ("text", "abstained", "facts", "full", "wrong"),
    [
        ("16 weeks, paid", False, 1, 1, 0),
        ("16 weeks", False, 0.5, 0, 0),
        ("16 weeks, paid, or 8 weeks", False, 1, 0, 1),
        ("16 weeks, paid", True, 0, 0, 0),
    ],
)
def test_an_answer_is_full_with_all_facts_and_nothing_wrong(text, abstained, facts, full, wrong):
    got = score(ASKED, said(text, abstained=abstained), None)
    assert (got.facts, got.full, got.wrong) == (facts, full, wrong)


def test_without_facts_nothing_is_said_of_them_and_silence_is_full_where_nothing_is_known():
    plain = score(replace(ASKED, facts=(), wrong=()), said("x"), None)
    assert (plain.facts, plain.full, plain.wrong) == (None, None, None)
    unknown = replace(ASKED, answers=(), answerable=False, facts=(), wrong=())
    assert score(unknown, said("Not in the documents.", abstained=True), None).full == 1
    assert score(unknown, said("16 weeks"), None).full == 0


@pytest.mark.parametrize(
    ("text", "references", "share"),
    [
        ("Truework confirms employment.", ["Truework confirms your employment there"], 3 / 5),
        ("It weighs 1,500 g", ["1.5 kg"], 1),
        ("It weighs 15 kg", ["1.5 kg"], 0),
        ("Anything", [], None),
        ("yes", ["yes"], 1),
        ("Truework", ["They use Truework for it all", "Truework"], 1),
    ],
)
def test_completeness_is_the_reference_s_content_that_is_there(text, references, share):
    got = completeness(text, references, normalise)
    assert got == (None if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How long is the warranty of this pump?", "english"),
        ("Wie lange ist die Garantie auf diese Pumpe?", "german"),
        ("Quelle est la durée de la garantie pour cette pompe ?", "french"),
        ("¿Cuánto dura la garantía de esta bomba?", "spanish"),
        ("Quanto dura la garanzia di questa pompa e quando scade?", "italian"),
        ("Hvor lang er garantien på den pumpen?", ("danish", "norwegian")),
        ("Какова гарантия на этот насос?", "cyrillic"),
        ("このポンプの保証期間は？", "japanese"),
        ("泵的保修期是多久", "chinese"),
        ("117 kg", ""),
        ("Truework", ""),
        ("", ""),
    ],
)
def test_the_language_is_told_or_nothing_is(text, language):
    assert language_of(text) in (language if isinstance(language, tuple) else (language,))


def test_languages_are_compared_only_where_both_are_known():
    english, german = "What is the weight of it?", "Das ist die Pumpe und sie ist schwer."
    assert (same_language(english, english), same_language(english, german)) == (True, False)
    assert same_language(english, "117 kg") is None


def test_a_question_file_s_facts_are_read_and_what_is_no_pattern_is_refused(tmp_path):
    row = {
        "id": "a",
        "question": "A?",
        "answers": ["x"],
        "facts": [["x", "y"], "z"],
        "rubric": ["r"],
    }
    question = to_question({**row, "wrong": ["w"]})
    assert (question.facts, question.wrong, question.rubric) == (
        (("x", "y"), ("z",)),
        ("w",),
        ("r",),
    )
    file = tmp_path / "questions.jsonl"
    for wrong, part in (("(", "no regular expression"), ("a*", "matches every text")):
        file.write_text(json.dumps({**row, "wrong": [wrong]}))
        with pytest.raises(SettingsError, match=f"line 1: 'wrong'.*{part}"):
            read_questions(file)


def test_how_answers_are_scored_does_not_show_in_what_a_question_is_known_by():
    assert repr(ASKED) == repr(replace(ASKED, facts=(), wrong=()))


QUESTIONS = [
    Question(f"q{n}", f"What does pump {n} weigh?", (f"{n} kg",), f"{n // 2}.md", facts=((f"\\b{n} kg",),),
             rubric=("It names a unit.",))
    for n in range(20)
]  # fmt: skip


def right(asked):
    number = asked.id[1:]
    return said(f"It is {number} kg.", passage=f"Pump {number} is {number} kg. It is red.")


def wrong(asked):
    return said("It is 999 kg.", passage=f"Pump {asked.id[1:]} is heavy. It is red.")


def embed(texts):
    """Every text apart from every other."""
    return np.eye(len(texts), dtype=np.float32)


@pytest.fixture
def comparison_run(tmp_path):
    with closing(AnswerCache(tmp_path / "answers.db")) as cache:
        yield ComparisonRun(QUESTIONS, {}, cache, NoProgress())


def entries():
    return [Entry("good", lambda: right, "good"), Entry("bad", lambda: wrong, "bad")]


def test_every_score_has_its_interval_its_test_and_its_place_in_the_report(
    comparison_run, tmp_path
):
    asked = []

    def ask(messages):
        asked.append(messages[0].content)
        return "yes" if "names a unit" in asked[-1] else "no"

    checks = [
        open_check("regex:\\d+ kg", tmp_path),
        open_check("red=contains:RED", tmp_path),
    ]
    judges = Judges(embed, ask=ask, name="scripted", parallel=3, checks=checks)
    result = compare(comparison_run, entries(), Setting("p", "test", "facts"), judges)
    assert result.verdict.recommended == "good"
    measures = {one.name: one for one in result.measures}
    means = {name: one.intervals["good"].mean for name, one in measures.items()}
    assert (means["claims"], measures["claims"].intervals["bad"].mean) == (1, 0)
    assert (means["rubric"], means["judged"]) == (1, 0)
    assert (means["check:regex:\\d+_kg"], means["check:red"]) == (1, 0)
    assert (means["full"], means["complete"], means["same_language"]) == (1, 1, 1)
    assert means["words"] == 4
    for name in ("facts", "full", "claims"):
        gap = measures[name].against["bad"]
        assert (gap.interval.mean, gap.adjusted < 0.01) == (-1, True)
    page, text = render_html(result), render_markdown(result)
    for title in ("claims that passages support", "completeness", "rubric, says the judge"):
        assert title in page
        assert title in text
    save(result, tmp_path / "c.json")
    assert load(tmp_path / "c.json") == result
    assert parse_gate("good.full>=0.9").failure(result) is None
    assert "is 0" in parse_gate("bad.facts>0.1").failure(result)
    assert figure(result, "good", "check:red") == 0
    before = len(asked)
    compare(comparison_run, entries(), Setting("p", "test", "check:red"), judges)
    assert len(asked) == before  # words are kept


def test_a_measure_that_says_nothing_does_not_decide(comparison_run):
    with pytest.raises(SettingsError, match="'claims' says nothing of good, bad"):
        compare(comparison_run, entries(), Setting("p", "test", "claims"))
    with pytest.raises(SettingsError, match="no measure 'fact'") as caught:
        require_metric("fact")
    assert "'facts'" in caught.value.hint
    with pytest.raises(SettingsError, match="cannot be decided by 'words'"):
        require_metric("words")
    assert all(find_measure(name).name == name for name in METRICS)


def test_a_question_counts_where_the_measure_says_something_of_every_recipe(
    comparison_run, tmp_path
):
    (tmp_path / "c.py").write_text(
        "def odd(question, answer):\n    return None if int(question.id[1:]) % 2 else 1.0\n"
    )
    judges = Judges(embed, checks=[open_check("c.py:odd", tmp_path)])
    result = compare(comparison_run, entries(), Setting("p", "test", "check:odd"), judges)
    assert result.row("good").by_kind == {"other": (10, 1.0)}
    assert any("10 of 20 questions" in note for note in result.notes)


@pytest.mark.parametrize(
    ("check", "part"),
    [
        ("nothing", "is no check"),
        ("regexp:x", "no kind of check 'regexp'"),
        ("regex:(", "regex:("),
        ("schema:none.json", "no JSON Schema"),
        ("none.py:f", "no file"),
        ("bad.py:f", "ZeroDivisionError"),
        ("good.py:sort", "no function 'sort'"),
    ],
)
def test_what_is_no_check_is_refused(tmp_path, check, part):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    (tmp_path / "good.py").write_text("def short(question, answer):\n    return True\n")
    with pytest.raises(SettingsError) as caught:
        open_check(check, tmp_path)
    assert part in str(caught.value)


def test_a_check_that_fails_names_the_question(tmp_path):
    (tmp_path / "c.py").write_text(
        "def f(question, answer):\n    return question.nothing\ndef g(question, answer):\n    return 7\n"
    )
    with pytest.raises(
        SettingsError, match=r"'check:f' failed on the question 'q'.*AttributeError"
    ):
        open_check("c.py:f", tmp_path)(ASKED, said("x"))
    with pytest.raises(SettingsError, match="gave 7"):
        open_check("c.py:g", tmp_path)(ASKED, said("x"))


def test_json_in_an_answer_is_held_to_a_schema(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"type": "object", "required": ["kg"]}))
    check = open_check("schema:s.json", tmp_path)
    found = [check(ASKED, said(text)) for text in ('So: {"kg": 1}', '{"g": 1}', "none")]
    assert found == [1, 0, 0]
