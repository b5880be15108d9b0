"""Pictures as documents: their text by OCR, and themselves where pictures are searched."""

from __future__ import annotations

from pathlib import Path

from acclimate.documents import ocr
from acclimate.documents.builder import TextBuilder
from acclimate.documents.ocr import read_image
from acclimate.documents.pdf import assemble, page_parts
from acclimate.documents.pictures import wanted
from acclimate.errors import DocumentError
from acclimate.types import Box, Document


class ImageParser:
    """Reads PNG, JPEG, TIFF (its first page), WebP, BMP and GIF."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        title = Path(path).stem.replace("-", " ").replace("_", " ")
        page = read_image(file, path) if ocr.available() or not wanted() else None
        if page is not None and page.words:
            whole = Box(0.0, 0.0, page.width, page.height)
            return assemble(
                [page_parts(page)], path, {"title": title}, [[(whole, file.read_bytes())]]
            )
        builder = TextBuilder()
        builder.add_picture(file.read_bytes())
        document = builder.build(path, "", title)
        if not document.pictures:
            raise DocumentError(f"{path} is a picture without text that OCR finds.")
        return document
