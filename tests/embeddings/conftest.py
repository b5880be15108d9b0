"""A tiny random BERT with its own WordPiece tokenizer, in the files that real models have."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HIDDEN, HEADS, LAYERS, WIDE, POSITIONS = 32, 4, 2, 64, 64
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "notice",
    "period",
    "is",
    "thirty",
]
WORDS += ["day", "##s", "##ing", "walk", ".", ",", "é", "猫"]
LETTERS = [
    f"{mark}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789" for mark in ("", "##")
]


@dataclass(frozen=True)
class TinyModel:
    folder: Path
    weights: dict[str, np.ndarray]
    config: dict[str, object]


def save_tokenizer(folder: Path) -> int:
    vocabulary = list(dict.fromkeys([*WORDS, *LETTERS]))
    tokenizer = Tokenizer(
        models.WordPiece(
            {word: i for i, word in enumerate(vocabulary)},
            unk_token="[UNK]",
            max_input_chars_per_word=50,
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # Real files hold what their authors trained with; an embedder must not obey it.
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(8)
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(vocabulary)


def make_weights(family: str, vocabulary: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.LayerNorm": (HIDDEN,),
    }
    if family == "distilbert":
        parts = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin")
        parts += ("sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm")
        layers = "transformer.layer"
    else:
        shapes["embeddings.token_type_embeddings.weight"] = (2, HIDDEN)
        parts = (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        )
        parts += (
            "attention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
        )
        layers = "encoder.layer"
    sizes = [(HIDDEN, HIDDEN)] * 4 + [(HIDDEN,), (WIDE, HIDDEN), (HIDDEN, WIDE), (HIDDEN,)]
    for layer in range(LAYERS):
        shapes |= {
            f"{layers}.{layer}.{part}": size for part, size in zip(parts, sizes, strict=True)
        }
    weights = {}
    for name, shape in shapes.items():
        values = rng.normal(0, 0.3, shape).astype(np.float32)
        if name.endswith("embeddings.weight"):
            weights[name] = values
        else:
            weights[f"{name}.weight"] = values + np.float32(len(shape) == 1)
            weights[f"{name}.bias"] = rng.normal(0, 0.1, shape[:1]).astype(np.float32)
    return weights


def make_config(family: str) -> dict[str, object]:
    common: dict[str, object] = {
        "model_type": family,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 0,
    }
    if family == "distilbert":
        return common | {"dim": HIDDEN, "n_heads": HEADS, "n_layers": LAYERS, "activation": "gelu"}
    sizes = {
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "layer_norm_eps": 1e-12,
    }
    return common | sizes | {"hidden_act": "gelu"}


def make_model(folder: Path, family: str = "bert", prefix: str = "") -> TinyModel:
    folder.mkdir(parents=True, exist_ok=True)
    weights = make_weights(family, save_tokenizer(folder))
    config = make_config(family)
    save_file(
        {prefix + name: array for name, array in weights.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(config))
    return TinyModel(folder, weights, config)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    return make_model(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def make_tiny():
    return make_model
