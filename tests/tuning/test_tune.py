"""`acclimate tune` with the default model: a short run leaves an adapter that recipes wear and comparisons can run."""

import json

import pytest
from peft import PeftConfig

from acclimate.errors import ProjectError, SettingsError
from acclimate.project import Project

DOCUMENTS = {
    "pump.md": "# Pump\n\nThe Fjell pump weighs 98 kg and is made in Oslo.",
    "fan.md": "# Fan\n\nThe fan turns 900 times a minute.",
    "shop.md": "# Shop\n\nThe shop opens at nine.",
}
QUESTIONS = [
    ("a", "How heavy is the pump?", "98 kg", "pump.md", "weighs 98 kg", "train"),
    ("b", "How fast does the fan turn?", "900 times a minute", "fan.md", "900 times a minute", "dev"),
    ("c", "When does the shop open?", "nine", "shop.md", "opens at nine", "test"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    (folder / "documents").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "documents" / name).write_text(text)
    keys = ("id", "question", "answers", "document", "evidence", "split")
    rows = [dict(zip(keys, (i, q, [a], d, e, s), strict=True)) for i, q, a, d, e, s in QUESTIONS]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Project.create(folder, folder / "documents") as made:
        made.ingest()
        yield made


def test_a_recipe_without_its_adapter_names_the_command(project):
    with pytest.raises(SettingsError, match="not trained yet") as caught:
        project.answer("How heavy?", recipe="lora")
    assert caught.value.hint == "acclimate tune lora"


def test_a_short_run_makes_an_adapter_that_is_served(project):
    heard = []
    tuned = project.tune("lora+rag", minutes=0.02, on_step=lambda seconds, figures: heard.append(figures))
    assert heard
    assert tuned.trained.loss_after <= tuned.trained.loss_before
    assert tuned.same >= tuned.checked / 2 > 0
    folder = project.folder / ".acclimate" / "adapters" / "lora+rag"
    assert PeftConfig.from_pretrained(str(folder)).r == 16
    assert (folder / "loss.svg").read_text().startswith("<svg")
    assert json.loads((folder / "training.json").read_text())["cases"] == tuned.trained.cases
    answer = project.answer("How heavy is the pump?", recipe="lora+rag")
    assert answer.model.endswith("+lora+rag")
    assert "98" in answer.text
    comparison = project.compare(["rag", "lora+rag"])
    assert {row.recipe for row in comparison.rows} == {"rag", "lora+rag"}
    assert comparison.row("lora+rag").prepare_s > comparison.row("rag").prepare_s


@pytest.mark.parametrize("name", ["rag", "stuffing+lora", "lora+few-shot", "halves"])
def test_what_cannot_be_tuned_is_refused(project, name):
    with pytest.raises((SettingsError, ProjectError), match="no way to tune"):
        project.tune(name, minutes=0.01)
