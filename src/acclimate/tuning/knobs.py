"""What a user may choose of a run instead of the plan. Needs no PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from acclimate.errors import SettingsError
from acclimate.tuning.tracking import TrackerName

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers that a LoRA stands beside, by Transformers' names."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """The user's own choices; None or empty: by the plan.

    `rank` is the method's size (LoRA's r), `alpha` its scale, `targets` the linear layers that get
    a LoRA, `epochs` how often as many cases as there are are drawn (instead of minutes), `batch`
    sequences of a step, `seed` of all that is drawn. `sweep` chooses the learning rate among five,
    `seeds` is how many equal runs are made (the one with the lowest dev loss is kept), `track` a
    tracker that is told of the figures.
    """

    rank: int | None = None
    alpha: float | None = None
    targets: tuple[str, ...] = ()
    epochs: float | None = None
    batch: int | None = None
    seed: int = 0
    sweep: bool = False
    seeds: int = 1
    track: TrackerName | None = None

    def __post_init__(self) -> None:
        """Raises SettingsError for a value that means nothing."""
        numbers = {
            "rank": self.rank,
            "alpha": self.alpha,
            "epochs": self.epochs,
            "batch": self.batch,
            "seeds": self.seeds,
        }
        for name, value in numbers.items():
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise SettingsError(f"{name} is {value}.", hint="Give a number above 0.")
        if odd := [name for name in self.targets if name not in TARGETS]:
            raise SettingsError(
                f"there is no layer '{odd[0]}' to put a LoRA beside.",
                hint=f"Known: {', '.join(TARGETS)}.",
            )


PLANNED = Knobs()
"""Nothing chosen."""


def steps_for(epochs: float, cases: int, cases_a_sequence: float, batch: int) -> int:
    """Steps that draw `cases` as often as `epochs` says, packed as they are."""
    return max(1, math.ceil(epochs * cases / cases_a_sequence / batch))
