"""Which encoder reads question and passage together, by its name in `acclimate.toml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acclimate.embeddings.cross_encoder import CrossEncoder, OpenVINOCrossEncoder

if TYPE_CHECKING:
    from acclimate.project import Project


def open_cross_encoder(project: Project) -> CrossEncoder:
    """What `[retrieval] rerank` names, fetched where it is not here yet.

    Raises ModelError where it is no sequence classifier.
    """
    chosen = project.settings.retrieval.rerank
    here = project.folder / chosen  # a path in acclimate.toml is relative to it
    model = project.local_model(str(here) if here.exists() else chosen, "reranker")
    return OpenVINOCrossEncoder(model.folder, name=model.name)
