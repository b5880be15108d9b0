"""`acclimate tune internalise`: documents on both sides, questions never; what was read once is kept by chunk."""

import json
from dataclasses import replace
from functools import partial

import pytest

from acclimate.cli.tune import echo_tuned
from acclimate.project import Project
from acclimate.prompting.recipes import find_recipe
from acclimate.questions.file import read_questions
from acclimate.tuning import internalise, trainer
from acclimate.tuning.trainer import TrainSettings
from acclimate.types import Chunk, Question
from acclimate.workflows import study as studying
from acclimate.workflows.questions import LEARNT, write_learnt
from acclimate.workflows.read_documents import STUDIED, documents_note, documents_read, read_studied
from acclimate.workflows.study import Lesson, Studied, prepare_study
from acclimate.workflows.tune import TuneOptions, prepare
from acclimate.workflows.tune_study import changed_since

DOCUMENTS = {
    "pump.md": "# Pump\n\nThe Fjell pump weighs 98 kg and is made in Oslo by Ada Holm.",
    "fan.md": "# Fan\n\nThe fan may turn 900 times a minute in summer.",
    "shop.md": "# Shop\n\nThe shop opens on 4 January 2027 and is closed in the winter.",
}
QUESTIONS = [
    ("b", "How fast does the fan turn?", "900 times", "fan.md", "900 times", "dev"),
    ("c", "When does the shop open?", "4 January 2027", "shop.md", "4 January 2027", "test"),
    ("d", "Who is the Fjell pump made by?", "Ada Holm", "pump.md", "by Ada Holm", "test"),
]


@pytest.fixture
def project(tmp_path, tiny_file):
    """Three documents, two of them asked about in the test split; a network that trains in a moment."""
    (tmp_path / "documents").mkdir()
    for name, text in DOCUMENTS.items():
        (tmp_path / "documents" / name).write_text(text)
    keys = ("id", "question", "answers", "document", "evidence", "split")
    rows = [dict(zip(keys, (i, q, [a], d, e, s), strict=True)) for i, q, a, d, e, s in QUESTIONS]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "acclimate.toml").write_text(
        f"[documents]\npath = \"documents\"\n[model]\nname = '{tiny_file(window=8192)}'\nmax_tokens = 8\n"
    )
    with Project.open(tmp_path) as opened:
        opened.ingest()
        yield opened


@pytest.fixture
def few_steps(monkeypatch):
    """Runs of so many steps, however busy the machine is."""
    monkeypatch.setattr(trainer, "TrainSettings", partial(TrainSettings, steps=3))


@pytest.fixture
def read(monkeypatch):
    """The first question of each lesson that a reader was asked."""
    asked, teach = [], internalise.Reader.teach

    def watched(self, cases, readings):
        asked.append(cases[0].question)
        return teach(self, cases, readings)

    monkeypatch.setattr(internalise.Reader, "teach", watched)
    return asked


def taught(project, prepared):
    """What the reader holds of a run's cases."""
    job, studied = prepared.job, prepared.training_set.studied
    return studying.teach(project, studied, job.cases, prepared.model)


@pytest.mark.usefixtures("few_steps", "one_thread")
def test_documents_are_learnt_that_are_tested_and_only_what_changed_is_read_again(
    project, read, capsys
):
    tuned = project.tune("internalise", replay=False)
    assert len(read) == 3
    together = min(32, tuned.trained.cases)  # in each of two sequences, three times
    assert tuned.trained.passes == pytest.approx(6 * together / tuned.trained.cases, rel=0.05)
    for passes, times in ((1.25, 1), (3.0, 0)):
        trained = replace(tuned.trained, passes=passes, seconds=1800)
        echo_tuned(replace(tuned, trained=trained))
        assert capsys.readouterr().err.count("5 times: --minutes 120.") == times
    assert (tuned.data.source, tuned.data.checked_against) == ("the documents", 2)
    folder = project.layout.adapters / "internalise"
    known = read_studied(folder)
    assert known.keys() == DOCUMENTS.keys()
    kept = {file.stem for file in project.layout.studies.glob("*/*.json")}
    assert kept == {key for keys in known.values() for key in keys}
    rows = [json.loads(line) for line in (folder / "learnt.jsonl").read_text().splitlines()]
    assert {row["document"] for row in rows} == {None}
    assert "98 kg" in {answer for row in rows for answer in row["answers"]}

    comparison = project.compare(["internalise"])  # no leak, though the documents are the same
    assert comparison.row("internalise").documents == "learnt"
    assert "internalise: learnt them" in comparison.notes[0]

    file = project.documents / "fan.md"
    file.write_text("# Fan\n\nThe fan may turn 700 times a minute in summer.")
    project.ingest()
    again = prepare(project, "internalise", TuneOptions())
    told = "what changed in the documents, with 2 of 3 chunks"
    assert again.training_set.data.source == told
    assert again.job.start == folder  # it goes on from what it knew
    del read[:]
    cases = taught(project, again)
    assert len(read) == 1  # the others are kept
    assert any(case.taught for case in cases)
    whole = prepare(project, "internalise", TuneOptions(again=True))
    assert (whole.job.start, whole.training_set.data.source) == (None, "the documents")


