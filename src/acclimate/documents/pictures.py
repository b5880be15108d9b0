"""Pictures in documents, made small; collected only where pictures are searched (`[images]
model`)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MOST = 200  # of one document
_SIDE = 336  # pixels: what models of the CLIP family look at, at most
_LEAST = 32  # pixels: less is a bullet or a line
_MAX_PIXELS = 120_000_000
_wanted: ContextVar[bool] = ContextVar("wanted", default=False)


def wanted() -> bool:
    """Whether pictures are to be collected."""
    return _wanted.get()


@contextmanager
def collecting(yes: bool) -> Iterator[None]:
    """Collect pictures, or not, while the block runs."""
    token = _wanted.set(yes)
    try:
        yield
    finally:
        _wanted.reset(token)


def make_small(content: bytes) -> bytes | None:
    """A picture as PNG of at most 336 pixels a side; None for what is damaged, tiny, huge or made
    of lines (EMF)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as opened:
            if min(opened.size) < _LEAST or opened.width * opened.height > _MAX_PIXELS:
                return None
            opened.draft("RGB", (2 * _SIDE, 2 * _SIDE))  # JPEG: decode no more than is needed
            picture = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    picture.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
