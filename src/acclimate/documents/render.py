"""A PDF page as a picture, and where words stand on it."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium

from acclimate.documents.base import PageImage
from acclimate.errors import DocumentError
from acclimate.types import Box

_MAX_PIXELS = 12_000_000
_WORD = re.compile(r"\w+")


def render_page(file: Path, path: str, number: int, pixels: int, quote: str = "") -> PageImage:
    """Page `number` (from 1) of a PDF, `pixels` wide, and where `quote` stands on it.

    Raises DocumentError where the file is no PDF that can be read, or has no such page.
    """
    try:
        document = pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        raise DocumentError(f"{path} cannot be shown as pages: {error}.") from error
    try:
        if not 1 <= number <= len(document):
            raise DocumentError(f"{path} has {len(document)} pages, so no page {number}.")
        page = document[number - 1]
        width, height = page.get_size()
        if width <= 0 or height <= 0:
            raise DocumentError(f"page {number} of {path} has no size.")
        scale = min(pixels / width, (_MAX_PIXELS / (width * height)) ** 0.5)
        picture = page.render(scale=scale, rev_byteorder=True).to_numpy()
        return PageImage(_png(picture), width, height, _boxes(page, height, quote))
    finally:
        document.close()


def _boxes(page: pdfium.PdfPage, height: float, quote: str) -> tuple[Box, ...]:
    """Where the words of `quote` stand in order, however the page breaks and hyphenates them."""
    words = _WORD.findall(quote)
    if not words:
        return ()
    text = page.get_textpage()
    letters = "".join(words)
    kept = [(place, one) for place, one in enumerate(text.get_text_range()) if _WORD.match(one)]
    at = "".join(one for _, one in kept).casefold().find(letters.casefold())
    if at < 0 or at + len(letters) > len(kept):
        return ()
    start, end = kept[at][0], kept[at + len(letters) - 1][0] + 1
    found = []
    for index in range(text.count_rects(start, end - start)):
        left, bottom, right, top = text.get_rect(index)
        found.append(Box(left, height - top, right, height - bottom))
    return tuple(found)


def _png(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """An 8-bit grey, RGB or RGBA picture [height, width(, channels)] as PNG."""
    rows = picture if picture.ndim == 3 else picture[:, :, None]
    height, width, channels = rows.shape
    kind = {1: 0, 3: 2, 4: 6}[channels]
    filtered = np.zeros((height, 1 + width * channels), np.uint8)  # filter 0 before each row
    filtered[:, 1:] = rows.reshape(height, -1)

    def part(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 3)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", body) + part(b"IEND", b"")