class Killed(Exception):  # noqa: N818 -- an end, not an error
    """Stands for a kill."""


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_reads_again_only_what_was_not_kept_whole(project, read, monkeypatch):
    prepared, keep, kept = prepare(project, "internalise", TuneOptions()), studying._keep, []

    def dying(file, held):
        if len(kept) == 2:
            raise Killed
        keep(file, held)
        kept.append(file)

    monkeypatch.setattr(studying, "_keep", dying)
    with pytest.raises(Killed):
        taught(project, prepared)
    kept[0].write_text("[[[[3], [0.")  # as a machine that lost power leaves it
    monkeypatch.setattr(studying, "_keep", keep)
    del read[:]
    first = taught(project, prepared)
    assert len(read) == 2
    assert first == taught(project, prepared)
    assert len(read) == 2


def test_no_question_of_dev_or_test_is_learnt(project):
    studied = prepare_study(project)
    asked = {one.question for lesson in studied.lessons for one in lesson.asked}
    assert "Who is the Fjell pump made by?" not in asked
    assert not any({"Fjell", "pump", "made"} == set(text.strip("?").split()[1:]) for text in asked)
    assert project.find_leaks() == []


def test_what_two_passages_say_is_noted_once_and_can_be_read_again(project, tmp_path):
    studied = prepare_study(project)
    whole = replace(studied, lessons=(*studied.lessons, studied.lessons[0]))
    write_learnt(tmp_path, whole.questions)
    noted = read_questions(tmp_path / LEARNT)
    assert [one.question for one in noted] == [one.question for one in studied.questions]


def test_with_passages_the_gold_passage_is_cited_among_others(project):
    cases = prepare(project, "internalise+rag", TuneOptions()).training_set.learnt
    heavy = [case for case in cases if case.answer.startswith("98 kg")]
    assert heavy
    for case in heavy:
        shown = case.messages[-1].content
        number = case.answer.removeprefix("98 kg ")
        assert "weighs 98 kg" in shown.split(number)[1].split("\n\n[")[0]
    assert not any(case.taught for case in cases)


def lesson(text):
    chunk = Chunk(text, f"{text}.md", 0, len(text), text)
    return Lesson(chunk, (Question("q", f"What is {text}?", (text,)),))


def test_only_what_changed_is_learnt_while_that_is_less_than_half():
    lessons = tuple(lesson(f"fact {number}") for number in range(30))
    whole = Studied(
        lessons, tuple(Question(f"r{n}", "?", answerable=False) for n in range(30)), (), 0
    )
    known = {one.key for one in lessons[2:]}
    part = changed_since(whole, known)
    assert part.lessons[:2] == lessons[:2]
    assert len(part.lessons) == 4  # and as many of the others
    assert len(part.refused) == 4
    assert part == changed_since(whole, known)
    assert changed_since(whole, set()) is whole
    assert changed_since(whole, {one.key for one in lessons}) is whole
    assert changed_since(whole, {one.key for one in lessons[16:]}) is whole


@pytest.mark.parametrize(
    ("recipe", "learnt", "known"),
    [
        ("zero-shot", None, "unread"),
        ("lora", [], "unread"),
        ("rag", None, "searched"),
        ("internalise", ["a.md", "b.md"], "learnt"),
        ("internalise", ["a.md"], "learnt in part"),
        ("internalise+rag", ["a.md", "b.md", "c.md"], "learnt and searched"),
        ("internalise+rag", ["b.md"], "learnt in part, searched"),
    ],
)
def test_a_recipe_says_how_it_knows_the_documents_that_are_asked_about(
    tmp_path, recipe, learnt, known
):
    if learnt:
        rows = [json.dumps({"document": path, "chunks": []}) for path in learnt]
        (tmp_path / STUDIED).write_text("\n".join(rows))
    asked = [Question("1", "?", document="a.md"), Question("2", "?", documents=("a.md", "b.md"))]
    adapter = None if learnt is None else tmp_path
    assert documents_read(find_recipe(recipe), adapter, asked) == known
    assert documents_read(find_recipe(recipe), adapter, [Question("3", "?")]) == ""


def test_a_note_says_who_knows_what():
    assert documents_note({"rag": "searched", "stuffing": "searched"}) == []
    note = documents_note({"rag": "searched", "lora": "unread", "given": ""})
    assert note == [
        "The documents that these questions are about: rag: search them; lora: had read none of them."
    ]
