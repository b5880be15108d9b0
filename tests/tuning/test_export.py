"""Every export computes what is served, in the program that it is for; what does not is refused and leaves nothing."""

import dataclasses

import gguf
import openvino_genai
import pytest
import torch
from safetensors.torch import load_file, save_file

from acclimate.errors import EngineError, MissingExtraError, ModelError, SettingsError
from acclimate.models.gguf import GGUFFile
from acclimate.models.gguf_lora import write_gguf_lora
from acclimate.models.merge import _copy_fields, finish
from acclimate.tuning.attached import attach
from acclimate.tuning.export import export as module
from acclimate.tuning.export.export import FORMS, ExportSource, export
from acclimate.tuning.export.parity import Parity
from acclimate.tuning.methods import METHODS
from acclimate.tuning.run import load_network
from acclimate.types import Message

PROMPTS = [(Message("user", text),) for text in ("What does a pump weigh?", "Red, green 7")]
RUNTIME = {
    "peft": "Transformers with PEFT",
    "vllm": "Transformers with PEFT",
    "merged": "Transformers",
    "openvino": "OpenVINO",
}


@pytest.fixture(scope="session")
def tune(tiny_file, tmp_path_factory):
    """A folder as `acclimate tune` leaves it, with noise as what was learnt, and the cache of its engine."""
    root, made = tmp_path_factory.mktemp("tuned"), {}

    def make(name="lora"):
        if name not in made:
            torch.manual_seed(0)
            attached = attach(load_network(tiny_file(), torch.float32), METHODS[name], 4, 8.0)
            with torch.no_grad():
                for parameter in attached.parameters:
                    parameter.add_(0.1 * torch.randn_like(parameter))
            attached.save(root / name, "tiny")
            made[name] = ExportSource(tiny_file(), root / name, root / "cache", base="org/tiny")
        return made[name]

    return make


CASES = [(form, "lora") for form in FORMS]
CASES += [
    ("gguf-lora", "rslora"),
    ("gguf-lora", "pissa"),
    ("gguf", "dora"),
    ("gguf", "ia3"),
    ("gguf", "full"),
]
CASES += [
    ("peft", "adapter"),
    ("peft", "prefix"),
    ("peft", "p-tuning"),
    ("peft", "bitfit"),
    ("openvino", "adapter"),
]
CASES += [("gguf", "bitfit"), ("merged", "full"), ("merged", "layernorm")]


@pytest.mark.parametrize(("form", "name"), CASES)
def test_an_export_computes_what_is_served(tune, tmp_path, form, name):
    done = export(tune(name), form, tmp_path / "out", PROMPTS)
    assert done.parity.holds
    assert done.parity.answers == done.parity.same == len(PROMPTS)
    assert done.parity.runtime.startswith(RUNTIME.get(form, "llama.cpp"))
    assert done.size_mb > 0
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    with pytest.raises(SettingsError, match="exists already"):
        export(tune(name), form, tmp_path / "out", PROMPTS)


def test_merged_weights_may_have_16_bits(tune, tmp_path):
    found = {
        precision: export(
            dataclasses.replace(tune(), precision=precision), "gguf", tmp_path / precision, PROMPTS
        )
        for precision in ("Q8_0", "F16")
    }
    assert found["F16"].size_mb > 1.3 * found["Q8_0"].size_mb


def rescaled(source, target, factor):
    """A GGUF adapter whose scale is another."""
    write_gguf_lora(source.adapter, source.model, target)
    reader, part = GGUFFile(target), target.with_suffix(".part")
    writer = gguf.GGUFWriter(part, arch="")
    _copy_fields(reader, writer)
    for tensor in reader.tensors:
        writer.add_tensor(
            tensor.name, tensor.data * (factor if tensor.name.endswith("lora_b") else 1)
        )
    finish(writer)
    part.replace(target)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_a_wrong_scale_or_no_effect_is_refused(tune, tmp_path, monkeypatch, factor):
    wrong = dataclasses.replace(
        FORMS["gguf-lora"], write=lambda source, target: rescaled(source, target, factor)
    )
    monkeypatch.setitem(FORMS, "gguf-lora", wrong)
    with pytest.raises(EngineError, match="differs from what is served"):
        export(tune(), "gguf-lora", tmp_path / "out.gguf", PROMPTS)
    assert not list(tmp_path.iterdir())


