"""Encoders packed in four bits: the tensors of ggml's own reader, and the vectors of the same weights unpacked."""

import json
import struct

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.packed import PACKED, packed_config, read_packed
from acclimate.embeddings.spec import read_spec
from acclimate.errors import ModelError
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.entries import Gathered, Wheel
from acclimate.models.store import locate

HIDDEN, WIDE, WORDS, POSITIONS = 64, 128, 96, 40
SIZES = (HIDDEN, 2, 4, WIDE, WORDS, POSITIONS, 2)
Q4 = gguf.GGMLQuantizationType.Q4_0


def tensors():
    """(name in the file, whether it is in four bits, values) of a small random encoder."""
    drawn = np.random.default_rng(0)

    def values(*shape):
        return drawn.normal(0, 0.2, shape).astype(np.float32)

    yield "emb.word", True, values(WORDS, HIDDEN)
    for name, rows in (("emb.pos", POSITIONS), ("emb.type", 2)):
        yield name, False, values(rows, HIDDEN)
    for name in ("emb.ln.w", "emb.ln.b"):
        yield name, False, values(HIDDEN)
    for layer in range(2):
        for part, rows, columns in (
            ("q", HIDDEN, HIDDEN),
            ("k", HIDDEN, HIDDEN),
            ("v", HIDDEN, HIDDEN),
            ("ao", HIDDEN, HIDDEN),
            ("fi", WIDE, HIDDEN),
            ("fo", HIDDEN, WIDE),
        ):
            yield f"l{layer}.{part}.w", True, values(rows, columns)
            yield f"l{layer}.{part}.b", False, values(rows)
        for part in ("aln", "oln"):
            yield f"l{layer}.{part}.w", False, values(HIDDEN)
            yield f"l{layer}.{part}.b", False, values(HIDDEN)


def pack(file):
    """Write a packed file; returns its tensors as ggml's reader unpacks them, by name in it."""
    head = b"E5S1" + struct.pack("<i7ifi", 1, *SIZES, 1e-12, 32)
    pieces, blob, replacements = 3, b"abc", b"\0" * 9
    head += struct.pack("<i4iQ", pieces, 0, 2, 1, 3, len(blob))
    head += bytes(4 * (pieces + 1) + 4 * pieces) + blob
    head += struct.pack("<iI", 1, len(replacements)) + replacements
    rows, bodies, known = [], [], {}
    for name, four_bits, values in tensors():
        body = gguf.quants.quantize(values, Q4) if four_bits else values
        known[name] = gguf.quants.dequantize(body, Q4) if four_bits else values
        rows.append((name.encode(), four_bits, values.size, body.nbytes))
        bodies.append(body.tobytes())
    at = len(head) + 4 + sum(2 + len(name) + 21 for name, *_ in rows)
    head += struct.pack("<i", len(rows))
    for name, four_bits, count, size in rows:
        head += (
            struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", four_bits, count, at, size)
        )
        at += size
    file.write_bytes(head + b"".join(bodies))
    return known


@pytest.fixture
def folder(tmp_path):
    words = {f"w{number}": number for number in range(WORDS - 1)} | {"[UNK]": WORDS - 1}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    for name in ("packed", "plain"):
        (tmp_path / name).mkdir()
        tokenizer.save(str(tmp_path / name / "tokenizer.json"))
    return tmp_path


def test_tensors_are_those_of_ggml(folder):
    known = pack(folder / "packed" / PACKED)
    found = read_packed(folder / "packed" / PACKED)
    assert len(found) == len(known)
    for name, other in (
        ("emb.word", "embeddings.word_embeddings.weight"),
        ("l1.fo.w", "encoder.layer.1.output.dense.weight"),
        ("l0.aln.b", "encoder.layer.0.attention.output.LayerNorm.bias"),
        ("emb.pos", "embeddings.position_embeddings.weight"),
    ):
        np.testing.assert_array_equal(found[other], known[name])


def test_vectors_are_those_of_the_same_weights_unpacked(folder):
    pack(folder / "packed" / PACKED)
    config = packed_config(folder / "packed" / PACKED)
    assert config["num_attention_heads"], config["max_position_embeddings"] == (4, POSITIONS)
    (folder / "plain" / "config.json").write_text(json.dumps(config))
    save_file(read_packed(folder / "packed" / PACKED), folder / "plain" / "model.safetensors")
    texts = ["w1 w2 w3", "w4", "w5 w1 w9 w8 w7"]
    vectors = []
    for name in ("packed", "plain"):
        spec = read_spec(folder / "plain", "multilingual-e5-small-q4")
        assert (spec.query_prefix, spec.passage_prefix, spec.pooling) == (
            "query: ",
            "passage: ",
            "mean",
        )
        embedder = OpenVINOEmbedder(
            folder / name, spec=spec, weights_sha256="0", precision="f32", threads=1
        )
        vectors.append(embedder.embed_passages(texts))
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert locate(str(folder / "packed")).weights.name == PACKED


@pytest.mark.parametrize("cut", [0, 3, 30, 120, 400, -100])
def test_a_damaged_file_is_refused_by_name(folder, cut):
    file = folder / "packed" / PACKED
    pack(file)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"e5-small-q4\.bin is no encoder packed in four bits"):
        read_packed(file)


def test_the_catalogue_fetches_weights_and_tokenizer_from_where_each_is():
    entry = CATALOGUE["multilingual-e5-small-q4"]
    paths = {file.path for file in entry.files}
    assert paths == {PACKED, "tokenizer.json"}
    assert all(len(file.sha256) == 64 and file.size for file in entry.files)
    for source in entry.sources:
        assert isinstance(source, Gathered)
        assert {path for _, part in source.parts for path in part} == paths
    assert any(all(isinstance(one, Wheel) for one, _ in source.parts) for source in entry.sources)
