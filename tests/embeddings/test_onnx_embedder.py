"""The ONNX path, on a one-layer encoder that uses every input an exported BERT has."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.errors import ModelError
from acclimate.testing.embeddings import check_embedder

RNG = np.random.default_rng(3)
WORDS, TYPES = (
    RNG.normal(size=(150, 16)).astype(np.float32),
    RNG.normal(size=(2, 16)).astype(np.float32),
)
MIX = RNG.normal(size=(16, 16)).astype(np.float32)
TEXTS = ["the cat sat on a mat", "notice", "", "walking 猫 . " * 9]


def save_onnx(file: Path, *, types: bool = True, pooled: bool = False) -> None:
    """tanh((words[ids] + types[token_type_ids]) · mix); padding must not leak through the pooling."""
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"]) for name in names]
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["w"])]
    if types:
        nodes.append(helper.make_node("Gather", ["types", "token_type_ids"], ["t"]))
        nodes.append(helper.make_node("Add", ["w", "t"], ["x"]))
    nodes.append(helper.make_node("MatMul", ["x" if types else "w", "mix"], ["y"]))
    nodes.append(helper.make_node("Tanh", ["y"], ["last_hidden_state"]))
    shape: list[str | int] = ["b", "s", 16]
    if pooled:
        nodes.append(
            helper.make_node("ReduceMean", ["last_hidden_state"], ["pooled"], keepdims=0, axes=[1])
        )
        shape = ["b", 16]
    output = helper.make_tensor_value_info(
        "pooled" if pooled else "last_hidden_state", TensorProto.FLOAT, shape
    )
    tables = [("words", WORDS), ("types", TYPES), ("mix", MIX)]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [output],
        [numpy_helper.from_array(array, name) for name, array in tables],
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file
    )


def reference(folder: Path, text: str, pooling: str, types: bool) -> np.ndarray:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokens = np.tanh((WORDS[tokenizer.encode(text).ids] + (TYPES[0] if types else 0)) @ MIX)
    vector = tokens.mean(0) if pooling == "mean" else tokens[0]
    return vector / np.linalg.norm(vector)


@pytest.fixture
def folder(tiny, tmp_path: Path) -> Path:
    shutil.copy(tiny.folder / "tokenizer.json", tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "max_position_embeddings": 64})
    )
    return tmp_path


def embedder(folder: Path, pooling: str = "mean") -> OpenVINOEmbedder:
    spec = EmbedderSpec(pooling=pooling, max_tokens=64)
    return OpenVINOEmbedder(folder, spec=spec, weights_sha256="2" * 64, precision="f32")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(("name", "types"), [("model.onnx", True), ("onnx/model.onnx", False)])
def test_equals_a_numpy_forward_pass(folder, pooling, name, types):
    save_onnx(folder / name, types=types)
    vectors = embedder(folder, pooling).embed_passages(TEXTS)
    for row, text in zip(vectors, TEXTS, strict=True):
        assert float(row @ reference(folder, text, pooling, types)) > 0.999999


def test_contract(folder):
    save_onnx(folder / "model.onnx")
    check_embedder(lambda: embedder(folder))


def test_a_graph_without_token_vectors_is_refused(folder):
    save_onnx(folder / "model.onnx", pooled=True)
    with pytest.raises(ModelError, match="0 outputs of rank 3"):
        embedder(folder)


def test_a_damaged_file_is_refused(folder):
    (folder / "model.onnx").write_bytes(b"not a protobuf")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be read"):
        embedder(folder)
