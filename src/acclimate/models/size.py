"""The size class of a language model: by the catalogue, else by its file."""

from __future__ import annotations

from pathlib import Path

from acclimate.models.catalogue import CATALOGUE
from acclimate.models.entries import SizeClass

_MB = 1_000_000
# Bytes below which a file is of a class: GGUF files hold about 0.8 bytes a parameter at 4 bits,
# with the embeddings at 6 or 8; folders of safetensors hold two.
_GGUF: tuple[tuple[int, SizeClass], ...] = (
    (250 * _MB, "tiny"),
    (900 * _MB, "small"),
    (2_000 * _MB, "medium"),
)
_FOLDER: tuple[tuple[int, SizeClass], ...] = (
    (600 * _MB, "tiny"),
    (2_000 * _MB, "small"),
    (4_000 * _MB, "medium"),
)


def size_class(name: str, weights: Path) -> SizeClass:
    """The class of the model `name` whose main file is `weights`."""
    known = CATALOGUE.get(name)
    if known is not None and known.size_class is not None:
        return known.size_class
    gguf = weights.suffix == ".gguf"
    files = (
        [weights] if gguf or not weights.is_file() else sorted(weights.parent.glob("*.safetensors"))
    )
    size = sum(file.stat().st_size for file in files or [weights])
    for most, found in _GGUF if gguf else _FOLDER:
        if size < most:
            return found
    return "large"
