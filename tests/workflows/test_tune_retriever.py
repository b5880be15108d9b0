"""`acclimate tune --target` with the default embedder, on words that it cannot know: a zorp is a weight."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from acclimate.cli.main import run
from acclimate.errors import LibraryError, ModelError, SettingsError
from acclimate.project import Project
from acclimate.settings_file import set_key
from acclimate.tuning.encoders import trainer as encoder_trainer
from acclimate.workflows.tune_retriever import mine_questions, tune_retriever

THINGS = ["pump", "fan", "boiler", "tank", "valve", "heater", "meter", "burner", "cooler"]
SECTIONS = {
    "Mass": "Empty, the {thing} has a mass of {n} kg on a scale, without packaging.",
    "Colour": "The {thing} is painted in shade {n}; other paint is made to order.",
    "Room": "Put the {thing} {n} cm from the wall, on a level floor of concrete.",
    "Noise": "The {thing} is heard at {n} decibels one metre away, doors closed.",
}
WORDS = {"zorp": "Mass", "quill": "Colour", "brank": "Room", "snerd": "Noise"}
SPLITS = ["train"] * 5 + ["dev"] * 3 + ["test"]


def write(folder: Path) -> None:
    (folder / "documents").mkdir()
    rows = []
    for at, (thing, split) in enumerate(zip(THINGS, SPLITS, strict=True)):
        said = {
            head: text.format(thing=thing, n=100 + 10 * at + i)
            for i, (head, text) in enumerate(SECTIONS.items())
        }
        body = "\n\n".join(f"## {head}\n\n{text}" for head, text in said.items())
        (folder / "documents" / f"{thing}.md").write_text(f"# {thing.title()}\n\n{body}\n")
        for i, (word, head) in enumerate(WORDS.items()):
            row = {
                "id": f"{thing}-{word}",
                "question": f"What is the {word} of the {thing}?",
                "split": split,
            }
            row |= {
                "answers": [str(100 + 10 * at + i)],
                "document": f"{thing}.md",
                "evidence": said[head],
            }
            rows.append(row)
    rows.append(
        {"id": "none", "question": "Who?", "answers": ["x"], "document": None, "split": "train"}
    )
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """A step takes three seconds, on any machine."""
    ticks = itertools.count()
    monkeypatch.setattr(
        encoder_trainer, "time", SimpleNamespace(monotonic=lambda: float(next(ticks)))
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("words")
    write(made)
    with Project.create(made, made / "documents") as project:
        set_key(project.file, "chunking", "method", "sections")
    with Project.open(made) as project:
        assert project.ingest().chunks >= 36
    return made


def test_mined_passages_are_right_and_wrong(folder: Path) -> None:
    with Project.open(folder) as project:
        learnt = [question for question in project.questions() if question.split == "train"]
        mined = mine_questions(project, learnt)
    assert len(mined) == len(learnt) - 1, "the question without a document is left out"
    for one in mined:
        assert all(one.question.evidence in chunk.text for chunk in one.right)
        assert one.wrong
        assert not any(one.question.answers[0] in chunk.text for chunk in one.wrong)


def test_a_reranker_learns_the_words_and_is_used(folder: Path) -> None:
    with Project.open(folder) as project:
        heard = []
        done = tune_retriever(
            project,
            "reranker",
            minutes=0.6,
            take=True,
            on_step=lambda seconds, figures: heard.append(figures),
        )
        assert done.samples == 20
        assert done.skipped == 1
        assert heard[0]["seconds_left"] > heard[-1]["seconds_left"]
        assert done.after.ndcg > done.before.ndcg
        assert done.gain.interval.mean == pytest.approx(done.after.ndcg - done.before.ndcg)
        assert done.taken
    assert not list(folder.glob(".acclimate/encoders/*.training"))
    size = sum(
        file.stat().st_size for file in (folder / ".acclimate" / "encoders" / "reranker").iterdir()
    )
    assert size < 3_000_000
    with Project.open(folder) as project:
        assert project.settings.retrieval.rerank == ".acclimate/encoders/reranker"
        assert project.settings.retrieval.rerank_weight is None
        assert project.cross_encoder.weight == done.weight
        with pytest.raises(
            SettingsError, match="'rag' uses reranker, which was trained on 20 of these"
        ):
            project.compare(["rag"], split="train")
        ranks = []
        for question in (q for q in project.questions() if q.split == "dev"):
            hits = project.retrieve(question.question, 20)
            ranks.append(next(hit.rank for hit in hits if question.evidence in hit.chunk.text))
    assert sum(1 / rank for rank in ranks) / len(ranks) == pytest.approx(done.after.mrr, abs=0.05)


def test_an_embedder_learns_them_and_the_library_notices(folder: Path) -> None:
    with Project.open(folder) as project:
        set_key(project.file, "retrieval", "rerank", "none")
        done = tune_retriever(project, "embedder", minutes=0.6, matryoshka=True, take=True)
        assert done.after.ndcg > done.before.ndcg
        assert list(done.shorter) == [384, 192, 96, 48]
        assert done.shorter[384] == pytest.approx(done.after.ndcg)
        before = project.embedder.fingerprint
    with Project.open(folder) as project:
        assert project.embedder.fingerprint != before
        with pytest.raises(LibraryError, match="another embedder"):
            project.retrieve("What is the zorp of the pump?")
        report = project.ingest()
        assert report.embedded == report.chunks
        assert project.retrieve("What is the zorp of the meter?", 1)[0].chunk.document == "meter.md"
        set_key(project.file, "embedder", "dimensions", 96)
    with Project.open(folder) as project:
        assert project.embedder.dimensions == 96
        project.ingest()
        assert project.retrieve("What is the zorp of the meter?", 1)[0].chunk.document == "meter.md"
        set_key(project.file, "retrieval", "rerank", ".acclimate/encoders/embedder")
    with (
        Project.open(folder) as project,
        pytest.raises(ModelError, match="tuned as embedder, not as reranker"),
    ):
        _ = project.cross_encoder


def test_what_does_not_go_together_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["lora", "--target", "reranker"], "goes without RECIPE"),
        (["lora", "--take"], "belong to"),
    ):
        assert run(["tune", *arguments, "-p", str(folder)]) == 2
        assert said in capsys.readouterr().err
    with Project.open(folder) as project, pytest.raises(SettingsError, match="has vectors to nest"):
        tune_retriever(project, "reranker", minutes=1, matryoshka=True)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.md").write_text("Nothing.")
    with Project.create(tmp_path, tmp_path / "documents") as project:
        project.ingest()
        with pytest.raises(SettingsError, match="no question of the train split"):
            tune_retriever(project, "embedder", minutes=1)
