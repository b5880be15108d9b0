"""The pictures on a page of a PDF, with their places."""

from __future__ import annotations

import io

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from acclimate.documents.pictures import MOST
from acclimate.types import Box

_MAX_PIXELS = 40_000_000


def page_pictures(document: pdfium.PdfDocument, number: int) -> list[tuple[Box, bytes]]:
    """Place and PNG of each picture on page `number` (from 0); what PDFium cannot decode is left
    out."""
    page = document[number]
    found: list[tuple[Box, bytes]] = []
    try:
        height = page.get_height()
        for item in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
            width_px, height_px = item.get_px_size()
            if len(found) >= MOST or width_px * height_px > _MAX_PIXELS:
                continue
            left, bottom, right, top = item.get_bounds()
            try:
                picture = item.get_bitmap().to_pil()
            except (pdfium.PdfiumError, ValueError):
                continue
            out = io.BytesIO()
            picture.convert("RGB").save(out, "PNG", compress_level=1)
            found.append((Box(left, height - top, right, height - bottom), out.getvalue()))
    finally:
        page.close()
    return found
