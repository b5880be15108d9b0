"""Language models on the nodes of a cluster: each actor holds one, and answers what it is asked.

Retrieval, prompts and the readers beside the model stay in this process, so an answer is the one
that the model would give here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path

from acclimate.cluster.nodes import Share, nodes, shares
from acclimate.cluster.place import UnfitError
from acclimate.cluster.pool import Pool, result
from acclimate.cluster.session import joined
from acclimate.evaluation.memory import peak_mb, reset_peak
from acclimate.models.base import Engine, OnText
from acclimate.models.catalogue import CATALOGUE
from acclimate.prompting.replies import Prefilled
from acclimate.settings import Settings
from acclimate.settings_cluster import ClusterSettings
from acclimate.types import Completion, Generation, Message
from acclimate.workspace.engine import FindModel, load_engine
from acclimate.workspace.workspace import LoadEngine, Workspace

_SHIPPED = Path(str(resources.files("acclimate"))) / "adapters"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a model says of itself; see `Engine` and `Prefilled`."""

    name: str
    context_tokens: int
    prefill: str


class Speaking:
    """What an actor holds: a language model."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def introduce(self) -> Introduction:
        """The model's own description."""
        engine = self._engine
        prefill = engine.prefill if isinstance(engine, Prefilled) else ""
        return Introduction(engine.name, engine.context_tokens, prefill)

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`."""
        return self._engine.count(messages)

    def generate(self, messages: Sequence[Message], options: Generation) -> Completion:
        """See `Engine`."""
        return self._engine.generate(messages, options)

    def peak_mb(self) -> float | None:
        """The most memory that this actor has taken, in MB."""
        return peak_mb()

    def close(self) -> None:
        """Free the model."""
        self._engine.close()


def make_speaking(
    folder: Path, settings: Settings, adapter: Path | None, sha256: str, cpus: int
) -> Speaking:
    """What an actor holds. Raises UnfitError where this node has another model, or not the
    adapter; a relative path is that of one that ships."""
    workspace = Workspace(folder, settings)
    if adapter is not None and not (adapter := _SHIPPED / adapter).is_dir():
        raise UnfitError(
            f"the adapter {adapter} is not there.",
            hint="Have the project's folder at the same path on every node.",
        )
    model = workspace.local_model(settings.model.name, "language")
    if model.sha256 != sha256:
        raise UnfitError(
            f"its model '{settings.model.name}' is another one than on the machine that compares.",
            hint="acclimate models fetch, on all nodes alike.",
        )
    reset_peak()
    return Speaking(load_engine(settings.model, adapter, workspace.local_model))


class ClusterEngine:
    """An `Engine` whose model is held by each actor of `pool`; closing it ends them.

    A text comes whole: `on_text` gets it at its end, so no answer is stopped before.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._says: Introduction = result(pool.submit("introduce", heavy=False))

    @property
    def name(self) -> str:
        """See `Engine`."""
        return self._says.name

    @property
    def context_tokens(self) -> int:
        """See `Engine`."""
        return self._says.context_tokens

    @property
    def prefill(self) -> str:
        """See `Prefilled`."""
        return self._says.prefill

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`."""
        counted: int = result(self._pool.submit("count", tuple(messages), heavy=False))
        return counted

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`. Raises LostError where three actors ended at it."""
        done: Completion = result(
            self._pool.submit("generate", tuple(messages), options, on_gpu=True)
        )
        if on_text is not None and done.text and not on_text(done.text):
            return replace(done, finish="cancelled")
        return done

    def peak_mb(self) -> float | None:
        """The most memory that an actor has taken, in MB."""
        peak: float | None = result(self._pool.submit("peak_mb", heavy=False))
        return peak

    def close(self) -> None:
        """See `Engine`."""
        self._pool.close()


def _placed(settings: Settings) -> Settings:
    """With a path from where this process is, if the model is named by one."""
    file = Path(settings.model.name).expanduser()
    if settings.model.name in CATALOGUE or not file.exists():
        return settings
    model = settings.model.model_copy(update={"name": str(file.absolute())})
    return settings.model_copy(update={"model": model})


def _sent(adapter: Path | None) -> Path | None:
    """An adapter's path as it is on another machine, where the package may lie elsewhere."""
    if adapter is None:
        return None
    return adapter.relative_to(_SHIPPED) if adapter.is_relative_to(_SHIPPED) else adapter.resolve()


@dataclass(frozen=True, slots=True)
class Speakers:
    """How language models are loaded on the nodes of a cluster, of which `count` may answer at
    once."""

    load: LoadEngine
    count: int


@contextmanager
def speakers_on_cluster(workspace: Workspace) -> Iterator[Speakers]:
    """Language models of a project whose `[cluster] engine` is a cluster. A model behind a server is
    asked from here, as ever."""
    cluster: ClusterSettings = workspace.settings.cluster
    share = Share(cluster.cpus, cluster.gpus)

    def load(settings: Settings, adapter: Path | None, find_model: FindModel) -> Engine:
        if settings.model.engine == "openai":
            return load_engine(settings.model, adapter, find_model)
        sha256 = find_model(settings.model.name, "language").sha256
        make = partial(
            make_speaking, workspace.folder.resolve(), _placed(settings), _sent(adapter), sha256
        )
        pool = Pool(make, share, depth=1, nodes=nodes)
        try:
            return ClusterEngine(pool)
        except BaseException:
            pool.close()
            raise

    with joined(cluster):
        yield Speakers(load, max(1, sum(len(shares(node, share)) for node in nodes())))
