"""Scores that come in clusters, as the sums and sizes of these."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def by_cluster(
    scores: Sequence[float] | Floats, clusters: Sequence[Hashable]
) -> tuple[Floats, Floats]:
    """Sum and number of scores in each cluster."""
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    index = [places[name] for name in clusters]
    sums: Floats = np.bincount(
        index, weights=np.asarray(scores, float), minlength=len(places)
    ).astype(np.float64)
    return sums, np.bincount(index, minlength=len(places)).astype(np.float64)


def cluster_error(scores: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """The cluster-robust standard error of the mean."""
    sums, sizes = by_cluster(scores, clusters)
    return float(mean_and_error(sums[None], sizes[None])[1][0])


def mean_and_error(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Mean of all scores and its cluster-robust standard error, a row for each resample of G
    clusters."""
    total = sizes.sum(axis=1)
    mean = sums.sum(axis=1) / total
    groups = sums.shape[1]
    spread = ((sums - mean[:, None] * sizes) ** 2).sum(axis=1) * groups / max(1, groups - 1)
    return mean, np.sqrt(spread) / total
