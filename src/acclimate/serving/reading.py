"""What helps to read a long document: `/v1/documents/{id}/outline` and `/v1/documents/{id}/find`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from acclimate.serving.documents import Number, read_document
from acclimate.serving.folder import DocumentsFolder
from acclimate.serving.service import Service
from acclimate.text.locating import find_typed
from acclimate.text.plain_markdown import as_prose
from acclimate.types import Document

_MOST_HEADINGS = 5000
_MOST_PLACES = 1000
_HEADINGS = ("title", "heading", "message")


def make_router(service: Service, folder: DocumentsFolder) -> APIRouter:
    """The routes over one document."""
    router = APIRouter(prefix="/v1", tags=["documents"])

    @router.get("/documents/{number}/outline")
    def outline(number: Number, request: Request) -> dict[str, Any]:
        """The document's headings in the order of its text, with their levels (1 is the highest)
        and pages (null: it has none)."""
        found = read_document(service, folder.find(request.state.caller, number))
        return {"object": "list", "data": _headings(found)}

    @router.get("/documents/{number}/find")
    def find(
        number: Number,
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=200)],
    ) -> dict[str, Any]:
        """Where words stand in the document, in characters: the first thousand places, and whether
        there are `more`. Capitals do not count, nor which white space stands between words."""
        found = read_document(service, folder.find(request.state.caller, number))
        places = list(islice(find_typed(q, found.text), _MOST_PLACES + 1))
        rows = [
            {"start": one.start, "end": one.end, "page": found.page_at(one.start)}
            for one in places[:_MOST_PLACES]
        ]
        return {"object": "list", "data": rows, "more": len(places) > _MOST_PLACES}

    return router


def _headings(document: Document) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in document.elements:
        if one.kind not in _HEADINGS or one.metadata.get("hidden"):
            continue
        words = " ".join(as_prose(document.text[one.start : one.end]).split())
        if not words:
            continue
        rows.append(
            {
                "text": words[:300],
                "level": max(one.level, 1),
                "start": one.start,
                "end": one.end,
                "page": document.page_at(one.start),
            }
        )
        if len(rows) == _MOST_HEADINGS:
            break
    return rows
