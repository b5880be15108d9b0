"""Pairs from a project: its labels, its comparisons, and what the model makes up; never from test questions."""

import json

import pytest

from acclimate.answer import Answerer
from acclimate.evaluation.comparison import Comparison, Outcome, Verdict, save
from acclimate.evaluation.judge import Label, add_label
from acclimate.evaluation.metrics import score
from acclimate.project import Project
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.recipes import find_recipe
from acclimate.prompting.templates import load_template
from acclimate.questions.file import read_questions
from acclimate.testing.models import ScriptedEngine
from acclimate.tuning.methods import METHODS
from acclimate.types import Answer, Chunk, Generation, Hit, Prompt, Timings, Usage
from acclimate.workflows.tune_preferences import PREFERENCE_SOURCES, OwnAnswers, gather_preferences

TEXTS = {
    "pump.md": "The pump weighs 98 kg.",
    "fan.md": "The fan turns.",
    "shop.md": "It opens at nine.",
}
HITS = [
    Hit(Chunk(name, name, 0, len(text), text, name), 1.0, rank)
    for rank, (name, text) in enumerate(TEXTS.items(), start=1)
]
ROWS = [
    {"id": "a", "question": "How heavy is the pump?", "answers": ["98 kg"], "document": "pump.md"}
    | {"evidence": "weighs 98 kg", "split": "train"},
    {
        "id": "u",
        "question": "Who built the pump?",
        "answers": [],
        "answerable": False,
        "split": "train",
    },
    {
        "id": "v",
        "question": "Who painted the fan?",
        "answers": [],
        "answerable": False,
        "split": "train",
    },
    {
        "id": "d",
        "question": "Who sells the fan?",
        "answers": [],
        "answerable": False,
        "split": "dev",
    },
    {"id": "t", "question": "When is it open?", "answers": ["at nine"], "document": "shop.md"}
    | {"evidence": "opens at nine", "split": "test"},
]


class Fixed:
    def retrieve(self, query, k):
        return HITS[:k]


def answerer(say=lambda messages: "Ann", recipe="rag"):
    chosen = find_recipe(recipe)
    template = load_template(chosen.template)
    return Answerer(chosen, template, ScriptedEngine(say), Fixed(), Generation(max_tokens=9), 2)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "documents").mkdir()
    (tmp_path / "acclimate.toml").write_text('[documents]\npath = "documents"\n')
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    with Project.open(tmp_path) as opened:
        yield opened


def compared(project, *said, name="1.json"):
    """A comparison in which each (recipe, question, text with marks) was answered from two passages."""
    questions = {one.id: one for one in read_questions(project.layout.questions)}
    outcomes = []
    for recipe, name_of, marked in said:
        asked, text = questions[name_of], marked.split(" [")[0]
        answer = Answer(
            asked.question, text, marked, text == REFUSAL, (), Prompt((), 0, tuple(HITS[:2])),
            Usage(1, 1), Timings(0, 0, 0), recipe, "tiny",
        )  # fmt: skip
        outcomes.append(Outcome(recipe, name_of, score(asked, answer, None), answer))
    verdict = Verdict("rag", "rag", (), "")
    made = Comparison(
        "2026-01-01T00:00:00Z",
        "p",
        "f1",
        "train",
        tuple(questions.values()),
        (),
        tuple(outcomes),
        (),
        verdict,
    )
    save(made, project.layout.comparisons / name)


def gather(project, method, sources, **options):
    return gather_preferences(project, answerer(**options), METHODS[method], None, sources)


