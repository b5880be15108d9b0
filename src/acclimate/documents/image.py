"""Pictures as documents: their text by OCR."""

from __future__ import annotations

from pathlib import Path

from acclimate.documents.ocr import read_image
from acclimate.documents.pdf import assemble, page_parts
from acclimate.errors import DocumentError
from acclimate.types import Document


class ImageParser:
    """Reads PNG, JPEG, TIFF (its first page), WebP, BMP and GIF."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        page = read_image(file, path)
        if not page.words:
            raise DocumentError(f"{path} is a picture without text that OCR finds.")
        return assemble([page_parts(page)], path, {"title": Path(path).stem.replace("-", " ").replace("_", " ")})
