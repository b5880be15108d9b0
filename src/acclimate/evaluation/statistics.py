"""How sure a difference is: intervals and tests for scores that come in clusters.

Questions about one document resemble each other, so the document is what is resampled, not the
question. All functions take scores [n] and the cluster of each, and are repeatable: random numbers
start from a fixed seed, and `RESAMPLES` are drawn where `resamples` (thousands) says nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from acclimate.evaluation.clusters import Floats, Places, by_cluster, mean_and_error
from acclimate.evaluation.luck import Luck, Seeds, drawn

RESAMPLES = 10_000
_EXACT_UP_TO = 12  # clusters whose 2^n sign flips are all tried
_BATCH = 1000
_CELLS = 2_000_000  # numbers held at once


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second over the same questions.

    `p` is of the two-sided permutation test; `adjusted` is p corrected for all pairs of one
    comparison (set by `holm`). `needed` is how many questions like these would show a difference of
    this size in four of five tries at 5 %, None where there is none to show.
    """

    interval: Interval
    p: float
    needed: int | None
    adjusted: float = 1.0


def mean_interval(
    scores: Sequence[float],
    clusters: Sequence[Hashable],
    level: float = 0.95,
    resamples: int = 0,
    luck: Sequence[Luck] = (),
) -> Interval:
    """The mean and its interval by the studentised bootstrap over clusters.

    Each resample's mean is measured in its own standard errors, which keeps the coverage right with
    few clusters, where plain percentiles are too narrow. Source: Cameron, Gelbach, Miller,
    "Bootstrap-Based Improvements for Inference with Clustered Errors", 2008, section III. With one
    cluster, or no spread at all, low and high are the mean: nothing can be said. Where the scores
    are means over seeds, their `luck` widens it; of a difference, that of both sides.
    """
    sums, sizes = by_cluster(scores, clusters)
    mean, error = mean_and_error(sums[None], sizes[None])
    by_luck = any(one.error for one in luck)
    if (len(sums) < 2 or error[0] == 0) and not by_luck:
        return Interval(float(mean[0]), float(mean[0]), float(mean[0]))
    rng = np.random.default_rng(0)
    ratios = []
    draws = resamples or RESAMPLES
    for _ in range(draws // _BATCH if error[0] else 0):
        picked = rng.integers(0, len(sums), (_BATCH, len(sums)))
        means, errors = mean_and_error(sums[picked], sizes[picked])
        # A resample without spread says nothing about the ratio: as far off as it is, in units of
        # the least error seen.
        floor = np.maximum(errors, error[0] * 0.1)
        ratios.append((means - mean[0]) / floor)
    off = error[0] * np.concatenate(ratios) if ratios else np.zeros(draws)
    if by_luck:
        off = off + drawn(luck, len(off))
    low, high = np.quantile(off, [(1 + level) / 2, (1 - level) / 2])
    return Interval(float(mean[0]), float(mean[0] - low), float(mean[0] - high))


def difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    level: float = 0.95,
    resamples: int = 0,
    luck: Sequence[Luck] = (),
) -> Difference:
    """Compare two recipes' scores of the same questions; of shares (0 to 1) no difference is beyond
    1. `luck` is that of the sides whose scores are means over seeds.

    Raises ValueError where the lengths differ.
    """
    if not len(first) == len(second) == len(clusters):
        raise ValueError(
            f"{len(first)} and {len(second)} scores in {len(clusters)} clusters cannot be paired"
        )
    gaps = np.asarray(first, float) - np.asarray(second, float)
    interval = mean_interval(list(gaps), clusters, level, resamples, luck)
    if all(0 <= score <= 1 for score in (*first, *second)):
        interval = replace(interval, low=max(-1.0, interval.low), high=min(1.0, interval.high))
    p = permutation_p(gaps, clusters, resamples, luck)
    return Difference(interval, p, needed(gaps, clusters, luck=luck))


