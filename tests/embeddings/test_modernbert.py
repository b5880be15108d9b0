"""ModernBERT as a graph, held to Transformers on random weights: rotary positions, local attention, GeGLU, heads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification, ModernBertConfig

from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.embeddings.modernbert import GLOBAL, LOCAL, layer_kinds
from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.errors import ModelError
from acclimate.testing.embeddings import check_embedder
from acclimate.testing.rerank import check_cross_encoder

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = ["the cat sat on a mat.", "a", "", "walking, walking é 猫 thirty days " * 5, "the cat"]
QUESTION = "is the cat on the mat"
OLD = {"global_attn_every_n_layers": 3, "global_rope_theta": 80_000.0, "local_rope_theta": 500.0}


def make_config(**settings):
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
    sizes |= {"num_hidden_layers": 4, "max_position_embeddings": 96, "local_attention": 8}
    rope = {
        kind: {"rope_type": "default", "rope_theta": theta}
        for kind, theta in ((GLOBAL, 80_000.0), (LOCAL, 500.0))
    }
    return ModernBertConfig(
        vocab_size=120, pad_token_id=0, rope_parameters=rope, **(sizes | settings)
    )


def save(folder: Path, config, make, tiny):
    """A random model of a config as Transformers saves it."""
    folder.mkdir()
    shutil.copy(tiny.folder / "tokenizer.json", folder)
    torch.manual_seed(5)
    model = make(config, attn_implementation="eager").eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.3) if value.ndim > 1 else torch.nn.init.normal_(
            value, mean=1.0, std=0.2
        )
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return model


def tokens(folder: Path, limit: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit, strategy="longest_first")
    return tokenizer


def expected(folder: Path, model, pooling: str) -> np.ndarray:
    """Unit vectors of the texts by Transformers, each alone."""
    rows = []
    with torch.no_grad():
        for text in TEXTS:
            ids = tokens(folder, 96).encode(text).ids
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
            row = hidden[0] if pooling == "cls" else hidden.mean(0)
            rows.append(row / np.linalg.norm(row))
    return np.array(rows)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("form", ["new", "old", "biased"])
def test_vectors_are_those_of_transformers(tiny, tmp_path, pooling, form):
    biases = ("attention_bias", "mlp_bias", "norm_bias")
    config = make_config(**dict.fromkeys(biases, form == "biased"))
    model = save(tmp_path / "m", config, AutoModel.from_config, tiny)
    if form == "old":  # as the first checkpoints say it
        written = json.loads((tmp_path / "m/config.json").read_text())
        kept = {k: v for k, v in written.items() if k not in ("layer_types", "rope_parameters")}
        (tmp_path / "m/config.json").write_text(json.dumps(kept | OLD))
    spec = EmbedderSpec(pooling, 96)
    ours = OpenVINOEmbedder(tmp_path / "m", spec=spec, weights_sha256="1" * 64, precision="f32")
    wanted = expected(tmp_path / "m", model, pooling)
    longest = max(len(tokens(tmp_path / "m", 96).encode(text).ids) for text in TEXTS)
    assert longest > 30  # else no attention is local
    np.testing.assert_allclose(ours.embed_passages(TEXTS), wanted, atol=2e-5)
    fast = OpenVINOEmbedder(tmp_path / "m", spec=spec, weights_sha256="1" * 64)
    assert (fast.embed_passages(TEXTS) * wanted).sum(1).min() > 0.999


def test_the_window_of_local_attention_counts(tiny, tmp_path):
    """With another window than it was made for, vectors of long texts are others, those of short ones are not."""
    save(tmp_path / "m", make_config(), AutoModel.from_config, tiny)

    def embed():
        spec = EmbedderSpec("cls", 96)
        model = OpenVINOEmbedder(
            tmp_path / "m", spec=spec, weights_sha256="1" * 64, precision="f32"
        )
        return model.embed_passages(TEXTS)

    before = embed()
    config = json.loads((tmp_path / "m/config.json").read_text())
    (tmp_path / "m/config.json").write_text(json.dumps(config | {"local_attention": 10}))
    same = (before * embed()).sum(1)
    assert same[3] < 0.999
    assert same[1] > 0.99999


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("labels", [1, 2])
def test_scores_are_those_of_transformers(tiny, tmp_path, pooling, labels):
    config = make_config(classifier_pooling=pooling, num_labels=labels)
    make = AutoModelForSequenceClassification.from_config
    model = save(tmp_path / "m", config, make, tiny)
    ours = OpenVINOCrossEncoder(tmp_path / "m", precision="f32")
    found = ours.scores(QUESTION, TEXTS)
    for text, score in zip(TEXTS, found, strict=True):
        ids = tokens(tmp_path / "m", 96).encode(QUESTION, text).ids
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0].numpy()
        assert score == pytest.approx(logits[0] if labels == 1 else logits[1] - logits[0], abs=1e-4)


def test_contracts(tiny, tmp_path):
    save(tmp_path / "e", make_config(), AutoModel.from_config, tiny)
    spec = EmbedderSpec("cls", 96)
    check_embedder(lambda: OpenVINOEmbedder(tmp_path / "e", spec=spec, weights_sha256="1" * 64))
    make = AutoModelForSequenceClassification.from_config
    save(tmp_path / "c", make_config(num_labels=1), make, tiny)
    check_cross_encoder(OpenVINOCrossEncoder(tmp_path / "c", precision="f32"), tolerance=1e-4)


def test_what_is_not_supported_is_named(tiny, tmp_path):
    save(tmp_path / "m", make_config(), AutoModel.from_config, tiny)
    file = tmp_path / "m/config.json"
    config = json.loads(file.read_text())
    assert layer_kinds(config) == layer_kinds({"num_hidden_layers": 4, **OLD})
    wrong = {
        "activation 'swiglu'": {"hidden_activation": "swiglu"},
        "rope_type 'yarn'": {"rope_parameters": {GLOBAL: {"rope_type": "yarn"}}},
        "type 'chunked_attention'": {"layer_types": ["chunked_attention"] * 4},
        "config.json lacks 'intermediate_size'": {"intermediate_size": None},
        "lack the tensor 'layers.4.": {"layer_types": [GLOBAL] * 5},
    }
    for said, change in wrong.items():
        changed = {k: v for k, v in (config | change).items() if v is not None}
        file.write_text(json.dumps(changed))
        with pytest.raises(ModelError, match=said):
            OpenVINOEmbedder(tmp_path / "m", spec=EmbedderSpec("cls", 96), weights_sha256="1" * 64)
