"""Layers after the pooling, held to sentence-transformers; which of a folder's weights are run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BertConfig, BertModel

from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.embeddings.encoder import weights_file
from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.sentence_transformers import SentenceTransformersEmbedder
from acclimate.embeddings.spec import Wishes, read_layers, read_spec
from acclimate.errors import ModelError

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = ["the cat sat on a mat.", "notice period is thirty days", "a", "walking 猫 " * 9]
QUESTION = "is the cat on the mat"


def put(folder: Path, name: str, content: object) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def save_layer(folder: Path, layer: nn.Module, root: str, **config) -> None:
    folder.mkdir()
    save_file(
        {f"{root}.{k}": v for k, v in layer.state_dict().items()}, folder / "model.safetensors"
    )
    put(folder, "config.json", config)


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """A tiny BERT whose mean goes through a Dense to 48, one back with an activation, and a norm."""
    torch.manual_seed(4)
    shutil.copy(tiny.folder / "tokenizer.json", tmp_path)
    config = BertConfig(
        vocab_size=150, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64, initializer_range=0.3,
        architectures=["BertModel"],
    )  # fmt: skip
    save_file(
        BertModel(config, add_pooling_layer=False).state_dict(), tmp_path / "model.safetensors"
    )
    put(tmp_path, "config.json", config.to_dict())
    put(
        tmp_path,
        "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizerFast", "model_max_length": 64},
    )
    root = "sentence_transformers.models."
    kinds = ("Transformer", "Pooling", "Dense", "Dense", "LayerNorm", "Normalize")
    modules = [
        {"idx": at, "name": f"{at}", "path": f"{at}_{kind}" if at else "", "type": root + kind}
        for at, kind in enumerate(kinds)
    ]
    put(tmp_path, "modules.json", modules)
    put(
        tmp_path,
        "1_Pooling/config.json",
        {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
    )
    wide = {"in_features": 32, "out_features": 48, "bias": True}
    name = "torch.nn.modules.linear.Identity"
    save_layer(tmp_path / "2_Dense", nn.Linear(32, 48), "linear", activation_function=name, **wide)
    narrow = {"in_features": 48, "out_features": 32, "bias": False}
    name = "torch.nn.modules.activation.GELU"
    layer = nn.Linear(48, 32, bias=False)
    save_layer(tmp_path / "3_Dense", layer, "linear", activation_function=name, **narrow)
    norm = nn.LayerNorm(32)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    save_layer(tmp_path / "4_LayerNorm", norm, "norm", dimension=32)
    return tmp_path


def test_vectors_are_those_of_sentence_transformers(folder):
    spec = read_spec(folder, wishes=Wishes(query_prefix="", passage_prefix="the "))
    assert [layer.kind for layer in spec.layers] == ["Dense", "Dense", "LayerNorm"]
    ours = OpenVINOEmbedder(folder, spec=spec, weights_sha256="0" * 64, precision="f32")
    theirs = SentenceTransformersEmbedder(folder, spec=spec, weights_sha256="0" * 64, device="cpu")
    np.testing.assert_allclose(ours.embed_passages(TEXTS), theirs.embed_passages(TEXTS), atol=2e-5)
    assert ours.fingerprint == theirs.fingerprint


def test_a_user_chooses_the_layers_and_they_count_in_the_fingerprint(folder):
    quiet = {"query_prefix": "", "passage_prefix": ""}
    whole = read_spec(folder, wishes=Wishes(**quiet))
    some = read_spec(folder, wishes=Wishes(**quiet, layers=("2_Dense",)))
    none = read_spec(folder, wishes=Wishes(**quiet, layers=()))
    specs = (whole, some, none)
    assert len({spec.fingerprint("0" * 64) for spec in specs}) == 3
    sizes = [
        OpenVINOEmbedder(folder, spec=spec, weights_sha256="0" * 64).dimensions for spec in specs
    ]
    assert sizes == [32, 48, 32]
    before = whole.fingerprint("0" * 64)
    save_file({"linear.weight": torch.zeros(48, 32)}, folder / "2_Dense/model.safetensors")
    assert read_spec(folder, wishes=Wishes(**quiet)).fingerprint("0" * 64) != before


def test_a_residual_is_added(folder):
    config = json.loads((folder / "2_Dense/config.json").read_text())
    put(folder, "2_Dense/config.json", config | {"use_residual": True})
    tensors = {"linear.weight": torch.randn(48, 32), "linear.bias": torch.randn(48)}
    tensors["residual.weight"] = torch.randn(48, 32)
    save_file(tensors, folder / "2_Dense/model.safetensors")
    test_vectors_are_those_of_sentence_transformers(folder)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_reranker_whose_head_is_in_layers(folder, pooling):
    """As the rerankers over ettin are kept: encoder, pooling, dense, norm, dense to one number."""
    keys = {
        "pooling_mode_cls_token": pooling == "cls",
        "pooling_mode_mean_tokens": pooling == "mean",
    }
    put(folder, "1_Pooling/config.json", {"word_embedding_dimension": 32, **keys})
    layer = nn.Linear(32, 1)
    none = "torch.nn.modules.linear.Identity"
    save_layer(
        folder / "5_Dense", layer, "linear", activation_function=none,
        in_features=32, out_features=1, bias=True,
    )  # fmt: skip
    modules = json.loads((folder / "modules.json").read_text())
    modules[5] |= {"path": "5_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}
    put(folder, "modules.json", modules)
    found = OpenVINOCrossEncoder(folder, precision="f32").scores(QUESTION, TEXTS)
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(folder), device="cpu")
    inputs = theirs[0].tokenizer([QUESTION] * 4, TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        wanted = theirs(dict(inputs))["sentence_embedding"][:, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_layers_that_do_not_fit_are_named(folder):
    save_file({"linear.weight": torch.zeros(48, 31)}, folder / "2_Dense/model.safetensors")
    spec = read_spec(folder, "all-minilm")
    with pytest.raises(ModelError, match="for vectors of 32"):
        OpenVINOEmbedder(folder, spec=spec, weights_sha256="0" * 64)
    put(
        folder,
        "2_Dense/config.json",
        {"activation_function": "torch.nn.modules.activation.Softshrink"},
    )
    with pytest.raises(ModelError, match="Softshrink"):
        read_layers(folder)
    with pytest.raises(ModelError, match="9_Dense lacks"):
        read_layers(folder, ("9_Dense",))


def test_an_export_beside_weights_of_another_family_is_run(folder):
    assert weights_file(folder).name == "model.safetensors"
    (folder / "onnx").mkdir()
    (folder / "onnx/model.onnx").touch()
    assert weights_file(folder).name == "model.safetensors"
    for family in ("mpnet", "nomic_bert", "deberta-v2"):
        put(folder, "config.json", {"model_type": family})
        assert weights_file(folder) == folder / "onnx/model.onnx"
    (folder / "onnx/model.onnx").unlink()
    with pytest.raises(ModelError, match="type is 'deberta-v2'"):
        OpenVINOEmbedder(folder, spec=read_spec(folder, "e5-small"), weights_sha256="0" * 64)
    with pytest.raises(ModelError, match="type is 'deberta-v2'"):
        OpenVINOCrossEncoder(folder)
