"""Which encoders a project searches with, by their names in `acclimate.toml`: the embedder and the cross-encoder.

A name is a catalogue name, a hub id, or a path relative to that file; a folder that `acclimate tune --target` made is
loaded over its base model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.embeddings.base import Embedder
from acclimate.embeddings.cross_encoder import CrossEncoder, OpenVINOCrossEncoder
from acclimate.embeddings.spec import read_spec
from acclimate.embeddings.tuned import EXTRACTOR, TunedEncoder, read_tuned, require_base, tuned_sha256
from acclimate.errors import ModelError, SettingsError
from acclimate.models.catalogue import CATALOGUE, Kind
from acclimate.models.store import LocalModel
from acclimate.places import under

if TYPE_CHECKING:
    from acclimate.project import Project


@dataclass(frozen=True, slots=True)
class Encoder:
    """A base model on this machine, by the name `source`, and the tuned folder over it, if any, with its record."""

    source: str
    model: LocalModel
    adapter: Path | None = None
    tuned: TunedEncoder | None = None

    @property
    def name(self) -> str:
        """What it is called where results are reported."""
        return f"{self.model.name}+{self.adapter.name}" if self.adapter else self.model.name


def find_encoder(project: Project, name: str, kind: Kind) -> Encoder:
    """What `name` stands for, fetched where it is not here yet.

    Raises ModelError for a folder that was tuned for something else, and HashMismatchError where its base changed.
    """
    here = _path(project, name)
    tuned = read_tuned(Path(here))
    if tuned is None:
        return Encoder(name, project.local_model(here, kind))
    if tuned.target != kind:
        raise ModelError(f"{here} was tuned as {tuned.target}, not as {kind}.", hint=f"acclimate tune --target {kind}")
    model = project.local_model(_path(project, tuned.base), kind)
    require_base(Path(here), tuned.base, tuned.base_sha256, model.sha256)
    return Encoder(tuned.base, model, Path(here), tuned)


def _path(project: Project, name: str) -> str:
    """A path in acclimate.toml is relative to it; other names are left."""
    here = under(project.folder, name)
    return str(here) if name not in CATALOGUE and here.exists() else name


def tuned_folders(project: Project) -> list[Path]:
    """The tuned encoders that the project searches with."""
    names = (project.settings.embedder.model, project.settings.retrieval.rerank)
    return [Path(here) for name in names if read_tuned(Path(here := _path(project, name)))]


def open_embedder(project: Project) -> Embedder:
    """What `[embedder]` names."""
    chosen = project.settings.embedder
    if chosen.engine != "openvino" and chosen.dimensions:
        raise SettingsError(
            f"'embedder.dimensions' cannot be used with engine '{chosen.engine}'.", hint='Set engine = "openvino".'
        )
    if chosen.engine == "openai":
        from acclimate.embeddings.openai import OpenAIEmbedder  # each engine's packages load only where used

        return OpenAIEmbedder(chosen.model, base_url=chosen.base_url, api_key_env=chosen.api_key_env)
    found = find_encoder(project, chosen.model, "embedder")
    model, spec = found.model, read_spec(found.model.folder)
    if chosen.engine == "sentence-transformers":
        from acclimate.embeddings.sentence_transformers import SentenceTransformersEmbedder

        if found.adapter:
            raise SettingsError(
                f"the tuned embedder {found.adapter} cannot be used with engine '{chosen.engine}'.",
                hint='Set [embedder] engine = "openvino".',
            )
        return SentenceTransformersEmbedder(model.folder, spec=spec, weights_sha256=model.sha256)
    from acclimate.embeddings.openvino import OpenVINOEmbedder

    sha256 = tuned_sha256(found.adapter, model.sha256) if found.adapter else model.sha256
    spec = spec.shortened(chosen.dimensions)
    return OpenVINOEmbedder(model.folder, spec=spec, weights_sha256=sha256, adapter=found.adapter)


def open_cross_encoder(project: Project) -> CrossEncoder:
    """What `[retrieval] rerank` names. Raises ModelError where it is no sequence classifier."""
    if project.settings.retrieval.rerank == EXTRACTOR:
        from acclimate.extracting import Relevance  # which imports this

        return Relevance(project.extractor.extractor, project.extractor.rerank_weight)
    found = find_encoder(project, project.settings.retrieval.rerank, "reranker")
    weight = found.tuned.weight if found.tuned else 1.0
    return OpenVINOCrossEncoder(found.model.folder, name=found.name, adapter=found.adapter, weight=weight)
