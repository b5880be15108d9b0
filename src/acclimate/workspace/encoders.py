"""The embedder and the cross-encoder by their names in `acclimate.toml`.

A name is a catalogue name, a hub id, or a path relative to that file; a folder that `acclimate tune
--target` made is loaded over its base model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acclimate.embeddings.base import CrossEncoder, Embedder
from acclimate.embeddings.cross_encoder import OpenVINOCrossEncoder
from acclimate.embeddings.spec import Wishes, read_spec
from acclimate.embeddings.tuned import TunedEncoder, read_tuned, require_base_encoder, tuned_sha256
from acclimate.errors import ModelError, SettingsError
from acclimate.files.places import under
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.entries import ModelKind
from acclimate.models.store import LocalModel
from acclimate.settings import Settings
from acclimate.settings_library import EmbedderSettings
from acclimate.workspace.engine import FindModel
from acclimate.workspace.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Encoder:
    """A base model on this machine, by the name `source`, and the tuned folder over it, if any,
    with its record."""

    source: str
    model: LocalModel
    adapter: Path | None = None
    tuned: TunedEncoder | None = None

    @property
    def name(self) -> str:
        """What it is called where results are reported."""
        return f"{self.model.name}+{self.adapter.name}" if self.adapter else self.model.name


def find_encoder(folder: Path, name: str, kind: ModelKind, find_model: FindModel) -> Encoder:
    """What `name` stands for in the project in `folder`, fetched where it is not here yet.

    Raises ModelError for a folder that was tuned for something else, and HashMismatchError where
    its base changed.
    """
    here = located(folder, name)
    tuned = read_tuned(Path(here))
    if tuned is None:
        return Encoder(name, find_model(here, kind))
    if tuned.target != kind:
        raise ModelError(
            f"{here} was tuned as {tuned.target}, not as {kind}.",
            hint=f"acclimate tune --target {kind}",
        )
    model = find_model(located(folder, tuned.base), kind)
    require_base_encoder(Path(here), tuned.base, tuned.base_sha256, model.sha256)
    return Encoder(tuned.base, model, Path(here), tuned)


def located(folder: Path, name: str) -> str:
    """A model's name as it is found: a path in acclimate.toml is relative to it; other names are left."""
    here = under(folder, name)
    return str(here) if name not in CATALOGUE and here.exists() else name


def tuned_folders(folder: Path, settings: Settings) -> list[Path]:
    """The tuned encoders that the project in `folder` searches with."""
    names = (settings.embedder.model, settings.retrieval.rerank)
    return [Path(here) for name in names if read_tuned(Path(here := located(folder, name)))]


def open_embedder(chosen: EmbedderSettings, folder: Path, find_model: FindModel) -> Embedder:
    """What `[embedder]` names in the project in `folder`."""
    _require_usable(chosen)
    if chosen.engine == "openai":
        # Each engine's packages load only where used.
        from acclimate.embeddings.openai import OpenAIEmbedder

        return OpenAIEmbedder(
            chosen.model,
            base_url=chosen.base_url,
            api_key_env=chosen.api_key_env,
            query_prefix=chosen.query_prefix or "",
            passage_prefix=chosen.passage_prefix or "",
        )
    found = find_encoder(folder, chosen.model, "embedder", find_model)
    model = found.model
    if chosen.engine == "sentence-transformers":
        from acclimate.embeddings.sentence_transformers import SentenceTransformersEmbedder

        if found.adapter:
            raise SettingsError(
                f"the tuned embedder {found.adapter} cannot be used with engine '{chosen.engine}'.",
                hint='Set [embedder] engine = "openvino".',
            )
        spec = read_spec(model.folder, found.source, wishes(chosen), runs_here=False)
        return SentenceTransformersEmbedder(model.folder, spec=spec, weights_sha256=model.sha256)
    from acclimate.embeddings.encoder import weights_file
    from acclimate.embeddings.openvino import OpenVINOEmbedder

    spec = read_spec(model.folder, found.source, wishes(chosen)).shortened(chosen.dimensions)
    # A folder may hold several forms of the weights; what is run is what counts.
    run = weights_file(model.folder)
    sha256 = model.sha256 if run == model.weights else find_model(str(run), "embedder").sha256
    if found.adapter:
        sha256 = tuned_sha256(found.adapter, sha256)
    return OpenVINOEmbedder(model.folder, spec=spec, weights_sha256=sha256, adapter=found.adapter)


def shared_embedder(
    chosen: EmbedderSettings, folder: Path, find_model: FindModel, shelf: Shelf
) -> Embedder:
    """`open_embedder`, loaded once for all projects of a shelf whose settings say the same."""
    same = (located(folder, chosen.model), chosen.model_dump_json(exclude={"model"}))
    return shelf.take(("embedder", *same), lambda: open_embedder(chosen, folder, find_model))


def wishes(chosen: EmbedderSettings) -> Wishes:
    """What `[embedder]` says of its model."""
    return Wishes(chosen.query_prefix, chosen.passage_prefix, chosen.pooling, chosen.dense)


def _require_usable(chosen: EmbedderSettings) -> None:
    """Raises SettingsError for keys that the engine cannot follow."""
    if chosen.engine == "openvino":
        return
    keys = {"dimensions": chosen.dimensions, "pooling": chosen.pooling, "dense": chosen.dense}
    for key, value in keys.items():
        if value is not None:
            raise SettingsError(
                f"'embedder.{key}' cannot be used with engine '{chosen.engine}'.",
                hint='Set engine = "openvino".',
            )


def open_cross_encoder(name: str, folder: Path, find_model: FindModel) -> CrossEncoder:
    """What `[retrieval] rerank` names. Raises ModelError where it is no sequence classifier."""
    found = find_encoder(folder, name, "reranker", find_model)
    weight = found.tuned.weight if found.tuned else 1.0
    return OpenVINOCrossEncoder(
        found.model.folder, name=found.name, adapter=found.adapter, weight=weight
    )
