"""From a project to a file for other programs, by the command line."""

import json
import shutil

import pytest
import torch

from acclimate.cli.main import run
from acclimate.project import Project
from acclimate.tuning.attached import attach
from acclimate.tuning.methods import METHODS
from acclimate.tuning.run import load_network


@pytest.fixture
def project(tmp_path, tiny_file, monkeypatch):
    """A project whose model is a tiny one, with a tuned adapter and two questions."""
    folder = tmp_path / "project"
    (folder / "documents").mkdir(parents=True)
    with Project.create(folder, folder / "documents") as made:
        file = made.file
    shutil.copyfile(tiny_file(), folder / "tiny.gguf")
    text = file.read_text(encoding="utf-8")
    assert '# name = "smollm2-135m-instruct"' in text
    file.write_text(
        text.replace('# name = "smollm2-135m-instruct"', 'name = "tiny.gguf"'), encoding="utf-8"
    )
    torch.manual_seed(0)
    attached = attach(load_network(tiny_file(), torch.float32), METHODS["lora"], 4, 8.0)
    with torch.no_grad():
        for parameter in attached.parameters:
            parameter.add_(0.1 * torch.randn_like(parameter))
    attached.save(folder / ".acclimate" / "adapters" / "lora", "tiny")
    rows = [
        {"id": str(n), "question": f"Red or green {n}?", "answers": ["red"], "split": "dev"}
        for n in range(2)
    ]
    (folder / "questions.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    monkeypatch.chdir(folder)
    return folder


def test_the_command_writes_checks_and_tells(project, capsys):
    assert run(["export", "lora", "out.gguf", "--to", "gguf-lora"]) == 0
    said = capsys.readouterr().out
    assert "llama.cpp" in said
    assert "2 of 2 answers as served" in said
    assert (project / "out.gguf").is_file()
    assert run(["export", "lora", "ir", "--to", "openvino", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parity"]["same"] == 2
    assert run(["export", "lora", "out.gguf", "--to", "gguf"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_cannot_be_exported_is_told(project, capsys):
    assert run(["export", "zero-shot", "out", "--to", "peft"]) == 2
    assert "uses no adapter" in capsys.readouterr().err
    assert run(["export", "dora", "out", "--to", "peft"]) == 2
    assert "acclimate tune dora" in capsys.readouterr().err
    assert run(["export", "lora", "out", "--to", "onnx"]) == 2
    file = project / ".acclimate" / "adapters" / "lora" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes().replace(b'"base_model":"tiny"', b'"base_model":"huge"'))
    assert run(["export", "lora", "out", "--to", "openvino"]) == 1
    assert "was trained for 'huge'" in capsys.readouterr().err
    assert not (project / "out").exists()
