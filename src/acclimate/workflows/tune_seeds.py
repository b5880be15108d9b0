"""One of several equal runs: its folder, and the tracker that hears of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from acclimate.tuning.tracking import Tracker, open_tracker

if TYPE_CHECKING:  # PyTorch comes with the extra `tune` only
    from acclimate.tuning.run import TuningJob
    from acclimate.tuning.trainer import OnStep, TrainSettings


def with_seed(job: TuningJob, seed: int, rate: float | None) -> TuningJob:
    """The run with a seed; one of several has a folder of its own."""
    one = replace(job, knobs=replace(job.knobs, seed=seed), rate=rate)
    return replace(one, folder=job.folder / f"seed-{seed}") if job.knobs.seeds > 1 else one


@contextmanager
def tracked(
    job: TuningJob, settings: TrainSettings, on_step: OnStep | None
) -> Iterator[OnStep | None]:
    """`on_step`, and the tracker that was asked for."""
    knobs = job.knobs
    if knobs.track is None or os.environ.get("RANK", "0") != "0":  # the first process tells it
        yield on_step
        return
    name = job.folder.name if knobs.seeds == 1 else f"{job.folder.parent.name}-{job.folder.name}"
    told = {"base": job.base, "method": job.method.name, "minutes": settings.minutes}
    told |= {"rate": job.rate, "rank": knobs.rank, "alpha": knobs.alpha, "seed": knobs.seed}
    target = (job.folder.parent if knobs.seeds > 1 else job.folder).parent / "tracked"
    tracker: Tracker = open_tracker(knobs.track, name.removesuffix(".training"), told, target)

    def hear(seconds: float, figures: dict[str, float]) -> None:
        shown = {key: value for key, value in figures.items() if key != "step"}
        tracker.log(shown, int(figures["step"]))
        if on_step is not None:
            on_step(seconds, figures)

    try:
        yield hear
    finally:
        tracker.close()
