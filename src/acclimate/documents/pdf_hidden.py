"""Words of a PDF page that nobody sees: invisible, white on white, on a layer that is off, tiny, or
beside the page.

Colours and layers only raise a doubt: whether a word is seen is then looked up in a picture of the
page. Invisible words over a picture are those of a scan that was read, and stay.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw

from acclimate.types import Box

Doubt = Literal["", "invisible", "white", "layer"]
_WHITE = 245  # of 255, in each colour
_TINY = 0.6  # points
_CONTRAST = 12  # of 255, between the darkest and the lightest of a word's place
_SCALE = 1.0  # pixels a point
_MOST_PIXELS = 25_000_000
_INVISIBLE, _STROKED, _CLIPPED = 3, (1, 5), 7  # text rendering modes, ISO 32000, table 104
_NAME = 8  # letters: longer than the name that is looked for
_LAYER = [ord("O"), ord("C"), 0]


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A word that may not be seen: its place among the words, its box from the page's top left, and
    why."""

    at: int
    box: Box
    doubt: Doubt


class Inks:
    """How the letters of a page are drawn."""

    def __init__(self, handle: raw.FPDF_TEXTPAGE) -> None:
        self._handle = handle
        self._known: dict[int, Doubt] = {}

    def doubt(self, letter: int) -> Doubt:
        """Why a letter, by its number on the page, may not be seen; "" for no reason."""
        item = raw.FPDFText_GetTextObject(self._handle, letter)
        if not item:
            return ""
        key = ctypes.cast(item, ctypes.c_void_p).value or 0
        if key not in self._known:
            self._known[key] = _doubt(item)
        return self._known[key]


def _doubt(item: raw.FPDF_PAGEOBJECT) -> Doubt:
    mode = raw.FPDFTextObj_GetTextRenderMode(item)
    if mode in (_INVISIBLE, _CLIPPED):
        return "invisible"
    if _on_layer(item):
        return "layer"
    if mode in _STROKED:
        return ""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not raw.FPDFPageObj_GetFillColor(item, red, green, blue, alpha):
        return ""
    pale = min(red.value, green.value, blue.value) >= _WHITE
    return "white" if pale or alpha.value == 0 else ""


def _on_layer(item: raw.FPDF_PAGEOBJECT) -> bool:
    """Whether an object is marked as one of an optional layer ("OC")."""
    length = ctypes.c_ulong()
    for number in range(raw.FPDFPageObj_CountMarks(item)):
        name = (raw.FPDF_WCHAR * _NAME)()
        mark = raw.FPDFPageObj_GetMark(item, number)
        if (
            raw.FPDFPageObjMark_GetName(mark, name, ctypes.sizeof(name), length)
            and list(name[:3]) == _LAYER
        ):
            return True
    return False


def is_off(box: Box, width: float, height: float) -> bool:
    """Whether a word is tiny or stands beside the page."""
    outside = box.right <= 0 or box.left >= width or box.bottom <= 0 or box.top >= height
    return outside or box.bottom - box.top < _TINY


def unseen(
    page: pdfium.PdfPage,
    doubtful: Sequence[Doubtful],
    turns: int,
    turn: Callable[[float, float, float, float], tuple[float, float, float, float]],
) -> set[int]:
    """Places among the words of those that are not seen.

    `turn` turns the page's coordinates into those of the boxes, which are `turns` quarter turns
    clockwise away.
    """
    hidden: set[int] = set()
    invisible = [one for one in doubtful if one.doubt == "invisible"]
    if invisible:
        pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        places = [Box(*turn(*picture.get_bounds())) for picture in pictures]
        for one in invisible:
            if not any(_covers(place, one.box) for place in places):
                hidden.add(one.at)
    others = [one for one in doubtful if one.doubt != "invisible"]
    if others:
        hidden |= _unseen_in_picture(page, others, turns)
    return hidden


def _covers(place: Box, word: Box) -> bool:
    across, down = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return place.left <= across <= place.right and place.top <= down <= place.bottom


def _unseen_in_picture(page: pdfium.PdfPage, doubtful: Sequence[Doubtful], turns: int) -> set[int]:
    """Those whose place has one colour in a picture of the page."""
    width, height = page.get_size()
    scale = min(_SCALE, (_MOST_PIXELS / max(1.0, width * height)) ** 0.5)
    picture = page.render(scale=scale, grayscale=True, may_draw_forms=False).to_numpy()
    picture = np.rot90(
        picture.reshape(picture.shape[0], picture.shape[1]), page.get_rotation() // 90 - turns
    )
    hidden = set()
    for one in doubtful:
        rows = slice(max(0, int(one.box.top * scale)), max(0, int(one.box.bottom * scale) + 1))
        columns = slice(max(0, int(one.box.left * scale)), max(0, int(one.box.right * scale) + 1))
        place = picture[rows, columns]
        if place.size == 0 or int(place.max()) - int(place.min()) < _CONTRAST:
            hidden.add(one.at)
    return hidden
