"""docling as a parser (extra `docling`): its document, with places, as ours.

PDFs go through docling's layout and table models, which it must have already (`docling-tools models
download`), or, by `NativeDoclingParser`, without any model: then lines of text with their boxes, no
headings and no tables.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from acclimate.documents.builder import TextBuilder
from acclimate.errors import DocumentError
from acclimate.types import Box, Document, ElementKind

# What parses must not reach for the network; read by huggingface_hub when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

from docling.datamodel.base_models import InputFormat
from docling.datamodel.pipeline_options import NativePdfPipelineOptions
from docling.document_converter import DocumentConverter, PdfFormatOption
from docling.exceptions import ConversionError
from docling.pipeline.native_pdf_pipeline import NativePdfPipeline
from docling_core.types.doc.document import (
    ContentLayer,
    ListItem,
    SectionHeaderItem,
    TableItem,
    TextItem,
)

_KINDS: dict[str, ElementKind] = {
    "title": "title",
    "section_header": "heading",
    "field_heading": "heading",
    "caption": "caption",
    "code": "code",
    "list_item": "list_item",
    "page_header": "header",
    "page_footer": "footer",
}
_LAYERS = {ContentLayer.BODY, ContentLayer.FURNITURE, ContentLayer.NOTES}


class DoclingParser:
    """Reads with docling's own choice of pipeline for each format."""

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        try:
            found = self._converter.convert(file, raises_on_error=True).document
        except OSError as error:  # huggingface_hub's: a model is not there, and may not be fetched
            raise DocumentError(
                f"{path} needs models that docling does not have: {error}",
                hint="docling-tools models download, or [documents] engine = 'docling-native'",
            ) from error
        except ConversionError as error:
            raise DocumentError(f"{path} is damaged, or docling cannot read it: {error}") from error
        return as_document(found, path)

    @cached_property
    def _converter(self) -> DocumentConverter:
        return DocumentConverter()


class NativeDoclingParser(DoclingParser):
    """The same, but PDFs without models."""

    @cached_property
    def _converter(self) -> DocumentConverter:
        options = NativePdfPipelineOptions(
            generate_page_images=False, generate_picture_images=False, parser_threads=1
        )
        pdf = PdfFormatOption(pipeline_cls=NativePdfPipeline, pipeline_options=options)
        return DocumentConverter(format_options={InputFormat.PDF: pdf})


def as_document(found: Any, path: str) -> Document:
    """A DoclingDocument as ours: kinds, heading levels, pages, and boxes where its unit is the
    point (PDF)."""
    builder = TextBuilder()
    pages = 0
    depths: dict[str, int] = {}
    in_points = found.origin is not None and found.origin.mimetype == "application/pdf"
    for item, depth in found.iterate_items(included_content_layers=_LAYERS):
        page = item.prov[0].page_no if getattr(item, "prov", None) else pages
        for _ in range(pages, page):
            builder.start_page()
        pages = max(pages, page)
        box = _box(found, item) if in_points else None
        if isinstance(item, TableItem):
            builder.add_table([[cell.text for cell in row] for row in item.data.grid], box)
        elif isinstance(item, ListItem):
            level = 1 + depth - depths.setdefault(_parent(item), depth)
            builder.add(
                "list_item",
                f"{item.marker if item.enumerated else '-'} {item.text}",
                max(1, level),
                box,
            )
        elif isinstance(item, TextItem):
            kind = _KINDS.get(str(item.label.value), "paragraph")
            level = (
                min(6, item.level + 1)
                if isinstance(item, SectionHeaderItem)
                else int(kind in ("title", "heading"))
            )
            builder.add(kind, item.text, level, box)
    for _ in range(pages, len(found.pages)):
        builder.start_page()
    return builder.build(path, "")


def _parent(item: Any) -> str:
    return item.parent.cref if item.parent is not None else ""


def _box(found: Any, item: Any) -> Box | None:
    """Where an item stands on its first page, from the top left."""
    if not item.prov or item.prov[0].page_no not in found.pages:
        return None
    place = item.prov[0]
    box = place.bbox.to_top_left_origin(found.pages[place.page_no].size.height)
    return Box(box.l, min(box.t, box.b), box.r, max(box.t, box.b))