def test_a_file_that_ends_llamacpp_is_an_error(tune, tmp_path, monkeypatch):
    broken = dataclasses.replace(
        FORMS["gguf-lora"], write=lambda _, target: target.write_bytes(b"GGUF")
    )
    monkeypatch.setitem(FORMS, "gguf-lora", broken)
    with pytest.raises(EngineError, match=r"llama\.cpp ended"):
        export(tune(), "gguf-lora", tmp_path / "out.gguf", PROMPTS)


def copied(source, folder, change):
    """A tuned folder with other tensors."""
    folder.mkdir()
    for file in source.adapter.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    file = folder / "adapter_model.safetensors"
    save_file(change(load_file(file)), file)
    return dataclasses.replace(source, adapter=folder)


def test_an_adapter_without_effect_cannot_be_checked(tune, tmp_path):
    source = copied(
        tune(),
        tmp_path / "x",
        lambda all_: {n: t * 0 if "lora_B" in n else t for n, t in all_.items()},
    )
    with pytest.raises(EngineError, match="too little to check"):
        export(source, "gguf", tmp_path / "out", PROMPTS)


@pytest.mark.parametrize("form", ["peft", "gguf-lora", "openvino"])
def test_an_adapter_that_lacks_a_layer_is_refused(tune, tmp_path, form):
    source = copied(
        tune(),
        tmp_path / "x",
        lambda all_: {n: t for n, t in all_.items() if "1.mlp.up_proj" not in n},
    )
    with pytest.raises(
        ModelError,
        match=r"lacks 1 of the 14 layers.*blk\.1\.ffn_up|fit the model: 2 tensors are missing",
    ):
        export(source, form, tmp_path / "out", PROMPTS)


@pytest.mark.parametrize(
    ("form", "name", "hint"),
    [
        ("gguf-lora", "dora", "--to peft or vllm or ollama or gguf or openvino or merged"),
        ("peft", "full", "--to ollama or gguf or openvino or merged"),
        ("gguf", "adapter", "--to peft or openvino"),
        ("openvino", "prefix", "--to peft"),
        ("merged", "bitfit", "--to peft or ollama or gguf or openvino"),
    ],
)
def test_what_a_format_cannot_hold_is_told_with_those_that_can(tune, tmp_path, form, name, hint):
    with pytest.raises(SettingsError, match=f"'{form}' cannot hold {name}") as caught:
        export(tune(name), form, tmp_path / "out", PROMPTS)
    assert caught.value.hint == hint


def test_an_adapter_above_another_is_no_adapter_by_itself(tune, tmp_path):
    source = copied(tune("ia3"), tmp_path / "x", dict)
    for file in tune().adapter.iterdir():
        (source.adapter / "under").mkdir(exist_ok=True)
        (source.adapter / "under" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SettingsError, match="IA3 adapter above another"):
        export(source, "peft", tmp_path / "out", PROMPTS)
    assert export(source, "gguf", tmp_path / "out", PROMPTS).parity.holds


def test_llamacpp_is_an_extra(tune, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "has_llamacpp", lambda: False)
    with pytest.raises(MissingExtraError, match="'export'"):
        export(tune(), "gguf-lora", tmp_path / "out.gguf", PROMPTS)


def test_genai_runs_the_ir_folder(tune, tmp_path):
    export(tune(), "openvino", tmp_path / "out", PROMPTS)
    pipeline = openvino_genai.LLMPipeline(tmp_path / "out", "CPU")
    assert pipeline.generate("1 2 34", max_new_tokens=4)


def test_parity_holds_by_answers_and_by_distribution():
    assert Parity("x", 4, 4, 0.1, 2.0).holds
    assert not Parity("x", 4, 3, 0.1, 2.0).holds
    assert not Parity("x", 4, 4, 0.4, 9.0).holds
    assert not Parity("x", 4, 4, 0.1, 0.3).holds
