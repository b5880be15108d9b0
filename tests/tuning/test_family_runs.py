"""A folder of safetensors of another family is tuned, compared with its engine, gone on with, and handed over."""

import json
import runpy
from functools import partial
from pathlib import Path

import peft
import pytest
import torch

from acclimate.errors import SettingsError
from acclimate.project import Project
from acclimate.tuning import run, trainer
from acclimate.tuning.methods import METHODS
from acclimate.tuning.pairs.pairs import PairSource
from acclimate.tuning.run import TuningJob, train
from acclimate.tuning.trainer import TrainSettings
from acclimate.types import Message

made = runpy.run_path(str(Path(__file__).parent / "families.py"))
pytestmark = pytest.mark.usefixtures("one_thread")
TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m.role }}: {{ m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant:{% endif %}"
)
PAIRS = [
    {"prompt": "Say hello", "completion": "Ahoy!"},
    {"prompt": "Say goodbye", "completion": "Fair winds!"},
]


def save(folder, family):
    """Written before an answer: a space, which the prompt does not end with."""
    made["letters"](TEMPLATE).save_pretrained(folder)
    made["tiny"](family).save_pretrained(folder)
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose model is a tiny folder; questions and documents are there too."""
    torch.ones(9).add(1)  # PyTorch asks once what follows, which is for our choice of a type alone
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(
        "ATEN_CPU_CAPABILITY", "avx2"
    )  # both in 32 bits: networks of noise are unsteady
    monkeypatch.setattr(trainer, "TrainSettings", partial(TrainSettings, steps=40))
    model = save(tmp_path / "tiny-gemma", "gemma3_text")
    folder = tmp_path / "project"
    (folder / "documents").mkdir(parents=True)
    (folder / "acclimate.toml").write_text(
        f'[documents]\npath = "documents"\n[model]\nname = "{model}"\nmax_tokens = 12\n'
    )
    asked = [{"id": row["prompt"], "question": row["prompt"], "answers": ["x"]} for row in PAIRS]
    rows = "".join(json.dumps(row | {"split": "dev"}) + "\n" for row in asked)
    (folder / "questions.jsonl").write_text(rows)
    with Project.open(folder) as opened:
        yield opened


def write(project, rows):
    file = project.folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PairSource(file)


def test_a_folder_is_tuned_served_and_handed_over(project, tmp_path):
    tuned = project.tune("lora", data=write(project, PAIRS))
    assert tuned.trained.loss_after < tuned.trained.loss_before - 0.5
    assert (tuned.same, tuned.checked, tuned.engine) == (2, 2, "Transformers")
    folder = project.folder / ".acclimate/adapters/lora"
    loaded = peft.PeftModel.from_pretrained(made["tiny"]("gemma3_text"), str(folder))
    assert loaded.peft_config["default"].target_modules >= {"q_proj", "down_proj"}
    assert "lm_head" not in loaded.peft_config["default"].target_modules
    with pytest.raises(SettingsError, match="hub id is not known"):
        project.export("lora", "vllm", tmp_path / "no")
    with pytest.raises(SettingsError, match="tuned on a folder") as caught:
        project.export("lora", "gguf", tmp_path / "no")
    assert "--to peft or vllm or merged" in caught.value.hint
    done = project.export("lora", "vllm", tmp_path / "helpdesk", base="org/tiny-gemma")
    assert done.parity.same == done.parity.answers > 0
    config = json.loads((tmp_path / "helpdesk/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "org/tiny-gemma"
    assert config["lora_alpha"] == 32
    assert isinstance(config["lora_alpha"], int)
    card = (tmp_path / "helpdesk/README.md").read_text()
    assert "base_model: org/tiny-gemma\nbase_model_relation: adapter\nlibrary_name: peft" in card
    assert "--max-lora-rank 8 --lora-modules helpdesk=." in card
    assert "2 cases (pairs.jsonl)" in card
    assert str(tmp_path) not in card
    assert [one.name for one in tmp_path.iterdir() if one.name == "no"] == []


def test_a_folder_prefers_what_a_file_prefers(project):
    rows = [
        {"prompt": "Who runs it?", "chosen": "Not in the documents.", "rejected": "Ann."},
        {"prompt": "Who owns it?", "chosen": "Not in the documents.", "rejected": "Bob."},
    ]
    tuned = project.tune("dpo", data=write(project, rows), rate=3e-3)
    assert tuned.trained.loss_before == pytest.approx(0.6931, abs=1e-3)
    assert tuned.trained.loss_after < 0.6
    assert tuned.data.cases == 2
    assert tuned.same == tuned.checked


def test_a_stopped_run_of_another_family_goes_on_exactly(tmp_path, monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")  # as above: in 32 bits
    weights = save(tmp_path / "m", "phi3") / "model.safetensors"
    cases = [run.Case((Message("user", f"ask {at}"),), f"say {at}") for at in range(4)]

    def tune(folder, until=None):
        def stop(seconds, figures):
            steps.append(figures)
            if len(steps) == until:
                raise KeyboardInterrupt

        steps = []
        job = TuningJob(weights, "m", cases, cases, tmp_path / folder, METHODS["lora"])
        settings = TrainSettings(steps=4, batch=1, checkpoint_minutes=0, patience=99)
        return train(job, settings, on_step=stop)[1]

    with pytest.raises(KeyboardInterrupt):
        tune("stopped", until=3)
    again, whole = tune("stopped"), tune("whole")
    assert again.step == whole.step == 4
    for one, other in zip(again.masters, whole.masters, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_answers_are_learnt_as_the_template_writes_them(tmp_path):
    """This template puts a space before an answer, which the prompt does not end with."""
    template = TEMPLATE.replace(
        "{{ m.content }}", "{% if m.role == 'assistant' %} {% endif %}{{ m.content }}"
    )
    template = template.replace("{{ m.role }}: ", "{{ m.role }}:")
    made["letters"](template).save_pretrained(tmp_path)
    made["tiny"]("smollm3").save_pretrained(tmp_path)
    chat, window = run.read_chat(tmp_path / "model.safetensors")
    assert window == 512
    example = run.CaseSampler([run.Case((Message("user", "Hi"),), "Ho!")], chat, window).examples[0]
    decode = partial(chat.tokenizer.decode, skip_special_tokens=False)
    assert decode(list(example.prompt)).replace(" ", "") == "<|turn|>user:Hi<|turn|>assistant:"
    assert [chat.tokenizer.id_to_token(one) for one in example.answer] == [
        " ",
        "H",
        "o",
        "!",
        "</s>",
    ]
