"""Which encoder reads question and passage together, by its name in `acclimate.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.embeddings.cross_encoder import CrossEncoder, OpenVINOCrossEncoder
from acclimate.errors import SettingsError

if TYPE_CHECKING:
    from acclimate.project import Project

TUNED = "tuned"


def tuned_folder(project: Project) -> Path:
    """Where `acclimate tune --target reranker` leaves the project's own cross-encoder."""
    return project.folder / ".acclimate" / "rerankers" / TUNED


def open_cross_encoder(project: Project) -> CrossEncoder:
    """What `[retrieval] rerank` names, fetched where it is not here yet.

    Raises SettingsError where the project has no tuned one, ModelError where a model is no sequence classifier.
    """
    chosen = project.settings.retrieval.rerank
    if chosen == TUNED:
        folder = tuned_folder(project)
        if not (folder / "config.json").is_file():
            raise SettingsError(
                f"'retrieval.rerank' = '{TUNED}', and {folder} holds no cross-encoder.",
                hint="acclimate tune --target reranker",
            )
        return OpenVINOCrossEncoder(folder, name=TUNED)
    here = project.folder / chosen  # a path in acclimate.toml is relative to it
    model = project.local_model(str(here) if here.exists() else chosen, "reranker")
    return OpenVINOCrossEncoder(model.folder, name=model.name)
