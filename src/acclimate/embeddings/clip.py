"""Pictures and words in one vector space, by a model of the CLIP family run by Transformers (extra
`images`)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from acclimate.embeddings.base import Vectors
from acclimate.errors import MissingExtraError, ModelError

_BATCH = 16  # pictures or texts at a time


class ClipEmbedder:
    """A `PictureEmbedder` over a local folder with CLIP, SigLIP or a model like them; safetensors
    only, no remote code.

    Raises MissingExtraError without the extra, ModelError where the folder holds no such model.
    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    arXiv 2103.00020.
    """

    def __init__(self, folder: Path, *, weights_sha256: str) -> None:
        try:
            from transformers import AutoModel, AutoProcessor
        except ModuleNotFoundError as error:
            raise MissingExtraError("[images] model", "images") from error
        try:
            self._model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
            processors: Any = AutoProcessor
            self._processor = processors.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder} cannot be loaded: {error}.") from error
        if not hasattr(self._model, "get_image_features"):
            kind = type(self._model).__name__
            reason = f"[images] model: {folder} is a {kind}, which sees no pictures."
            raise ModelError(reason, hint="Take a model of the CLIP family.")
        config = (folder / "config.json").read_bytes()
        self._fingerprint = hashlib.sha256(config + weights_sha256.encode()).hexdigest()
        self._lock = Lock()

    @property
    def fingerprint(self) -> str:
        """See `PictureEmbedder`."""
        return self._fingerprint

    def embed_pictures(self, pictures: Sequence[bytes]) -> Vectors:
        """See `PictureEmbedder`."""
        from PIL import Image

        opened = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
        batches = [opened[at : at + _BATCH] for at in range(0, len(opened), _BATCH)]
        return self._unit(
            [
                self._run("image", self._processor(images=batch, return_tensors="pt"))
                for batch in batches
            ]
        )

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `PictureEmbedder`."""
        asked = self._processor(
            text=list(texts), return_tensors="pt", padding=True, truncation=True
        )
        return self._unit([self._run("text", asked)])

    def _run(self, kind: str, inputs: Any) -> Vectors:
        import torch

        features = (
            self._model.get_image_features if kind == "image" else self._model.get_text_features
        )
        with self._lock, torch.inference_mode():
            found = features(**inputs)
        # A tensor up to Transformers 4, from 5 on an output that holds it.
        return np.asarray(getattr(found, "pooler_output", found).float().numpy(), np.float32)

    @staticmethod
    def _unit(parts: Sequence[Vectors]) -> Vectors:
        """[n, d] of length 1."""
        rows = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
        unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit
