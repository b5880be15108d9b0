"""The order in which a reader takes what stands on a slide: bands from the top, columns within them
from the left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from acclimate.types import Box

# Of the lesser of two sizes: boxes that overlap by no more still stand beside each other.
_OVERLAP = 0.15
_CLOSE = 1.5  # gaps of which one is not larger than the other by more tell nothing
_HEAD = 0.7  # of the height of what stands below: a row of lower boxes is one of headings
_LABEL = 0.6  # of the width of what stands beside it: a column of narrower boxes is one of labels
_MAX_DEPTH = 30

Axis = Literal["across", "down"]


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Places in `boxes` in the order of reading; boxes at one place stay in their order.

    A recursive cut (Nagy and Seth, "Hierarchical representation of optically scanned documents",
    1984): a band that nothing crosses is read before the next; bands that share their columns are
    read column by column, unless the columns stand closer together than the bands, as the cells of
    a table do.
    """
    return _order(list(range(len(boxes))), boxes, 0)


def _order(items: list[int], boxes: Sequence[Box], depth: int) -> list[int]:
    if len(items) < 2:
        return items
    bands = _split(items, boxes, "down")
    columns = _split(items, boxes, "across")
    if depth > _MAX_DEPTH or (len(bands) == 1 and len(columns) == 1):
        return sorted(items, key=lambda item: (boxes[item].top, boxes[item].left))
    if len(bands) == 1:
        return [item for column in columns for item in _order(column, boxes, depth + 1)]
    out: list[int] = []
    at = 0
    while at < len(bands):
        end, columns = at + 1, _split(bands[at], boxes, "across")
        while end < len(bands) and len(columns) > 1:
            together = _split(
                [item for band in bands[at : end + 1] for item in band], boxes, "across"
            )
            if len(together) < 2:
                break
            end, columns = end + 1, together
        region = bands[at:end]
        if len(region) > 1 and _by_column(region, columns, boxes):
            parts = columns
        else:
            parts = [part for band in region for part in _split(band, boxes, "across")]
        out += [item for part in parts for item in _order(part, boxes, depth + 1)]
        at = end
    return out


def _by_column(
    bands: Sequence[list[int]], columns: Sequence[list[int]], boxes: Sequence[Box]
) -> bool:
    """Whether bands that share columns are read by column: those stand further apart, or have
    headings."""
    first, *others = [_longest(column, boxes, "across") for column in columns]
    if first < _LABEL * max(others) and all(len(band) == len(columns) for band in bands):
        return False
    aside = _nearest(columns, boxes, "across")
    below = _nearest(bands, boxes, "down")
    if max(aside, below) > _CLOSE * max(0.0, min(aside, below)):
        return aside > below
    head, *rest = [_longest(band, boxes, "down") for band in bands]
    return head < _HEAD * max(rest)


def _longest(items: Sequence[int], boxes: Sequence[Box], axis: Axis) -> float:
    """The greatest width, or height."""
    spans = [_span(boxes[item], axis) for item in items]
    return max(end - start for start, end in spans)


def _nearest(groups: Sequence[Sequence[int]], boxes: Sequence[Box], axis: Axis) -> float:
    """The smallest gap between one group and the next."""
    return min(_gap(one, other, boxes, axis) for one, other in pairwise(groups))


def _gap(before: Sequence[int], after: Sequence[int], boxes: Sequence[Box], axis: Axis) -> float:
    return min(_span(boxes[item], axis)[0] for item in after) - max(
        _span(boxes[item], axis)[1] for item in before
    )


def _split(items: Sequence[int], boxes: Sequence[Box], axis: Axis) -> list[list[int]]:
    """Groups that nothing crosses, from the top or from the left."""
    groups: list[list[int]] = []
    end = least = 0.0
    for item in sorted(items, key=lambda item: _span(boxes[item], axis)):
        start, stop = _span(boxes[item], axis)
        size = stop - start
        if groups and start < end - _OVERLAP * min(size, least):
            groups[-1].append(item)
            end, least = max(end, stop), min(least, size)
        else:
            groups.append([item])
            end, least = stop, size
    return groups


def _span(box: Box, axis: Axis) -> tuple[float, float]:
    return (box.left, box.right) if axis == "across" else (box.top, box.bottom)
