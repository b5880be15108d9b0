import json
import sys

import pytest

from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.sentence_transformers import SentenceTransformersEmbedder
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.errors import MissingExtraError, ModelError
from acclimate.testing.embeddings import check_embedder

SPEC = EmbedderSpec(max_tokens=48, passage_prefix="walk: ")


@pytest.fixture(scope="module")
def folder(make_tiny, tmp_path_factory):
    """The tiny BERT in the sentence-transformers layout."""
    tiny = make_tiny(tmp_path_factory.mktemp("sentence-transformers"))
    files = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizerFast", "model_max_length": 64},
    }
    config = tiny.config | {
        "intermediate_size": 64,
        "type_vocab_size": 2,
        "architectures": ["BertModel"],
    }
    config["vocab_size"] = len(tiny.weights["embeddings.word_embeddings.weight"])
    for name, content in (files | {"config.json": config}).items():
        (tiny.folder / name).parent.mkdir(exist_ok=True)
        (tiny.folder / name).write_text(json.dumps(content))
    return tiny.folder


def test_the_missing_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError) as caught:
        SentenceTransformersEmbedder(tmp_path, spec=SPEC, weights_sha256="0" * 64)
    assert caught.value.hint == "pip install 'acclimate[sentence-transformers]'"


def test_contract(folder):
    check_embedder(
        lambda: SentenceTransformersEmbedder(
            folder, spec=SPEC, weights_sha256="0" * 64, device="cpu"
        )
    )


def test_agrees_with_the_openvino_embedder(folder):
    texts = ["the cat sat on a mat.", "notice period is thirty days", "", "walking 猫 " * 30]
    theirs = SentenceTransformersEmbedder(folder, spec=SPEC, weights_sha256="0" * 64, device="cpu")
    ours = OpenVINOEmbedder(folder, spec=SPEC, weights_sha256="0" * 64, precision="f32")
    assert (theirs.embed_passages(texts) * ours.embed_passages(texts)).sum(1).min() > 0.99999
    assert theirs.token_spans(texts[3]) == ours.token_spans(texts[3])
    assert theirs.fingerprint == ours.fingerprint


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"has no model\.safetensors") as caught:
        SentenceTransformersEmbedder(tmp_path / "none", spec=SPEC, weights_sha256="0" * 64)
    assert "--form safetensors" in caught.value.hint
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded"):
        SentenceTransformersEmbedder(tmp_path, spec=SPEC, weights_sha256="0" * 64)
