import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import EmbedderSpec
from acclimate.embeddings.tuned import (
    TunedEncoder,
    merge,
    read_tuned,
    require_base_encoder,
    tuned_sha256,
    write_tuned,
)
from acclimate.errors import HashMismatchError, ModelError

QUERY = "encoder.layer.0.attention.self.query"
RNG = np.random.default_rng(5)


def save(folder: Path, tensors: dict[str, np.ndarray], r: int = 2, alpha: float = 6.0) -> Path:
    folder.mkdir(exist_ok=True)
    named = {f"base_model.model.{name}": tensor for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": r, "lora_alpha": alpha}))
    return folder


def lora(stem: str, size: int = 8) -> dict[str, np.ndarray]:
    a, b = RNG.normal(size=(2, size)), RNG.normal(size=(size, 2))
    return {
        f"{stem}.lora_A.weight": a.astype(np.float16),
        f"{stem}.lora_B.weight": b.astype(np.float16),
    }


@pytest.mark.parametrize(
    ("mine", "theirs"), [("", ""), ("bert.", ""), ("", "bert."), ("roberta.", "roberta.")]
)
def test_the_product_is_added_whatever_the_family_calls_it(
    tmp_path: Path, mine: str, theirs: str
) -> None:
    base = {
        f"{theirs}{QUERY}.weight": RNG.normal(size=(8, 8)).astype(np.float32),
        "other": np.ones(3, np.float32),
    }
    tensors = lora(f"{mine}{QUERY}") | {"classifier.weight": np.ones((1, 8), np.float16)}
    merged = merge(base, save(tmp_path / "a", tensors))
    a, b = (tensors[f"{mine}{QUERY}.lora_{which}.weight"].astype(np.float32) for which in "AB")
    assert merged[f"{theirs}{QUERY}.weight"] == pytest.approx(
        base[f"{theirs}{QUERY}.weight"] + 3 * b @ a, abs=1e-5
    )
    assert merged["classifier.weight"].tolist() == [[1.0] * 8]
    assert merged["other"] is base["other"]


def test_what_was_trained_over_other_shipped_weights_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", lora(QUERY))
    write_tuned(
        folder,
        TunedEncoder("reranker", "all-minilm-l6-v2", "53aa", 0.5, "minilm-extractor", "77bb"),
    )
    with pytest.raises(HashMismatchError, match="another version"):
        merge({}, folder)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    base = {f"{QUERY}.weight": np.ones((8, 8), np.float32)}
    with pytest.raises(ModelError, match="does not fit"):
        merge(base, save(tmp_path / "a", lora("encoder.layer.7.attention.self.query")))
    with pytest.raises(ModelError, match="does not fit"):
        merge(base, save(tmp_path / "b", lora(QUERY, size=9)))
    half = {name: value for name, value in lora(QUERY).items() if "lora_A" in name}
    with pytest.raises(ModelError, match="does not fit"):
        merge(base, save(tmp_path / "c", half))
    (tmp_path / "a" / "adapter_config.json").unlink()
    with pytest.raises(ModelError, match="adapter_config"):
        merge(base, tmp_path / "a")


def test_the_record_says_what_lies_below(tmp_path: Path) -> None:
    assert read_tuned(tmp_path) is None
    tuned = TunedEncoder("reranker", "all-minilm-l6-v2", "53aa", 0.5)
    write_tuned(tmp_path, tuned)
    assert read_tuned(tmp_path) == tuned
    require_base_encoder(tmp_path, tuned.base, tuned.base_sha256, "53aa")
    with pytest.raises(HashMismatchError, match="53aa, but 77bb"):
        require_base_encoder(tmp_path, tuned.base, tuned.base_sha256, "77bb")
    (tmp_path / "encoder.json").write_text('{"target": "reranker", "colour": 1}')
    with pytest.raises(ModelError, match="damaged"):
        read_tuned(tmp_path)


def test_base_and_adapter_identify_a_tuned_encoder(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a", lora(QUERY)), save(tmp_path / "b", lora(QUERY))
    digests = [tuned_sha256(first, "1"), tuned_sha256(first, "2"), tuned_sha256(second, "1")]
    assert len(set(digests)) == 3
    assert tuned_sha256(first, "1") == digests[0]


def test_shorter_vectors_are_the_first_components(tiny) -> None:
    whole, short = EmbedderSpec(max_tokens=40), EmbedderSpec(max_tokens=40).shortened(12)
    made = [
        OpenVINOEmbedder(tiny.folder, spec=spec, weights_sha256="x", precision="f32", threads=1)
        for spec in (whole, short)
    ]
    long, cut = (one.embed_passages(["the cat sat", "thirty days"]) for one in made)
    assert made[1].dimensions == cut.shape[1] == 12
    assert cut == pytest.approx(
        long[:, :12] / np.linalg.norm(long[:, :12], axis=1, keepdims=True), abs=1e-5
    )
    assert made[0].fingerprint != made[1].fingerprint
    with pytest.raises(ModelError, match="40 dimensions are requested of a model with 32"):
        OpenVINOEmbedder(tiny.folder, spec=whole.shortened(40), weights_sha256="x")
