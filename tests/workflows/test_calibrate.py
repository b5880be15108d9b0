"""The extractor of choice, and its limits chosen on a project's own questions."""

import json
from pathlib import Path

import pytest

from acclimate.embeddings.tuned import EXTRACTOR
from acclimate.errors import SettingsError
from acclimate.files import jsonlines
from acclimate.project import Project
from acclimate.settings_file import set_key
from acclimate.workflows.calibrate import calibrate
from acclimate.workspace.extractor import Limits, fingerprint, write_limits

FACTS = {
    "heron": ("The Heron pump", "runs at 1450 revolutions", "How fast does the Heron pump run?"),
    "stork": ("The Stork mixer", "weighs 83 kilograms", "What does the Stork mixer weigh?"),
    "raven": ("The Raven press", "was built in Malmo", "Where was the Raven press built?"),
    "finch": ("The Finch lathe", "needs 400 volts", "What voltage does the Finch lathe need?"),
}


def make(folder: Path, split: str = "dev") -> None:
    documents = folder / "documents"
    documents.mkdir(parents=True)
    rows = []
    for name, (thing, says, question) in FACTS.items():
        evidence = f"{thing} {says}."
        (documents / f"{name}.txt").write_text(f"{evidence} It is cleaned on Mondays.\n")
        row = {"id": name, "question": question, "answers": [" ".join(says.split()[-2:])]}
        row |= {"document": f"{name}.txt", "evidence": evidence, "answerable": True}
        rows.append({**row, "split": split})
    jsonlines.write(folder / "questions.jsonl", rows)
    with Project.create(folder, Path("documents")) as project:
        project.ingest()
    set_key(folder / "acclimate.toml", "answer", "second_reader", "none")


def test_limits_are_chosen_judged_and_kept(tmp_path: Path) -> None:
    make(tmp_path)
    # Limits under which nothing is answered: any choice is better.
    with Project.open(tmp_path) as project:
        silent = Limits((90, 130), threshold=1.0)
        write_limits(silent, EXTRACTOR, project.layout, project.local_model)
    heard: list[tuple[int, int]] = []
    with Project.open(tmp_path) as project:
        assert project.extractor.limits == silent
        before = fingerprint(EXTRACTOR, project.layout, project.local_model)
        assert project.answer(FACTS["heron"][2], recipe="extract").abstained
        found = calibrate(project, take=True, on_progress=lambda *at: heard.append(at))
        after = fingerprint(EXTRACTOR, project.layout, project.local_model)
    assert heard[-1][0] == heard[-1][1] == len(heard)
    assert (found.questions, found.with_model, found.taken) == (4, False, True)
    assert found.after > found.before == pytest.approx(1 / 7), "only what has no answer was right"
    assert found.limits.threshold < 1
    assert sum(one.count for one in found.reliability) == 8
    assert before != after, "kept answers of comparisons are not taken for those of other limits"
    with Project.open(tmp_path) as project:
        assert project.extractor.limits == found.limits
        assert "1450" in project.answer(FACTS["heron"][2], recipe="extract").text


def test_beside_the_model_what_it_said_is_asked_for_once(tmp_path: Path, monkeypatch) -> None:
    make(tmp_path)
    set_key(tmp_path / "acclimate.toml", "answer", "second_reader", "auto")
    heard: list[tuple[int, int]] = []
    with Project.open(tmp_path) as project:
        found = calibrate(project, on_progress=lambda *at: heard.append(at))
    assert heard[-1][0] == heard[-1][1] == len(heard)
    assert (found.questions, found.with_model) == (4, True)
    (kept,) = (tmp_path / ".acclimate" / "optimisations").glob("extractor-*.jsonl")
    said = {row["id"]: row["text"] for _, row in jsonlines.read_rows(kept)}
    assert set(said) == {*FACTS, *(f"{name} elsewhere" for name in FACTS)}
    assert "1450" in said["heron"], "the model's own words"
    with Project.open(tmp_path) as project:
        engine = project.engine("rag")
        monkeypatch.setattr(type(engine), "generate", None)  # nothing is asked again
        again = calibrate(project)
    assert (again.limits, again.after) == (found.limits, found.after)


def test_limits_of_other_weights_do_not_count(tmp_path: Path) -> None:
    make(tmp_path)
    with Project.open(tmp_path) as project:
        shipped = project.extractor.limits
        file = write_limits(Limits((50,)), EXTRACTOR, project.layout, project.local_model)
    row = json.loads(file.read_text())
    file.write_text(json.dumps({**row, "sha256": "0" * 64}))
    with Project.open(tmp_path) as project:
        assert project.extractor.limits == shipped


def test_without_dev_questions_there_is_nothing_to_choose_by(tmp_path: Path) -> None:
    make(tmp_path, split="test")
    with Project.open(tmp_path) as project, pytest.raises(SettingsError, match="no answerable dev"):
        calibrate(project)
