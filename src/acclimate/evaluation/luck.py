"""Training's own luck: how far the mean of a few seeds may be from what training gives on average.

A contestant that was trained several times is scored by the mean of its runs on each question. Its
documents vary as everybody's do; its seeds vary too, and there are few. What seeds add to the
variance of the mean is the variance between runs, less what is between them only because each
happens to get other documents right (seeds and documents are crossed, see Cameron, Gelbach and
Miller, "Robust Inference with Multi-Way Clustering", 2011). It enters intervals and tests as
Student's t with one degree of freedom fewer than seeds, beside the documents' own error: the sum of
two such errors is Behrens and Fisher's, which keeps its level however unequal they are.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acclimate.evaluation.clusters import Floats, Places, by_cluster

Runs = Sequence[Sequence[float]]
"""Points [S, n] of S runs of one contestant, trained with different seeds."""
ENOUGH = 3
"""Seeds from which their variance is told from the documents'."""


@dataclass(frozen=True, slots=True)
class Luck:
    """What the choice of `seeds` seeds adds to the standard error of a contestant's mean."""

    seeds: int
    error: float

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """By how much the mean of these runs may be off, `count` times."""
        drawn: Floats = self.error * rng.standard_t(self.seeds - 1, count)
        return drawn


def of(luck: Mapping[str, Luck], *names: str) -> list[Luck]:
    """The luck of those of these recipes that have any."""
    return [luck[name] for name in names if name in luck]


def drawn(luck: Sequence[Luck], count: int) -> Floats:
    """What seeds may have added to a mean, or to a difference of two sides with this luck."""
    rng = np.random.default_rng(1)  # other numbers than those that draw the clusters
    total: Floats = np.sum([one.draw(count, rng) for one in luck], axis=0)
    return total


@dataclass(frozen=True, slots=True)
class Seeds:
    """What other seeds would have added to each recipe's mean, for each of `draws` shuffles."""

    luck: Sequence[Luck | None]
    recipes: int
    draws: int

    def shift(self, questions: int, first: Places, second: Places) -> Floats:
        """[B, pairs] what is added to the sum of each pair's differences over so many questions."""
        rng = np.random.default_rng(1)
        each = np.zeros((self.draws, self.recipes))
        for place, one in enumerate(self.luck):
            if one is not None:
                each[:, place] = one.draw(self.draws, rng)
        moved: Floats = questions * (each[:, first] - each[:, second])
        return moved

    def floor(self, questions: int, first: Places, second: Places) -> Floats:
        """[pairs] the variance of that."""
        each = np.zeros(self.recipes)
        for place, one in enumerate(self.luck):
            each[place] = 0.0 if one is None else one.error**2
        variance: Floats = questions**2 * (each[first] + each[second])
        return variance


def luck_of(runs: Runs, clusters: Sequence[Hashable]) -> Luck | None:
    """The luck in several runs' points on the same questions; None for a single run, of whose luck
    nothing is known.

    Of two runs, or with one cluster, all that is between the runs counts as luck: that is too much
    rather than too little.
    """
    sums = np.stack([by_cluster(run, clusters)[0] for run in runs])  # [S, G]
    sizes = by_cluster(runs[0], clusters)[1]
    seeds, groups = sums.shape
    if seeds < 2:
        return None
    total = sizes.sum()
    means = sums.sum(axis=1) / total
    between, within = float(means.var(ddof=1)), 0.0
    if seeds >= ENOUGH and groups > 1:
        left = sums - sums.mean(axis=0) - (means - means.mean())[:, None] * sizes
        within = float((left**2).sum()) / (seeds - 1) * groups / (groups - 1) / total**2
    return Luck(seeds, math.sqrt(max(0.0, between - within) / seeds))
