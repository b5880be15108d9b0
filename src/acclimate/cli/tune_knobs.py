"""The options of `acclimate tune` that choose what is planned otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from acclimate.tuning.knobs import TARGETS, Knobs
from acclimate.tuning.tracking import TRACKERS, TrackerName

_ABOVE_0 = click.FloatRange(min=0, min_open=True)
_FROM_1 = click.IntRange(min=1)
_OPTIONS = (
    click.option("--rank", type=_FROM_1, help="LoRA's rank, or another method's size."),
    click.option("--alpha", type=_ABOVE_0, help="LoRA's scale is alpha / rank."),
    click.option(
        "--target-modules",
        help=f"Layers that get a LoRA, separated by commas (default: all): {', '.join(TARGETS)}.",
    ),
    click.option("--epochs", type=_ABOVE_0, help="Passes over the cases, instead of --minutes."),
    click.option("--batch", type=_FROM_1, help="Packed sequences of a step (default: 4)."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option(
        "--seeds",
        type=_FROM_1,
        default=1,
        show_default=True,
        help="Equal runs, from --seed on; the best is served, and comparisons ask all of them.",
    ),
    click.option(
        "--sweep",
        is_flag=True,
        help="Choose the rate before, among five by halving: takes --minutes once more.",
    ),
    click.option(
        "--track",
        type=click.Choice(TRACKERS),
        help="Tell a tracker of the figures, where it is installed.",
    ),
)


def knob_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets them as `knobs`."""

    @wraps(command)
    def gathered(
        *arguments: Any,
        rank: int | None,
        alpha: float | None,
        target_modules: str | None,
        epochs: float | None,
        batch: int | None,
        seed: int,
        seeds: int,
        sweep: bool,
        track: TrackerName | None,
        **options: Any,
    ) -> None:
        layers = tuple(part.strip() for part in (target_modules or "").split(",") if part.strip())
        knobs = Knobs(rank, alpha, layers, epochs, batch, seed, sweep, seeds, track)
        command(*arguments, knobs=knobs, **options)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def spread(losses: dict[int, float]) -> str:
    """The dev losses of several seeds in a line."""
    values = list(losses.values())
    middle = sum(values) / len(values)
    deviation = (sum((one - middle) ** 2 for one in values) / (len(values) - 1)) ** 0.5
    return f"{len(values)} seeds: dev loss {middle:.3f} ± {deviation:.3f} (standard deviation)"
