"""The order of reading of a PDF page whose parts were written in another, as slides often are.

The order of writing is kept where it runs down the page and then to the right, as it mostly does:
geometry alone knows less of columns, notes and captions than the program that wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from acclimate.documents.reading_order import reading_order
from acclimate.types import Box

Part = TypeVar("Part")

# Of the height: running headers and footers stand there, and are written at any time.
_MARGIN = 0.08
_GAP = 1.5  # letter heights: what is further below begins a block
_LETTERS = 14.0  # points: the height of a part of one line, at most
_SLACK = 2.0  # points
_MOST = 300  # blocks


def in_reading_order(
    parts: Sequence[Part], box: Callable[[Part], Box], height: float
) -> list[Part]:
    """The parts of a page, `height` points high, as written, or as they stand where they were
    written backwards."""
    blocks: list[list[Part]] = []
    places: list[Box] = []
    for part in parts:
        here = box(part)
        if blocks and _goes_on(box(blocks[-1][-1]), here):
            blocks[-1].append(part)
            places[-1] = _around(places[-1], here)
        else:
            blocks.append([part])
            places.append(here)
    body = [
        place
        for place in places
        if place.bottom > _MARGIN * height and place.top < (1 - _MARGIN) * height
    ]
    if len(blocks) > _MOST or not any(_is_backwards(one, other) for one, other in pairwise(body)):
        return list(parts)
    return [part for at in reading_order(places) for part in blocks[at]]


def _goes_on(last: Box, here: Box) -> bool:
    """Whether a part stands right under the one before it."""
    letters = min(last.bottom - last.top, here.bottom - here.top, _LETTERS)
    return (
        here.top - last.top >= -_SLACK
        and here.top - last.bottom < _GAP * letters
        and _overlap(last, here)
    )


def _is_backwards(one: Box, other: Box) -> bool:
    """Whether a block stands above the one written before it, and not to its right; or beside it,
    to its left."""
    if other.right <= one.left + _SLACK:
        return other.top < one.bottom and one.top < other.bottom
    # The boxes of lines overlap a little.
    lines = 0.4 * min(one.bottom - one.top, other.bottom - other.top, _LETTERS)
    return other.bottom <= one.top + lines and other.left < one.right - _SLACK


def _overlap(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right


def _around(one: Box, other: Box) -> Box:
    return Box(
        min(one.left, other.left),
        min(one.top, other.top),
        max(one.right, other.right),
        max(one.bottom, other.bottom),
    )
