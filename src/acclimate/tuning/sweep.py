"""Several learning rates from one beginning, halved: the worse ones end early.

Every rate trains in segments of equally many steps; its score on a segment is the dev loss after
it, negative. A candidate is its folder's checkpoint: all share one network, a sweep that was
stopped goes on where it was, and processes that see the folder can share its rates.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from acclimate.tuning.packing import Packed
from acclimate.tuning.trainer import Sampler, Trainer

FACTORS = (1.0, 0.25, 0.5, 2.0, 4.0)
"""Of the planned rate, which is the baseline."""
SEGMENTS = 12
"""Of a whole run, which the rates that are kept to the end have done."""


class Halve(Protocol):
    """The search: the winner's name, and all scores by name and item."""

    def __call__(
        self, candidates: Sequence[str], items: Sequence[str], scorer: Callable[[str, str], float]
    ) -> tuple[str, Mapping[str, Mapping[str, float]]]:
        """The best of `candidates` on `items`, in their order; one scored earlier is not again."""


@dataclass(frozen=True, slots=True)
class Swept:
    """The rate that was chosen, and by rate the dev loss where it ended and the steps until
    then."""

    rate: float
    losses: dict[float, float]
    steps: dict[float, int]


class RateSweep:
    """Trains a network at several rates by turns; `minutes` is what all of them may take."""

    def __init__(
        self, trainer: Trainer, sampler: Sampler, dev: Sequence[Packed], minutes: float
    ) -> None:
        self._trainer, self._sampler, self._dev = trainer, sampler, dev
        self._folder, self._settings, self._minutes = trainer.folder, trainer.settings, minutes
        self._start = [one.detach().float().clone() for one in trainer.parameters]

    def run(self, halve: Halve, calls: int) -> Swept:
        """Choose among `FACTORS` of the planned rate, in about `calls` segments; the trainer stands
        where its folder is then, with the rate that won."""
        segment = self._segment(calls)
        names = [f"{factor * self._settings.learning_rate:g}" for factor in FACTORS]

        winner, scores = halve(names, [str(at) for at in range(SEGMENTS)], self.score)
        chosen = replace(self._settings, learning_rate=float(winner))
        self._trainer.begin(self._folder, chosen, self._start)
        ends = {name: max(scores[name], key=int) for name in names}
        return Swept(
            float(winner),
            {float(name): -scores[name][end] for name, end in ends.items()},
            {float(name): (int(end) + 1) * segment for name, end in ends.items()},
        )

    def score(self, name: str, item: str) -> float:
        """The score of a rate after the segment `item`, trained on from where its folder is."""
        segment = self._segment(0)
        return -self._train(float(name), SEGMENTS * segment, (int(item) + 1) * segment)

    def _train(self, rate: float, steps: int, until: int) -> float:
        settings = replace(
            self._settings, learning_rate=rate, steps=steps, checkpoint_minutes=1e9, patience=10**6
        )
        self._trainer.begin(self._folder / "sweep" / f"{rate:g}", settings, self._start)
        if self._trainer.step < until:
            self._trainer.run(self._sampler, self._dev, until=until)
        return self._trainer.dev_loss(self._dev)

    def _segment(self, calls: int) -> int:
        """Steps of a segment, so that `calls` of them fit the minutes: by the time of two steps,
        noted so that a resumed sweep, and another process, has the same."""
        note = self._folder / "sweep" / "segment.json"
        if note.exists():
            return int(json.loads(note.read_text(encoding="ascii"))["steps"])
        timed = self._folder / "sweep" / "timed"
        self._trainer.begin(timed, replace(self._settings, steps=2), self._start)
        started = time.monotonic()
        self._trainer.run(self._sampler, self._dev[:1])
        took = (time.monotonic() - started) / 2
        steps = max(1, int(self._minutes * 60 / calls / took))
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"steps": steps}), encoding="ascii")
        return steps
