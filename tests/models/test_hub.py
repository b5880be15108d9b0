"""Which of a hub repository's files are fetched for an encoder, and that its layers come along."""

import hashlib
import json

import pytest

from acclimate.embeddings.encoder import FAMILIES
from acclimate.errors import ModelError
from acclimate.models import catalogue, fetch
from acclimate.models.encoders import BUILT_FROM_WEIGHTS, ENCODERS
from acclimate.models.entries import Hub, ModelEntry, ModelFile
from tests.models.test_store_and_fetch import HubServer

WEIGHTS, EXPORT, DENSE = b"weights" * 99, b"export" * 99, b"dense" * 9
SMALL = {"config.json": b"{}", "tokenizer.json": b"{}", "modules.json": b"[]"}
LAYERS = {"1_Pooling/config.json": b"{}", "2_Dense/config.json": b"{}"}
ALL = SMALL | LAYERS | {"2_Dense/model.safetensors": DENSE, "README.md": b"", "2_Dense/x.bin": b""}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("ACCLIMATE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    hub = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def put(hub, files, family=None, revision="abc", asked=""):
    told = {"sha": revision, "siblings": [{"rfilename": name} for name in files]}
    told |= {"config": {"model_type": family}} if family else {}
    hub.files[f"/api/models/org/repo{asked}"] = json.dumps(told).encode()
    for name, content in files.items():
        hub.files[f"/org/repo/resolve/{revision}/{name}"] = content


BOTH = {"model.safetensors": WEIGHTS, "onnx/model.onnx": EXPORT}


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("family", "form", "weights"),
    [
        ("bert", None, "model.safetensors"),
        ("modernbert", None, "model.safetensors"),
        ("mpnet", None, "onnx/model.onnx"),
        ("deberta-v2", None, "onnx/model.onnx"),
        ("mpnet", "safetensors", "model.safetensors"),
        ("bert", "onnx", "onnx/model.onnx"),
    ],
)
def test_weights_that_run_are_taken(hub, kind, told, family, form, weights):
    config = json.dumps({"model_type": family}).encode()
    put(hub, ALL | BOTH | {"config.json": config}, family if told else None)
    model = fetch.fetch("org/repo", kind, form=form)
    assert model.weights.relative_to(model.folder).as_posix() == weights
    found = {file.relative_to(model.folder).as_posix() for file in model.folder.rglob("*.*")}
    assert found >= {*SMALL, *LAYERS, "2_Dense/model.safetensors", weights}
    assert len(found & BOTH.keys()) == 1
    assert not found & {"README.md", "2_Dense/x.bin"}


def test_what_there_is_is_taken_where_only_one_is(hub):
    put(hub, SMALL | {"model.safetensors": WEIGHTS}, "mpnet")
    assert fetch.fetch("org/repo", "embedder").weights.name == "model.safetensors"
    with pytest.raises(ModelError, match="no onnx file"):
        fetch.fetch("org/repo", "embedder", again=True, form="onnx")


def test_an_entry_with_pinned_weights_gets_the_rest_of_its_revision(hub, monkeypatch):
    pinned = ModelFile("model.safetensors", 0, hashlib.sha256(WEIGHTS).hexdigest())
    made = ModelEntry(
        "tiny", "embedder", "MIT", "", (pinned,), (Hub("org/repo", "fixed"),), listed=True
    )
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", made)
    put(hub, ALL | BOTH, revision="fixed", asked="/revision/fixed")
    model = fetch.fetch("tiny", "embedder")
    assert model.sha256 == pinned.sha256
    assert (model.folder / "2_Dense/model.safetensors").read_bytes() == DENSE
    assert not (model.folder / "onnx").exists()


def test_both_rooms_mean_the_same_families():
    assert frozenset(FAMILIES) == BUILT_FROM_WEIGHTS


def test_entries_name_a_source_and_weights():
    for entry in ENCODERS:
        assert entry.kind in ("embedder", "reranker")
        assert len(entry.files) == len(entry.sources) >= 1
        assert entry.size > 50_000_000
        for file, source in zip(entry.files, entry.sources, strict=True):
            assert len(file.sha256) in (0, 64)
            # what is gathered from packages has their versions
            assert not file.sha256 or getattr(source, "revision", "") != "main"


SHARDS = {f"model-0000{at}-of-00002.safetensors": WEIGHTS for at in (1, 2)}
BESIDE = SMALL | {"model.safetensors.index.json": b"{}", "chat_template.jinja": b"x"}


@pytest.mark.parametrize("weights", [{"model.safetensors": WEIGHTS}, SHARDS])
def test_a_language_model_comes_as_safetensors_where_there_is_no_gguf(hub, weights):
    put(hub, BESIDE | weights | {"README.md": b"", "pytorch_model.bin": b"pickle"})
    model = fetch.resolve("org/repo", "language")
    assert model.weights.name == min(weights)
    there = {file.name for file in model.folder.iterdir() if file.name != "acclimate-files.json"}
    assert there == weights.keys() | BESIDE.keys() - {"modules.json"}
    assert model.name == "org/repo"


def test_a_gguf_is_preferred_and_a_repository_without_weights_refused(hub):
    put(hub, BESIDE | {"model.safetensors": WEIGHTS, "m-Q4_K_M.gguf": b"GGUF"})
    assert fetch.fetch("org/repo", "language").weights.suffix == ".gguf"
    model = fetch.fetch("org/repo", "language", again=True, form="safetensors")
    assert model.weights.name == "model.safetensors"
    put(hub, BESIDE | {"pytorch_model.bin": b"pickle"})
    with pytest.raises(ModelError, match=r"neither a GGUF file of a known kind nor"):
        fetch.fetch("org/repo", "language", again=True)
