"""What a user chose of a run: a sweep of rates, several seeds, a tracker."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from acclimate.evaluation.halving import Budget, Trace, halve, plan_rounds
from acclimate.tuning.tracking import Tracker, open_tracker
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
    job: TuningJob, settings: TrainSettings, on_step: OnStep | None, score: DevScore | None
) -> Runs:
    """Train with the job's knobs: sweep once, then a run for each seed; the best one is kept, with
    the adapters of the others in its folder."""
    from acclimate.tuning.run import train

    knobs = job.knobs

    def run(seed: int, rate: float | None, sweep: RateSearch | None) -> tuple[Trained, Trainer]:
        one = replace(job, knobs=replace(knobs, seed=seed), rate=rate)
        if knobs.seeds > 1:
            one = replace(one, folder=job.folder / f"seed-{seed}")
        with ExitStack() as stack:
            heard = _tracked(one, settings, on_step, stack)
            return train(one, settings, on_step=heard, score=score, sweep=sweep)

    first = knobs.seed
    trained, trainer = run(first, job.rate, _search(job.folder) if knobs.sweep else None)
    if knobs.seeds == 1:
        return Runs(trained, trainer, {})
    rate = trained.plan.rate if knobs.sweep else job.rate
    found, folders = {first: trained.loss_after}, {first: trained.folder}
    for seed in range(first + 1, first + knobs.seeds):
        del trainer  # its network goes before the next one comes
        trained, trainer = run(seed, rate, None)
        found[seed], folders[seed] = trained.loss_after, trained.folder
    best = min(found, key=lambda seed: found[seed])
    if best != seed:
        del trainer
        trained, trainer = run(best, rate, None)  # goes on from its end: it is only loaded
    others = {seed: folder for seed, folder in folders.items() if seed != best}
    keep_runs(trained.folder, SeedRuns(best, others), found)
    return Runs(trained, trainer, found)


def _search(folder: Path) -> RateSearch:
    from acclimate.tuning.run import RateSearch
    from acclimate.tuning.sweep import FACTORS, SEGMENTS

    def by_halving(
        candidates: Sequence[str], items: Sequence[str], scorer: Callable[[str, str], float]
    ) -> tuple[str, Mapping[str, Mapping[str, float]]]:
        with Trace(folder / "sweep" / "trace.jsonl") as trace:
            found = halve(candidates, items, scorer, Budget(), trace)
        return found.winner, found.scores

    stages = plan_rounds(len(FACTORS), SEGMENTS, None)
    return RateSearch(by_halving, sum(stage.calls for stage in stages))


def _tracked(
    job: TuningJob, settings: TrainSettings, on_step: OnStep | None, stack: ExitStack
) -> OnStep | None:
    """`on_step`, and the tracker that was asked for."""
    knobs = job.knobs
    if knobs.track is None or os.environ.get("RANK", "0") != "0":  # the first process tells it
        return on_step
    name = job.folder.name if knobs.seeds == 1 else f"{job.folder.parent.name}-{job.folder.name}"
    told = {"base": job.base, "method": job.method.name, "minutes": settings.minutes}
    told |= {"rate": job.rate, "rank": knobs.rank, "alpha": knobs.alpha, "seed": knobs.seed}
    target = (job.folder.parent if knobs.seeds > 1 else job.folder).parent / "tracked"
    tracker: Tracker = open_tracker(knobs.track, name.removesuffix(".training"), told, target)
    stack.callback(tracker.close)

    def hear(seconds: float, figures: dict[str, float]) -> None:
        shown = {key: value for key, value in figures.items() if key != "step"}
        tracker.log(shown, int(figures["step"]))
        if on_step is not None:
            on_step(seconds, figures)

    return hear
