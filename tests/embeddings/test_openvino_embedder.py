import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import EmbedderSpec, read_spec
from acclimate.errors import ModelError
from acclimate.testing.embeddings import check_embedder

TEXTS = [
    "the cat sat on a mat.",
    "notice period is thirty days",
    "a",
    "",
    "walking, walking é 猫 " * 6,
    "the cat",
]
SPEC = EmbedderSpec(max_tokens=48)

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * weight + bias


def reference(model, text, *, pooling="mean", offset=0):
    """One text through BERT in float64 NumPy, written from the paper; no batches, no padding."""
    tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(SPEC.max_tokens)
    ids = tokenizer.encode(text).ids
    w = {name: array.astype(np.float64) for name, array in model.weights.items()}
    distil = model.config["model_type"] == "distilbert"
    keys = (
        ["dim", "n_heads", "n_layers"]
        if distil
        else ["hidden_size", "num_attention_heads", "num_hidden_layers"]
    )
    hidden, heads, layers = (int(model.config[key]) for key in keys)
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][offset : offset + len(ids)]
    if not distil:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = _norm(x, w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"])
    names = (
        "attention.q_lin attention.k_lin attention.v_lin attention.out_lin sa_layer_norm "
        "ffn.lin1 ffn.lin2 output_layer_norm"
        if distil
        else "attention.self.query attention.self.key attention.self.value attention.output.dense "
        "attention.output.LayerNorm intermediate.dense output.dense output.LayerNorm"
    ).split()
    for layer in range(layers):
        root = f"{'transformer' if distil else 'encoder'}.layer.{layer}."
        q, k, v, o, n1, up, down, n2 = (
            (w[f"{root}{n}.weight"], w[f"{root}{n}.bias"]) for n in names
        )

        def heads_of(p, x=x):
            return (x @ p[0].T + p[1]).reshape(len(ids), heads, -1).transpose(1, 0, 2)

        scores = heads_of(q) @ heads_of(k).transpose(0, 2, 1) / math.sqrt(hidden / heads)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        attended = (weights / weights.sum(-1, keepdims=True)) @ heads_of(v)
        x = _norm(attended.transpose(1, 0, 2).reshape(len(ids), hidden) @ o[0].T + o[1] + x, *n1)
        h = x @ up[0].T + up[1]
        h = h * 0.5 * (1 + _erf(h / math.sqrt(2)))
        x = _norm(h @ down[0].T + down[1] + x, *n2)
    pooled = x.mean(0) if pooling == "mean" else x[0]
    return pooled / np.linalg.norm(pooled)


def embedder(folder: Path, **settings) -> OpenVINOEmbedder:
    return OpenVINOEmbedder(
        folder, **({"spec": SPEC, "weights_sha256": "0" * 64, "precision": "f32"} | settings)
    )


def worst_cosine(model, vectors, **options) -> float:
    return min(
        float(row @ reference(model, text, **options))
        for row, text in zip(vectors, TEXTS, strict=True)
    )


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(("precision", "least"), [("f32", 0.999999), ("auto", 0.9999)])
def test_equals_a_numpy_forward_pass(tiny, pooling, precision, least):
    spec = EmbedderSpec(pooling=pooling, max_tokens=SPEC.max_tokens)
    vectors = embedder(tiny.folder, spec=spec, precision=precision).embed_passages(TEXTS)
    assert worst_cosine(tiny, vectors, pooling=pooling) >= least


@pytest.mark.parametrize(
    ("family", "prefix", "offset"),
    [
        ("bert", "bert.", 0),
        ("distilbert", "distilbert.", 0),
        ("roberta", "roberta.", 1),
        ("xlm-roberta", "", 1),
    ],
)
def test_families(make_tiny, tmp_path, family, prefix, offset):
    model = make_tiny(tmp_path, family, prefix)
    assert worst_cosine(model, embedder(tmp_path).embed_passages(TEXTS), offset=offset) >= 0.999999


def test_contract(tiny):
    check_embedder(lambda: embedder(tiny.folder))


def test_more_texts_than_a_window_keep_their_order_and_report_progress(tiny, monkeypatch):
    monkeypatch.setattr("acclimate.embeddings.openvino._WINDOW", 16)
    texts = [f"{'cat ' * (n * 7 % 13)}{n}" for n in range(100)]
    done: list[int] = []
    model = embedder(tiny.folder, batch_tokens=64)
    together = model.embed_passages(texts, done.append)
    alone = np.concatenate([model.embed_passages([text]) for text in texts])
    assert sum(done) == 100
    assert len(done) > 6
    assert (together * alone).sum(1).min() > 0.99999


def test_a_query_gets_its_turn_during_a_long_job(tiny):
    model = embedder(tiny.folder, threads=1)
    order: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        started = False

        def on_done(_: int) -> None:
            nonlocal started
            if not started:
                started = True
                pool.submit(lambda: (model.embed_queries(["cat"]), order.append("query")))

        model.embed_passages(["the cat sat on a mat " * 4] * 4000, on_done)
        order.append("passages")
    assert order == ["query", "passages"]


def test_prefixes_are_part_of_the_text(tiny):
    prefixed = embedder(
        tiny.folder,
        spec=EmbedderSpec(max_tokens=48, query_prefix="walk: ", passage_prefix="notice "),
    )
    plain = embedder(tiny.folder)
    np.testing.assert_allclose(
        prefixed.embed_queries(["cat"]), plain.embed_queries(["walk: cat"]), atol=1e-6
    )
    np.testing.assert_allclose(
        prefixed.embed_passages(["cat"]), plain.embed_passages(["notice cat"]), atol=1e-6
    )


def test_of_a_text_over_the_limit_every_window_counts(tiny):
    model = embedder(tiny.folder)
    front, back = "cat " * 40, "mat " * 40
    whole, first, second, short = model.embed_passages([front + back, front, back, "sat"])
    mean = (first + second) / np.linalg.norm(first + second)
    np.testing.assert_allclose(whole, mean, atol=1e-3)
    assert whole @ first < 0.999
    np.testing.assert_allclose(short, model.embed_passages(["sat"])[0], atol=1e-3)


def test_texts_in_windows_are_counted_once_and_keep_their_order(tiny):
    model, done = embedder(tiny.folder), []
    texts = ["cat " * 200, "the", "mat " * 100, "sat"] * 3
    vectors = model.embed_passages(texts, done.append)
    assert sum(done) == len(texts)
    np.testing.assert_allclose(vectors[:4], vectors[4:8], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_fingerprint_changes_with_what_changes_the_vectors(tiny):
    specs = [
        SPEC,
        EmbedderSpec("cls", 48),
        EmbedderSpec("mean", 32),
        EmbedderSpec("mean", 48, query_prefix="q"),
    ]
    prints = {embedder(tiny.folder, spec=spec).fingerprint for spec in specs}
    prints.add(embedder(tiny.folder, weights_sha256="1" * 64).fingerprint)
    assert len(prints) == 5
    assert embedder(tiny.folder, precision="auto").fingerprint == embedder(tiny.folder).fingerprint


def test_half_precision_weights_are_read(tiny, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(tiny.config))
    (tmp_path / "tokenizer.json").write_bytes((tiny.folder / "tokenizer.json").read_bytes())
    save_file(
        {n: a.astype(np.float16) for n, a in tiny.weights.items()}, tmp_path / "model.safetensors"
    )
    assert worst_cosine(tiny, embedder(tmp_path).embed_passages(TEXTS)) >= 0.99999


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "t5"}, "'t5'"),
        ({"hidden_act": "swish"}, "'swish'"),
        ({"position_embedding_type": "relative_key"}, "'relative_key'"),
        ({"num_hidden_layers": 3}, "encoder.layer.2.attention.self.query.weight"),
        ({"max_position_embeddings": 40}, "max_tokens is 48"),
    ],
)
def test_what_cannot_run_is_refused_by_name(make_tiny, tmp_path, change, said):
    model = make_tiny(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(model.config | change))
    with pytest.raises(ModelError, match=said.replace(".", r"\.")):
        embedder(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_damaged_files_are_named(make_tiny, tmp_path, name, damage):
    make_tiny(tmp_path)
    file = tmp_path / name
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(ModelError) as caught:
        embedder(tmp_path)
    assert caught.value.hint
    assert name in str(caught.value) or name == "config.json"


def test_spec_is_read_from_the_sentence_transformers_layout(tiny, tmp_path):
    def put(name: str, content: object) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))

    assert read_spec(tiny.folder) == EmbedderSpec("mean", 64)
    put("config.json", {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    assert read_spec(tmp_path).max_tokens == 512
    put("sentence_bert_config.json", {"max_seq_length": 256})
    put(
        "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "document": "passage: "}},
    )
    put(
        "1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    )
    assert read_spec(tmp_path) == EmbedderSpec("cls", 256, "query: ", "passage: ")
    put("1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(ModelError, match="pooling_mode_max_tokens"):
        read_spec(tmp_path)
    put("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    with pytest.raises(ModelError, match="pooling_mode_max_tokens"):
        read_spec(tmp_path)
    put("1_Pooling/config.json", {"pooling_mode": "cls"})  # as newer versions write it
    with pytest.raises(ModelError, match=r"2_Dense lacks config\.json"):
        read_spec(tmp_path)
    put("modules.json", [{"type": "sentence_transformers.models.LSTM", "path": "2_LSTM"}])
    with pytest.raises(ModelError, match="'LSTM'"):
        read_spec(tmp_path)
    assert read_spec(tmp_path, runs_here=False).query_prefix == "query: "