def test_comparisons_give_pairs_under_the_passages_that_were_shown(project):
    compared(
        project,
        ("rag", "a", "98 kg [1]"), ("rag+cot", "a", "A ton [2]"), ("stuffing", "u", "Ann"),
        ("stuffing", "t", "never"), ("rag", "d", "Bob"),
    )  # fmt: skip
    found = gather(project, "dpo", ["comparisons"])
    pairs = {case.question: (case.answer, case.rejected) for case in found.learnt}
    assert pairs == {"a": ("98 kg [1]", "A ton [2]"), "u": (REFUSAL, "Ann")}
    assert [(one.question, one.answer, one.rejected) for one in found.dev] == [
        ("d", REFUSAL, "Bob")
    ]
    assert found.data.left_out == {"answers to questions of the split test": 1}
    shown = next(case.messages[-1].content for case in found.learnt if case.question == "a")
    assert "weighs 98 kg" in shown
    assert "opens at nine" not in shown
    judged = gather(project, "kto", ["comparisons"]).learnt
    assert {(one.answer, one.right) for one in judged} == {
        ("98 kg [1]", True), ("A ton [2]", False), (REFUSAL, True), ("Ann", False),
    }  # fmt: skip


def test_a_wrong_answer_alone_is_paired_with_the_reference(project):
    compared(project, ("rag", "a", "A ton [2]"), ("stuffing", "a", REFUSAL))
    pairs = gather(project, "dpo", ["comparisons"]).learnt
    assert {(one.answer, one.rejected) for one in pairs} == {
        ("98 kg [1]", "A ton [2]"), ("98 kg [1]", REFUSAL),
    }  # fmt: skip


def test_a_label_has_the_last_word_and_needs_its_passages(project):
    compared(project, ("rag", "a", "About 100 kg [1]"), ("rag+cot", "a", "98 kg [1]"))
    add_label(project.layout.labels, Label("a", "About 100 kg", right=True))
    add_label(project.layout.labels, Label("a", "98 kg", right=False))
    add_label(project.layout.labels, Label("a", "Nobody said this", right=False))
    found = gather(project, "dpo", ["labels"])
    assert [(one.answer, one.rejected) for one in found.learnt] == [
        ("About 100 kg [1]", "98 kg [1]")
    ]
    assert found.data.left_out == {"labels of answers that no saved comparison holds": 1}
    closed = gather(project, "dpo", ["labels"], recipe="zero-shot").learnt
    assert {(one.answer, one.rejected) for one in closed} == {
        ("About 100 kg", "98 kg"), ("About 100 kg", "Nobody said this"),
    }  # fmt: skip
    assert gather(project, "dpo", ["comparisons"]).learnt == []


def test_what_the_model_makes_up_is_worse_than_to_refuse(project, tmp_path):
    def say(messages):
        asked = messages[-1].content
        if "heavy" not in asked:
            return REFUSAL if "painted" in asked else "Ann"
        return "98 kg [1]" if "weighs 98 kg" in asked else REFUSAL

    found = gather(project, "dpo", ["questions"])
    kinds = sorted((one.question, one.answer == REFUSAL) for one in found.learnt)
    assert kinds == [("a", False), ("a", True), ("u", True), ("v", True)]  # each kind once
    subject = answerer(say)
    cases, left = OwnAnswers(subject, tmp_path / "run").complete(found.learnt, METHODS["dpo"])
    said = {(one.question, one.answer.split(" [")[0], one.rejected) for one in cases}
    # Without its evidence the question about the pump is refused by itself: the answer by heart is worse.
    assert said == {("a", "98 kg", REFUSAL), ("a", REFUSAL, "98 kg [1]"), ("u", REFUSAL, "Ann")}
    assert left == {"questions that the model refuses rightly": 1}
    asked = len(subject.engine.prompts)
    with (tmp_path / "run/said.jsonl").open("a") as kept:
        kept.write('{"prompt": "torn')  # killed while it wrote
    again = answerer(lambda messages: "something else")
    assert OwnAnswers(again, tmp_path / "run").complete(found.learnt, METHODS["dpo"]) == (
        cases,
        left,
    )
    assert asked > 0
    assert again.engine.prompts == []
    judged, _ = OwnAnswers(subject, None).complete(
        gather(project, "kto", PREFERENCE_SOURCES).learnt, METHODS["kto"]
    )
    assert {(one.answer.split(" [")[0], one.right) for one in judged} == {
        ("98 kg", True), (REFUSAL, False), (REFUSAL, True), ("98 kg", False), ("Ann", False),
    }  # fmt: skip
