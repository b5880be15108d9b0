"""Text in pictures, by RapidOCR on OpenVINO (extra `ocr`; its models are in its wheel)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium

from acclimate.documents.builder import clean
from acclimate.documents.pdf_page import Page, Word
from acclimate.errors import DocumentError, MissingExtraError

MAX_PIXELS = 120_000_000  # of a picture, before it is decoded
_SCALE = 2.0  # pixels for a point of a scanned page: 144 dots per inch
_MAX_SIDE = 6000
_MIN_SCORE = 0.5


def available() -> bool:
    """Whether the extra `ocr` is installed."""
    return find_spec("rapidocr") is not None


def read_scan(document: pdfium.PdfDocument, number: int) -> Page:
    """The words on the picture of a PDF's page `number` (from 0)."""
    page = document[number]
    try:
        width, height = page.get_size()
        scale = min(_SCALE, _MAX_SIDE / max(width, height, 1.0))
        picture = page.render(scale=scale).to_numpy()[..., :3]
    finally:
        page.close()
    return _read(picture, scale, width, height)


def read_image(file: Path, path: str) -> Page:
    """The words on a picture. Raises DocumentError where it is too large or damaged."""
    if not available():
        raise MissingExtraError(
            f"{path} is a picture; to read its text, OCR is needed.", extra="ocr"
        )
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                size = f"{opened.width} × {opened.height}"
                raise DocumentError(
                    f"{path} declares {size} pixels; {MAX_PIXELS:,} are allowed.",
                    hint="Scale it down.",
                )
            flat = Image.new("RGB", opened.size, "white")
            picture = opened.convert("RGBA")
            flat.paste(picture, mask=picture)
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:
        raise DocumentError(
            f"{path} is a damaged picture ({error}).", hint="Save it again as PNG."
        ) from error
    if max(flat.size) > _MAX_SIDE:
        flat.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return _read(np.asarray(flat), 1.0, float(flat.width), float(flat.height))


@cache
def _engine() -> Any:
    from rapidocr import EngineType, RapidOCR

    engines = {f"{part}.engine_type": EngineType.OPENVINO for part in ("Det", "Cls", "Rec")}
    return RapidOCR(
        params={
            **engines,
            "Global.log_level": "error",
            "EngineConfig.openvino.inference_num_threads": 1,
        }
    )


def _read(picture: np.ndarray[Any, Any], scale: float, width: float, height: float) -> Page:
    """RapidOCR finds lines with corners; their words are placed in proportion to their letters."""
    found = _engine()(np.ascontiguousarray(picture[..., ::-1]))
    words: list[Word] = []
    for corners, text, score in zip(
        *(value if value is not None else () for value in (found.boxes, found.txts, found.scores)),
        strict=True,
    ):
        if score < _MIN_SCORE or not clean(text).strip():
            continue
        left, top = (np.min(corners, axis=0) / scale).tolist()
        right, bottom = (np.max(corners, axis=0) / scale).tolist()
        letter = (right - left) / len(text)
        at = 0
        for part in text.split():
            at = text.index(part, at)
            words.append(
                Word(
                    part,
                    left + at * letter,
                    left + (at + len(part)) * letter,
                    bottom,
                    0.9 * (bottom - top),
                )
            )
            at += len(part)
    return Page(tuple(words), (), (), width, height)
