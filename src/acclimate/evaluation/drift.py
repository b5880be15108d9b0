"""Whether questions that came lately fare worse than those before: what users ask changes.

The two groups are other questions, so nothing is paired; kinds and documents may differ between
them, and the difference says that, too.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from acclimate.errors import SettingsError
from acclimate.evaluation.clusters import Floats
from acclimate.evaluation.comparison import Comparison
from acclimate.evaluation.measures import find_measure
from acclimate.evaluation.rows import cluster
from acclimate.evaluation.statistics import Interval

_RESAMPLES = 4000
_LEAST = 5  # documents on each side; with fewer, false alarms were more than they say
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Drift:
    """A recipe's mean on `n_new` questions that were added since, on `n_old` from before, and the
    difference, new minus old, with its two-sided `p`; both None where either side has too few
    documents to say."""

    recipe: str
    new: float
    old: float
    n_new: int
    n_old: int
    gap: Interval | None
    p: float | None

    @property
    def sentence(self) -> str:
        """It in words."""
        told = (
            f"{self.recipe}: {100 * self.new:.0f} on {self.n_new} new questions, "
            f"{100 * self.old:.0f} on {self.n_old} from before"
        )
        if self.gap is None or self.p is None:
            return f"{told}; too few to tell."
        side = "better" if self.gap.mean > 0 else "worse"
        sure = f"new ones fare {side}" if self.p < _LEVEL else "no measurable difference"
        low, high = 100 * self.gap.low, 100 * self.gap.high
        return f"{told}: {sure} (95 % interval {low:+.0f} to {high:+.0f}, p {self.p:.3f})."


def drifts(comparison: Comparison, since: str) -> list[Drift]:
    """Each recipe on the questions added on `since` (an ISO date) or later, and on the others.

    A question without a date counts as from before. Raises SettingsError where one side has none.
    """
    new = {one.id for one in comparison.questions if one.added and one.added >= since}
    if not new or len(new) == len(comparison.questions):
        raise SettingsError(
            f"{len(new)} of {len(comparison.questions)} questions were added since {since}.",
            hint="Both sides need some; questions from feedback have their date in `added`.",
        )
    measure = find_measure(comparison.metric)
    groups = {one.id: cluster(one) for one in comparison.questions}
    found = []
    for row in comparison.rows:
        points: list[float] = []
        names: list[Hashable] = []
        late: list[bool] = []
        for outcome in comparison.outcomes:
            value = measure(outcome) if outcome.recipe == row.recipe else None
            if value is not None:
                points.append(value)
                names.append(groups[outcome.question])
                late.append(outcome.question in new)
        found.append(_drift(row.recipe, points, names, late))
    return found


def _drift(
    recipe: str, points: Sequence[float], names: Sequence[Hashable], late: Sequence[bool]
) -> Drift:
    scores, is_new = np.asarray(points, float), np.asarray(late, bool)
    means = [float(scores[side].mean()) if side.any() else 0.0 for side in (is_new, ~is_new)]
    counts = int(is_new.sum()), int((~is_new).sum())
    gap, p = unpaired(points, names, late)
    return Drift(recipe, means[0], means[1], counts[0], counts[1], gap, p)


def unpaired(
    points: Sequence[float], names: Sequence[Hashable], late: Sequence[bool]
) -> tuple[Interval | None, float | None]:
    """The difference of the means of two groups of scores, late minus early, its 95 % interval and
    two-sided p, by the symmetric studentised bootstrap over clusters, which may hold scores of both.

    The standard error is that of the difference of two ratios, linearised in the clusters
    (Cameron, Gelbach, Miller, 2008, for the resampling). None where a side has fewer than five
    clusters, or nothing varies.
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    index = np.array([places[name] for name in names])
    side = np.asarray(late, bool)
    scores = np.asarray(points, float)
    sums = np.zeros((2, len(places)))
    sizes = np.zeros((2, len(places)))
    for row, chosen in enumerate((side, ~side)):
        np.add.at(sums[row], index[chosen], scores[chosen])
        np.add.at(sizes[row], index[chosen], 1.0)
    if min((sizes > 0).sum(axis=1)) < _LEAST:
        return None, None
    mean, error = _gap(sums[None], sizes[None])
    if error[0] == 0:
        return None, None
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(places), (_RESAMPLES, len(places)))
    some, count = np.moveaxis(sums[:, drawn], 0, 1), np.moveaxis(sizes[:, drawn], 0, 1)
    whole = ((count > 0).sum(axis=2) >= 2).all(axis=1)  # both sides are there
    means, errors = _gap(some[whole], count[whole])
    ratios = (means - mean[0]) / np.maximum(errors, error[0] * 0.1)
    reach = float(np.quantile(np.abs(ratios), 1 - _LEVEL) * error[0])
    t = abs(mean[0]) / error[0]
    p = float((np.sum(np.abs(ratios) >= t) + 1) / (len(ratios) + 1))
    at = float(mean[0])
    least, most = at - reach, at + reach
    if all(0 <= one <= 1 for one in points):
        least, most = max(-1.0, least), min(1.0, most)
    return Interval(at, least, most), p


def _gap(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Difference of means and its cluster-robust standard error, [B] of [B, 2, G]."""
    totals = sizes.sum(axis=2)
    means = sums.sum(axis=2) / totals
    parts = (sums - means[:, :, None] * sizes) / totals[:, :, None]
    apart = parts[:, 0] - parts[:, 1]
    groups = sums.shape[2]
    return means[:, 0] - means[:, 1], np.sqrt((apart**2).sum(axis=1) * groups / (groups - 1))
