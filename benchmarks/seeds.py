"""Whether intervals and tests keep their word for contestants that were trained with several seeds.

    python -m benchmarks.seeds [--times 1000]

Simulated: documents of one to five questions, each with a level of its own; a contestant whose runs
differ by their seed and by documents that suit one run more than another, beside one that was not
trained. Right and wrong answers, no true difference. For each number of seeds, documents and size of
the seeds' luck: how often the 95 % interval covers the truth with and without the luck, and how
often some pair of three contestants (two of them trained) comes out at p < 0.05, asked to the end
and stopped early.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from acclimate.evaluation import sequential, statistics
from acclimate.evaluation.clusters import Floats
from acclimate.evaluation.luck import luck_of
from acclimate.evaluation.sequential import look, plan_looks
from acclimate.evaluation.statistics import difference, family_p, mean_interval
from benchmarks.harness import emit, machine

_LEVEL, _SUITS = (
    0.2,
    0.1,
)  # spread of documents, and of what suits a run, in shares of right answers


def trained(
    rng: np.random.Generator, levels: Floats, places: Floats, seeds: int, luck: float
) -> Floats:
    """[S, n] right and wrong answers of a contestant's runs; `levels` by document."""
    suits = rng.normal(0, _SUITS, (seeds, len(levels)))
    chance = 0.5 + (levels + suits)[:, places] + rng.normal(0, luck, seeds)[:, None]
    return (rng.random(chance.shape) < np.clip(chance, 0, 1)).astype(float)


def simulate(seeds: int, documents: int, luck: float, times: int) -> dict[str, Any]:
    """One row: shares of `times` simulations."""
    rng = np.random.default_rng((seeds, documents))
    counted = dict.fromkeys(("difference", "mean", "ignored", "single", "family", "stopped"), 0)
    for _ in range(times):
        sizes = rng.integers(1, 6, documents)
        places = np.repeat(np.arange(documents), sizes)
        groups = places.tolist()
        levels = rng.normal(0, _LEVEL, documents)
        one, two = (trained(rng, levels, places, seeds, luck) for _ in range(2))
        plain = trained(rng, levels, places, 1, 0.0)[0]
        first, second = luck_of(one, groups), luck_of(two, groups)
        assert first is not None
        assert second is not None
        means = [one.mean(axis=0), two.mean(axis=0), plain]
        gap = difference(means[0], plain, groups, luck=[first])
        counted["difference"] += gap.interval.low <= 0 <= gap.interval.high
        counted["single"] += gap.p < 0.05
        alone = mean_interval(means[0], groups, luck=[first])
        counted["mean"] += alone.low <= 0.5 <= alone.high
        without = difference(means[0], plain, groups).interval
        counted["ignored"] += without.low <= 0 <= without.high
        every = (first, second, None)
        counted["family"] += family_p(means, groups, luck=every)[np.triu_indices(3, 1)].min() < 0.05
        counted["stopped"] += stops(means, groups, [one, two])
    shares = {name: round(count / times, 4) for name, count in counted.items()}
    return {"seeds": seeds, "documents": documents, "luck": luck, **shares}


def stops(means: list[Floats], groups: list[int], runs: list[Floats]) -> bool:
    """Whether some pair is apart at one of five looks."""
    looks = plan_looks(groups)
    for number, until in enumerate(looks, start=1):
        luck = [luck_of(one[:, :until], groups[:until]) for one in runs]
        found = look(
            [row[:until] for row in means], groups[:until], looks[:number], looks[-1], [*luck, None]
        )
        if found.apart.any():
            return True
    return False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    options = parser.parse_args()
    statistics.RESAMPLES = sequential._RESAMPLES = 1000
    rows = [
        simulate(seeds, documents, luck, options.times)
        for seeds in (2, 3, 5)
        for documents in (12, 40)
        for luck in (0.0, 0.05, 0.15)
    ]
    emit({"benchmark": "seeds", "times": options.times, "rows": rows, "machine": machine()})


if __name__ == "__main__":
    main()
