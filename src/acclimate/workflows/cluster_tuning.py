"""Training over the nodes of a cluster: the rates of a sweep, and equal runs with other seeds.

Each actor trains in the run's own folder, which all nodes must see: a rate or a seed whose actor is
lost goes on from its last checkpoint. One run over several nodes is torchrun's, see
docs/cluster.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.cluster.place import UnfitError
from acclimate.cluster.pool import Pool, result
from acclimate.cluster.session import open_pool
from acclimate.settings_cluster import ClusterSettings
from acclimate.workflows.tune_seeds import tracked, with_seed

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.run import Trained, TuningJob
    from acclimate.tuning.sweep import RateSweep
    from acclimate.tuning.trainer import DevScore, TrainSettings


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained: the same on every node, but for rate or seed."""

    job: TuningJob
    settings: TrainSettings
    score: DevScore | None


class Training:
    """What an actor holds: a task, and once a rate is asked for, its network."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rates: RateSweep | None = None

    def rate(self, name: str, items: Sequence[str]) -> list[float]:
        """A rate's scores on segments, one after the other; see `RateSweep.score`."""
        if self._rates is None:
            from acclimate.tuning.run import get_ready
            from acclimate.tuning.sweep import RateSweep

            job = self._task.job
            ready = get_ready(with_seed(job, job.knobs.seed, job.rate), self._task.settings)
            minutes = self._task.settings.minutes
            self._rates = RateSweep(ready.trainer, ready.drawn, ready.watched, minutes)
        return [self._rates.score(name, item) for item in items]

    def seed(self, seed: int, rate: float | None) -> Trained:
        """A whole run with a seed."""
        from acclimate.tuning.run import train

        one = with_seed(self._task.job, seed, rate)
        with tracked(one, self._task.settings, None) as heard:
            trained, _ = train(one, self._task.settings, on_step=heard, score=self._task.score)
        return trained


def make_training(task: Task, cpus: int) -> Training:
    """What an actor holds. Raises UnfitError where this node does not see the model or the run's
    folder."""
    import torch

    torch.set_num_threads(cpus)
    needed = {
        "model": task.job.model,
        "folder of the run": task.job.folder,
        "adapter to begin with": task.job.start,
    }
    for what, place in needed.items():
        if place is not None and not place.exists():
            raise UnfitError(
                f"the {what}, {place}, is not there.",
                hint="Have the project's folder and the models' (ACCLIMATE_CACHE) at the same "
                "paths on every node.",
            )
    return Training(task)


@dataclass(slots=True)
class Elsewhere:
    """Trains rates and seeds by the actors of `pool`, which hold a `Training`."""

    pool: Pool
    _rates: dict[tuple[str, str], Future[Any]] = field(default_factory=dict)
    _places: dict[tuple[str, str], int] = field(default_factory=dict)

    def announce(self, asked: Mapping[str, Sequence[str]]) -> None:
        """Begin what will be asked: for each rate its next segments, which one actor trains."""
        for name, items in asked.items():
            call = self.pool.submit("rate", name, tuple(items), on_gpu=True)
            for place, item in enumerate(items):
                self._rates[name, item], self._places[name, item] = call, place

    def score(self, name: str, item: str) -> float:
        """The score of a rate on a segment that was announced."""
        scores: list[float] = result(self._rates[name, item])
        return scores[self._places[name, item]]

    def seed(self, seed: int, rate: float | None) -> Future[Any]:
        """Begin a run with a seed, which ends in a `Trained`."""
        return self.pool.submit("seed", seed, rate, on_gpu=True)


@contextmanager
def training_on_cluster(
    settings: ClusterSettings, job: TuningJob, how: TrainSettings, score: DevScore | None
) -> Iterator[Elsewhere]:
    """What trains rates and seeds where `[cluster] engine` is a cluster."""
    shared = replace(job, model=job.model.absolute(), folder=Path(job.folder).absolute())
    make = partial(make_training, Task(shared, how, score))
    with open_pool(settings, make, depth=1) as pool:
        yield Elsewhere(pool)
