"""Stopping a comparison early without more false winners: a group-sequential permutation test.

The outcomes are looked at after a fifth, two fifths … of the questions, whole documents at a time.
Each look may spend some of the 5 % of false differences that the whole comparison is allowed: up to
the share t of the questions, 5 % × t² (Kim and DeMets, "Design and analysis of group sequential
tests based on the type I error spending rate function", 1987, with ρ = 2: little is spent early, so
that a comparison that goes to its end finds nearly as much). What a look may call a difference is
read off the same shuffles as in `statistics.family_p`, followed over all looks, so that it holds
for several recipes, for few and for unequal documents. Lan and DeMets, "Discrete sequential
boundaries for clinical trials", 1983, for spending as such.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from acclimate.evaluation.clusters import Floats, by_cluster
from acclimate.evaluation.luck import Luck, Seeds
from acclimate.evaluation.statistics import distance

ALPHA = 0.05
LOOKS = 5
_RHO = 2.0
_RESAMPLES = 10_000
_CELLS = 2_000_000  # numbers held at once
_FIRST_QUESTIONS, _FIRST_DOCUMENTS = 20, 10  # fewer are no look
_PATHS = 40_000  # of chance alone, from which the levels of intervals are read


@dataclass(frozen=True, slots=True)
class Look:
    """What the outcomes so far say: `p` [R, R] of all pairs, corrected for their number and for all
    looks so far; `apart` [R, R], which pairs differ for certain enough to stop."""

    p: Floats
    apart: np.typing.NDArray[np.bool_]


def plan_looks(clusters: Sequence[Hashable], looks: int = LOOKS) -> tuple[int, ...]:
    """After how many questions to look, in this order of questions; the last is all of them.

    Each look falls on the end of a document; those with too little to tell from are left out.
    """
    total = len(clusters)
    ends = [place for place in range(1, total) if clusters[place] != clusters[place - 1]]
    ends.append(total)
    chosen = []
    for number in range(1, looks):
        end = next(end for end in ends if end >= total * number / looks)
        enough = end >= _FIRST_QUESTIONS and len(set(clusters[:end])) >= _FIRST_DOCUMENTS
        if enough and end < total and end not in chosen:
            chosen.append(end)
    return (*chosen, total)


def look(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable],
    looks: Sequence[int],
    total: int,
    luck: Sequence[Luck | None] = (),
) -> Look:
    """The pairs of R recipes' scores [n] after the last of `looks`, of which it is one of n
    questions; `total` is how many there would be at the end, `luck` as in `family_p`."""
    recipes = len(scores)
    shuffled, observed = _paths(scores, clusters, looks, Seeds(luck, recipes, _RESAMPLES))
    pairs = observed.shape[1]
    alive = np.ones(len(shuffled), bool)
    p = np.ones(pairs)
    apart = np.zeros(pairs, bool)
    for place, until in enumerate(looks):
        highest = shuffled[:, place]
        allowed = int(ALPHA * (until / total) ** _RHO * (_RESAMPLES + 1)) - int((~alive).sum())
        bound = _bound(highest[alive], allowed)
        before = int((~alive).sum())
        beyond = (highest[alive][:, None] >= observed[place] - 1e-9).sum(axis=0)
        crossed = (observed[place] > bound + 1e-9) & ~apart
        p = np.where(apart, p, (before + beyond + 1) / (_RESAMPLES + 1))
        apart |= crossed
        alive &= highest <= bound + 1e-9
    if looks[-1] < total:
        # What is not decided at a look is not decided, however near it comes.
        p = np.where(apart, p, np.maximum(p, ALPHA))
    return Look(_square(p, recipes, 1.0), _square(apart, recipes, False).astype(bool))


def interval_level(looks: Sequence[int], total: int) -> float:
    """The level at which an interval after the last of `looks` covers the truth in at least 95 %,
    although the comparison may have stopped there because of what it saw.

    Repeated confidence intervals (Jennison and Turnbull, 1989): the level of one look at its own
    bound, which is read from 40,000 paths of chance.
    """
    if len(looks) == 1 and looks[-1] == total:
        return 1 - ALPHA
    rng, shares = np.random.default_rng(0), np.array(looks) / total
    steps = np.diff(np.concatenate([[0.0], shares]))
    walks = np.cumsum(rng.normal(size=(_PATHS, len(steps))) * np.sqrt(steps), axis=1)
    heights = np.abs(walks) / np.sqrt(shares)
    alive = np.ones(_PATHS, bool)
    level = 0.0
    for place, share in enumerate(shares):
        allowed = int(ALPHA * share**_RHO * _PATHS) - int((~alive).sum())
        bound = _bound(heights[alive, place], allowed)
        level = float(np.mean(heights[:, place] > bound))
        alive &= heights[:, place] <= bound
    return 1 - level


def _bound(heights: Floats, allowed: int) -> float:
    """What fewer than `allowed` of the heights exceed: the observed one would be the next (Phipson
    and Smyth, 2010)."""
    if allowed <= 0 or not len(heights):
        return float("inf")
    return float(np.sort(heights)[::-1][min(allowed, len(heights)) - 1])


def _paths(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable],
    looks: Sequence[int],
    seeds: Seeds,
) -> tuple[Floats, Floats]:
    """The highest distance of any pair at each look, under each shuffle [B, looks], and the
    distances observed [looks, pairs]. A document is shuffled alike at all looks, and the seeds are
    the same ones."""
    first, second = np.triu_indices(len(scores), 1)
    shape = (_RESAMPLES, len(first))
    gaps, squares = np.zeros(shape), np.zeros(shape)
    seen, seen_squares = np.zeros(len(first)), np.zeros(len(first))
    highest, observed = np.zeros((_RESAMPLES, len(looks))), np.zeros((len(looks), len(first)))
    start = 0
    for place, until in enumerate(looks):
        sums = np.stack([by_cluster(row[start:until], clusters[start:until])[0] for row in scores])
        apart = sums[first] - sums[second]
        seen, seen_squares = seen + apart.sum(axis=1), seen_squares + (apart**2).sum(axis=1)
        floor = seeds.floor(until, first, second)
        observed[place] = distance(seen, seen_squares, floor)
        rng = np.random.default_rng((0, start))
        batch = max(1, _CELLS // (max(1, len(first)) * sums.shape[1]))
        for at in range(0, _RESAMPLES, batch):
            size = (min(batch, _RESAMPLES - at), *sums.shape)
            order = rng.random(size).argsort(axis=1)
            mixed = np.take_along_axis(np.broadcast_to(sums, size), order, axis=1)
            between = mixed[:, first] - mixed[:, second]
            rows = slice(at, at + size[0])
            gaps[rows] += between.sum(axis=2)
            squares[rows] += (between**2).sum(axis=2)
        moved = gaps + seeds.shift(until, first, second)
        highest[:, place] = distance(moved, squares, floor).max(axis=1, initial=0.0)
        start = until
    return highest, observed


def _square(values: Floats | np.typing.NDArray[np.bool_], recipes: int, diagonal: float) -> Floats:
    first, second = np.triu_indices(recipes, 1)
    square: Floats = np.full((recipes, recipes), diagonal, dtype=np.float64)
    square[first, second] = square[second, first] = values
    return square