def permutation_p(
    gaps: Sequence[float] | Floats,
    clusters: Sequence[Hashable],
    resamples: int = 0,
    luck: Sequence[Luck] = (),
) -> float:
    """Two-sided p of the paired permutation test that swaps the two sides of whole clusters.

    All swaps up to 12 clusters, else 10,000 random ones, the observed counted as one of them
    (Phipson and Smyth, 2010). With `luck` each random swap also has other seeds, and they are
    never all tried.
    """
    sums, _ = by_cluster(gaps, clusters)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    # Sums of floats in another order differ in the last digit.
    observed = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    if len(sums) <= _EXACT_UP_TO and not luck:
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float(np.mean(np.abs(signs @ sums) >= observed))
    rng, draws = np.random.default_rng(0), resamples or RESAMPLES
    flips = [rng.integers(0, 2, (_BATCH, len(sums))) * 2 - 1 for _ in range(draws // _BATCH)]
    swapped = np.concatenate([some @ sums for some in flips])
    if luck:
        swapped = swapped + len(gaps) * drawn(luck, len(swapped))
    return float(np.sum(np.abs(swapped) >= observed) + 1) / (draws + 1)


def needed(
    gaps: Sequence[float] | Floats,
    clusters: Sequence[Hashable],
    power: float = 0.8,
    luck: Sequence[Luck] = (),
) -> int | None:
    """Questions at which a difference of this size and spread would be found with `power` at 5 %;
    None where there is no difference, or where it is within the `luck` of these seeds, which no
    number of questions makes smaller."""
    sums, sizes = by_cluster(gaps, clusters)
    mean, error = mean_and_error(sums[None], sizes[None])
    if mean[0] == 0 or error[0] == 0:
        return None
    normal = NormalDist()
    wanted = abs(mean[0]) / (normal.inv_cdf(0.975) + normal.inv_cdf(power))
    left = float(wanted) ** 2 - sum(one.error**2 for one in luck)
    return math.ceil(len(gaps) * float(error[0]) ** 2 / left) if left > 0 else None


def family_p(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable],
    resamples: int = 0,
    luck: Sequence[Luck | None] = (),
) -> Floats:
    """[R, R] p-values of all pairs of R recipes, corrected for their number: the max-T permutation
    test.

    Within each cluster the recipes' scores change places at random, 10,000 times; a pair's p is the
    share of times in which any pair was as far apart as it is. Distances are sums over clusters in
    units of their own spread. It keeps the chance of one false difference at 5 %, as Holm's
    correction does, and finds more where recipes resemble each other. Source: Westfall and Young,
    "Resampling-Based Multiple Testing", 1993, chapter 2. `luck` is that of each recipe whose scores
    are means over seeds (none at all: (), else R long): each shuffle then also has other seeds.
    """
    sums = np.stack([by_cluster(row, clusters)[0] for row in scores])  # [R, G]
    recipes, groups = sums.shape
    if recipes < 2:
        return np.ones((recipes, recipes))
    first, second = np.triu_indices(recipes, 1)
    rng, extreme, draws = np.random.default_rng(0), np.zeros(len(first)), resamples or RESAMPLES
    seeds = Seeds(luck, recipes, draws)
    floor, shift = (make(len(clusters), first, second) for make in (seeds.floor, seeds.shift))
    observed = distance(*_gaps(sums[None], first, second), floor)[0]
    batch = max(1, _CELLS // (len(first) * groups))
    for at in range(0, draws, batch):
        order = rng.random((min(batch, draws - at), recipes, groups)).argsort(axis=1)
        shuffled = np.take_along_axis(np.broadcast_to(sums, order.shape), order, axis=1)
        moved, squares = _gaps(shuffled, first, second)
        apart = distance(moved + shift[at : at + batch], squares, floor)
        extreme += (apart.max(axis=1)[:, None] >= observed - 1e-9).sum(axis=0)
    values = np.ones((recipes, recipes))
    values[first, second] = values[second, first] = (extreme + 1) / (draws + 1)
    return values


def _gaps(sums: Floats, first: Places, second: Places) -> tuple[Floats, Floats]:
    """[B, pairs] sums of differences over clusters, and of their squares."""
    gaps = sums[:, first] - sums[:, second]
    return gaps.sum(axis=2), (gaps**2).sum(axis=2)


def distance(gaps: Floats, squares: Floats, floor: Floats) -> Floats:
    """[…, pairs] |sum of differences| in units of its own spread, 0 where there is none; `floor` is
    the variance that seeds add."""
    spread = np.sqrt(squares + floor)
    apart: Floats = np.abs(gaps) / np.where(spread > 0, spread, 1.0)
    return apart
