"""Question-answering models of Transformers as extractors, against Transformers itself."""

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForQuestionAnswering

from acclimate.embeddings.bert import IDS, MASK
from acclimate.embeddings.extractor import Extractor
from acclimate.embeddings.weights import read_weights
from acclimate.errors import ModelError
from acclimate.project import Project
from acclimate.settings_file import set_key
from acclimate.types import Chunk

TEXT = "the cat sat on a mat. notice period is thirty days."
QUESTION = "is the cat on the mat"
CHUNK = Chunk("1", "d.md", 0, len(TEXT), TEXT)


def save_network(folder: Path, config: dict[str, object]) -> torch.nn.Module:
    """A random network for question answering, saved as Transformers saves it."""
    values = config | {"vocab_size": 96, "intermediate_size": 64, "hidden_dim": 64}
    if values["model_type"] != "distilbert":
        values["type_vocab_size"] = 1 if values["model_type"] == "roberta" else 2
    torch.manual_seed(3)
    made = AutoConfig.for_model(values.pop("model_type"), **values)
    model = AutoModelForQuestionAnswering.from_config(made).eval()
    for value in model.parameters():
        if value.ndim > 1:
            torch.nn.init.normal_(value, std=0.2)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(made.to_dict()))
    return model


def by_transformers(folder: Path, model: torch.nn.Module) -> tuple[str, float]:
    """The likeliest answer of at most 30 tokens, and the mean log-probability of its ends, as a
    probability."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encoding = tokenizer.encode(QUESTION, TEXT)
    inputs = {"input_ids": torch.tensor([encoding.ids])}
    if getattr(model.config, "type_vocab_size", 1) > 1:
        inputs["token_type_ids"] = torch.tensor([encoding.type_ids])
    with torch.no_grad():
        output = model(**inputs)
    inside = [at for at, kind in enumerate(encoding.sequence_ids) if kind == 1]
    closing = inside[-1] + 1
    seen = [0, *inside, *([closing] if encoding.type_ids[closing] else [])]
    starts, ends = (
        dict(zip(seen, logits[0, seen].log_softmax(0).tolist(), strict=True))
        for logits in (output.start_logits, output.end_logits)
    )
    spans = [(a, b) for a, b in itertools.product(inside, inside) if 0 <= b - a < 30]
    score, first, last = max((starts[a] + ends[b], a, b) for a, b in spans)
    offsets = encoding.offsets
    return TEXT[offsets[first][0] : offsets[last][1]], float(np.exp(score / 2))


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_places_are_those_of_transformers(make_tiny, tmp_path: Path, family: str) -> None:
    tiny = make_tiny(tmp_path / family, family)
    model = save_network(tiny.folder, tiny.config)
    config = json.loads((tiny.folder / "config.json").read_text())
    weights = read_weights(tiny.folder / "model.safetensors")
    extractor = Extractor(
        config, weights, tiny.folder / "tokenizer.json", words=(200,), precision="f32"
    )
    best = extractor.best_spans(QUESTION, [CHUNK])[0]
    text, sure = by_transformers(tiny.folder, model)
    assert TEXT[best.span.start : best.span.end] == text
    assert best.confidence == pytest.approx(sure, abs=1e-4)


def save_onnx(file: Path) -> None:
    """Start and end logits by token id alone: highest for "thirty" (13)."""
    table = np.zeros((96, 1), np.float32)
    table[13] = 9
    tensors = [numpy_helper.from_array(table, "table")]
    tensors += [numpy_helper.from_array(np.array([2], np.int64), "last")]
    shape = ["B", "S"]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in (IDS, MASK)]
    sides = ("start_logits", "end_logits")
    nodes = [helper.make_node("Gather", ["table", IDS], ["column"])]
    nodes += [helper.make_node("Squeeze", ["column", "last"], [side]) for side in sides]
    outputs = [helper.make_tensor_value_info(side, TensorProto.FLOAT, shape) for side in sides]
    graph = helper.make_graph(nodes, "qa", inputs, outputs, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, file)


def test_an_onnx_export_marks(make_tiny, tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "onnx").folder
    config = json.loads((folder / "config.json").read_text())
    save_onnx(folder / "model.onnx")
    extractor = Extractor(config, folder / "model.onnx", folder / "tokenizer.json", words=(200,))
    best = extractor.best_spans(QUESTION, [CHUNK])[0]
    assert TEXT[best.span.start : best.span.end] == "thirty"
    assert best.confidence > 0.9
    (found,) = extractor.relevance(QUESTION, [TEXT])
    (other,) = extractor.relevance(QUESTION, ["the cat sat"])
    assert found > 0 > -other or found > other


def test_a_project_answers_by_the_model_that_it_names(make_tiny, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.txt").write_text(TEXT)
    folder = make_tiny(tmp_path / "reader").folder
    with Project.create(tmp_path, Path("documents")) as project:
        project.ingest()
    set_key(tmp_path / "acclimate.toml", "answer", "extractor", "reader")
    with (
        Project.open(tmp_path) as project,
        pytest.raises(ModelError, match="no question-answering"),
    ):
        _ = project.extractor
    save_onnx(folder / "model.onnx")
    (folder / "model.safetensors").unlink()
    with Project.open(tmp_path) as project:
        answer = project.answer(QUESTION, recipe="extract")
    assert (answer.text, answer.model) == ("thirty", "reader")
    assert answer.citations[0].document == "a.txt"
