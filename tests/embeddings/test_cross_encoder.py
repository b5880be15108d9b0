import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from acclimate.embeddings.bert import IDS, MASK, TYPES
from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.errors import ModelError
from acclimate.testing.rerank import check_cross_encoder

TEXTS = ["the cat sat on a mat.", "notice period is thirty days", "", "walking 猫 " * 40, "a"]
QUESTION = "is the cat on the mat"


@pytest.fixture
def make_classifier(make_tiny, tmp_path: Path):
    """A random sequence classifier of a family, saved as Transformers saves it."""

    def make(family: str = "bert", labels: int = 1) -> tuple[Path, torch.nn.Module]:
        tiny = make_tiny(tmp_path / family, family)
        values = tiny.config | {
            "num_labels": labels,
            "vocab_size": 96,
            "intermediate_size": 64,
            "hidden_dim": 64,
        }
        if family != "distilbert":
            values["type_vocab_size"] = 1 if family == "roberta" else 2
        torch.manual_seed(3)
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        model = AutoModelForSequenceClassification.from_config(config).eval()
        for value in model.parameters():
            torch.nn.init.normal_(value, std=0.2) if value.ndim > 1 else None
        save_file(
            {k: v.contiguous() for k, v in model.state_dict().items()},
            tiny.folder / "model.safetensors",
        )
        (tiny.folder / "config.json").write_text(json.dumps(config.to_dict()))
        return tiny.folder, model

    return make


def expected(folder: Path, model: torch.nn.Module, text: str, limit: int) -> np.ndarray:
    """Logits of one pair by Transformers, without a batch."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit, strategy="longest_first")
    encoding = tokenizer.encode(QUESTION, text)
    inputs = {"input_ids": torch.tensor([encoding.ids])}
    if getattr(model.config, "type_vocab_size", 1) > 1:
        inputs["token_type_ids"] = torch.tensor([encoding.type_ids])
    with torch.no_grad():
        return model(**inputs).logits[0].numpy()


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("labels", [1, 2])
def test_scores_are_those_of_transformers(make_classifier, family: str, labels: int) -> None:
    folder, model = make_classifier(family, labels)
    found = OpenVINOCrossEncoder(folder, precision="f32", max_tokens=60).scores(QUESTION, TEXTS)
    for text, score in zip(TEXTS, found, strict=True):
        logits = expected(folder, model, text, 60)
        assert score == pytest.approx(logits[0] if labels == 1 else logits[1] - logits[0], abs=2e-5)


def test_contract(make_classifier) -> None:
    folder, _ = make_classifier()
    check_cross_encoder(OpenVINOCrossEncoder(folder, precision="f32"), tolerance=1e-4)
    check_cross_encoder(OpenVINOCrossEncoder(folder, threads=1), tolerance=0.1)


def save_onnx(file: Path, outputs: int = 1) -> np.ndarray:
    """A bag of words with a weight for each token id."""
    table = np.random.default_rng(1).normal(size=(96, outputs)).astype(np.float32)
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "S"]) for n in (IDS, MASK, TYPES)
    ]
    nodes = [
        helper.make_node("Gather", ["table", IDS], ["words"]),
        helper.make_node("Cast", [MASK], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "last"], ["column"]),
        helper.make_node("Mul", ["words", "column"], ["seen"]),
        helper.make_node("Cast", [TYPES], ["second"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["second", "last"], ["passage"]),
        helper.make_node("Mul", ["seen", "passage"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "one"], ["logits"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(table, "table")]
    constants += [
        numpy_helper.from_array(np.array([at], np.int64), name)
        for name, at in (("last", 2), ("one", 1))
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", outputs])
    graph = helper.make_graph(nodes, "bag", inputs, [logits], constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file
    )
    return table


def test_an_onnx_export_runs_as_it_is(make_tiny, tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "onnx").folder
    (folder / "model.safetensors").unlink()
    table = save_onnx(folder / "model.onnx")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(64, strategy="longest_first")
    encodings = [tokenizer.encode(QUESTION, text) for text in TEXTS]
    wanted = [float(table[e.ids, 0] @ np.array(e.type_ids, np.float32)) for e in encodings]
    found = OpenVINOCrossEncoder(folder, precision="f32").scores(QUESTION, TEXTS)
    assert found == pytest.approx(wanted, abs=1e-5)
    save_onnx(folder / "model.onnx", outputs=5)
    with pytest.raises(ModelError, match="has 5 labels"):
        OpenVINOCrossEncoder(folder)


def test_what_is_no_ranking_classifier_is_refused(make_classifier, tiny, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no sequence classifier"):
        OpenVINOCrossEncoder(tiny.folder)
    with pytest.raises(ModelError, match="has 3 labels"):
        OpenVINOCrossEncoder(make_classifier(labels=3)[0])
    with pytest.raises(ModelError, match=r"neither model\.safetensors"):
        OpenVINOCrossEncoder(tmp_path)
