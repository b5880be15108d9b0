"""What a user chose of a run: a sweep of rates, several seeds, a tracker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from acclimate.cluster.pool import result
from acclimate.evaluation.halving import Budget, Trace, halve, plan_rounds
from acclimate.settings_cluster import ClusterSettings
from acclimate.workflows.cluster_tuning import Elsewhere, training_on_cluster
from acclimate.workflows.tune_seeds import tracked, with_seed
from acclimate.workspace.seeds import SeedRuns, keep_runs

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.run import RateSearch, Trained, TuningJob
    from acclimate.tuning.trainer import DevScore, OnStep, Trainer, TrainSettings


class Runs(NamedTuple):
    """The best run, its trainer, and the dev losses of all by seed (one run: none)."""

    trained: Trained
    trainer: Trainer
    seeds: dict[int, float]


def train_as_chosen(
    job: TuningJob,
    settings: TrainSettings,
    on_step: OnStep | None,
    score: DevScore | None,
    cluster: ClusterSettings | None = None,
) -> Runs:
    """Train with the job's knobs: sweep once, then a run for each seed; the best one is kept,
    with the adapters of the others in its folder.

    On a `cluster` its nodes share the rates, and the seeds but the first.
    """
    several = job.knobs.sweep or job.knobs.seeds > 1
    if cluster is None or cluster.engine == "local" or not several:
        return _train(job, settings, on_step, score, None)
    with training_on_cluster(cluster, job, settings, score) as elsewhere:
        return _train(job, settings, on_step, score, elsewhere)


def _train(
    job: TuningJob,
    settings: TrainSettings,
    on_step: OnStep | None,
    score: DevScore | None,
    elsewhere: Elsewhere | None,
) -> Runs:
    from acclimate.tuning.run import train

    knobs = job.knobs

    def run(seed: int, rate: float | None, sweep: RateSearch | None) -> tuple[Trained, Trainer]:
        one = with_seed(job, seed, rate)
        with tracked(one, settings, on_step) as heard:
            return train(one, settings, on_step=heard, score=score, sweep=sweep)

    first = knobs.seed
    others = range(first + 1, first + knobs.seeds)
    begun = {}
    if elsewhere is not None and not knobs.sweep:
        begun = {seed: elsewhere.seed(seed, job.rate) for seed in others}
    search = _search(job.folder, elsewhere) if knobs.sweep else None
    trained, trainer = run(first, job.rate, search)
    if knobs.seeds == 1:
        return Runs(trained, trainer, {})
    rate = trained.plan.rate if knobs.sweep else job.rate
    if elsewhere is not None and knobs.sweep:
        begun = {seed: elsewhere.seed(seed, rate) for seed in others}
    runs, seed = {first: trained}, first
    for seed in others:
        if seed in begun:
            runs[seed] = result(begun[seed])
            continue
        del trainer  # its network goes before the next one comes
        trained, trainer = run(seed, rate, None)
        runs[seed] = trained
    best = min(runs, key=lambda seed: runs[seed].loss_after)
    if best != (first if begun else seed):
        del trainer
        trained, trainer = run(best, rate, None)  # goes on from its end: it is only loaded
    losses = {seed: one.loss_after for seed, one in runs.items()}
    rest = {seed: one.folder for seed, one in runs.items() if seed != best}
    keep_runs(trained.folder, SeedRuns(best, rest), losses)
    return Runs(trained, trainer, losses)


def _search(folder: Path, elsewhere: Elsewhere | None) -> RateSearch:
    from acclimate.tuning.run import RateSearch
    from acclimate.tuning.sweep import FACTORS, SEGMENTS

    def by_halving(
        candidates: Sequence[str], items: Sequence[str], scorer: Callable[[str, str], float]
    ) -> tuple[str, Mapping[str, Mapping[str, float]]]:
        announce = None if elsewhere is None else elsewhere.announce
        scorer = scorer if elsewhere is None else elsewhere.score
        with Trace(folder / "sweep" / "trace.jsonl") as trace:
            found = halve(candidates, items, scorer, Budget(), trace, announce=announce)
        return found.winner, found.scores

    stages = plan_rounds(len(FACTORS), SEGMENTS, None)
    return RateSearch(by_halving, sum(stage.calls for stage in stages))
