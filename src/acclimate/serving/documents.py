"""`/v1/documents` and `/v1/jobs`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import FileResponse, JSONResponse
from starlette.types import Receive, Scope, Send

from acclimate.documents.sandbox import Sandbox
from acclimate.errors import DocumentError
from acclimate.ingest_report import Count
from acclimate.serving.errors import ApiError
from acclimate.serving.folder import DocumentEntry, DocumentsFolder, document_id
from acclimate.serving.jobs import Job, Jobs
from acclimate.serving.keys import Caller
from acclimate.serving.service import Service
from acclimate.types import Document

_MOST_FILES = 50
_FILE = {"type": "array", "items": {"type": "string", "format": "binary"}}
_FORM = {"schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}}}
_UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": _FORM}}}
Number = Annotated[str, Path(max_length=64)]


class _HeldFile(FileResponse):
    """A file that is kept by `held` until it is sent, or its client has left."""

    def __init__(self, held: ExitStack, file: FilePath, headers: dict[str, str]) -> None:
        super().__init__(file, media_type="application/octet-stream", headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._held.close)


def make_router(
    service: Service, folder: DocumentsFolder, jobs: Jobs, sandbox: Sandbox
) -> APIRouter:
    """The routes over a project's documents."""
    router = APIRouter(prefix="/v1", tags=["documents"])
    _add_documents(router, service, folder)
    _add_changes(router, folder, jobs)
    _add_contents(router, service, folder)
    _add_pages(router, service, folder, sandbox)
    _add_jobs(router, service, jobs)
    return router


def _add_documents(router: APIRouter, service: Service, folder: DocumentsFolder) -> None:
    @router.get("/documents")
    def documents(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
        after: Annotated[str, Query(max_length=64)] = "",
    ) -> dict[str, Any]:
        """The documents that the caller may see, by path; `after` is the last id of the page
        before."""
        entries = folder.entries(request.state.caller)
        start = next((place + 1 for place, entry in enumerate(entries) if entry.id == after), 0)
        page = entries[start : start + limit]
        rows = [_row(entry) | _about(service, entry.path) for entry in page]
        return {
            "object": "list",
            "data": rows,
            "has_more": start + limit < len(entries),
            "total": len(entries),
        }

    @router.get("/documents/{number}")
    def document(number: Number, request: Request) -> dict[str, Any]:
        """One document, with its properties."""
        entry = folder.find(request.state.caller, number)
        row = _row(entry) | _about(service, entry.path)
        if entry.status == "ready":
            found = read_document(service, entry)
            row |= {
                "title": found.title,
                "media_type": found.media_type,
                "characters": len(found.text),
                "pages": len(found.page_starts) or None,
                "metadata": dict(found.metadata),
            }
        return row


def _add_changes(router: APIRouter, documents: DocumentsFolder, jobs: Jobs) -> None:
    @router.post("/documents", status_code=202, openapi_extra=_UPLOAD)
    async def upload(
        request: Request,
        replace: bool = False,
        folder: Annotated[str, Query(max_length=1000)] = "",
    ) -> JSONResponse:
        """Take files (form field `file`, once or more) into `folder` of the documents folder ("":
        the documents folder itself); the answer names the job that reads them."""
        try:
            form = await request.form(max_files=_MOST_FILES, max_fields=10)
        except MultiPartException as error:
            raise ApiError(400, "Send the files as multipart/form-data.", "bad_form") from error
        files = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
        if not files:
            raise ApiError(
                400, "There is no file in the form field 'file'.", "no_file", param="file"
            )
        caller: Caller = request.state.caller
        kept: list[DocumentEntry] = []
        try:
            for file in files:
                put = await run_in_threadpool(
                    documents.put, caller, file.filename, file.file, folder, replace=replace
                )
                kept.append(put)
        finally:
            await form.close()
            job = jobs.start() if kept else None
        answer = {
            "object": "list",
            "data": [_row(entry) for entry in kept],
            "job": job.id if job else None,
        }
        return JSONResponse(answer, 202)

    @router.delete("/documents/{number}", status_code=202)
    def remove(number: Number, request: Request) -> dict[str, Any]:
        """Take a document away; its file is kept in the project's `.acclimate/removed`."""
        entry = documents.remove(request.state.caller, number)
        return {
            "id": entry.id,
            "object": "document",
            "deleted": True,
            "job": jobs.start(may_empty=True).id,
        }


def _add_contents(router: APIRouter, service: Service, folder: DocumentsFolder) -> None:
    @router.get("/documents/{number}/text")
    def text(
        number: Number,
        request: Request,
        start: Annotated[int, Query(ge=0)] = 0,
        length: Annotated[int, Query(ge=1, le=1_000_000)] = 100_000,
    ) -> dict[str, Any]:
        """A stretch of a document's text, in characters; citations count in the same."""
        found = read_document(service, folder.find(request.state.caller, number))
        piece = found.text[start : start + length]
        end = start + len(piece)
        elements = [
            {
                "kind": element.kind,
                "start": element.start,
                "end": element.end,
                "level": element.level,
                "hidden": element.metadata.get("hidden", ""),
            }
            for element in found.elements
            if element.start < end and element.end > start
        ]
        return {
            "start": start,
            "end": end,
            "total": len(found.text),
            "text": piece,
            "elements": elements,
        }

    @router.get("/documents/{number}/file")
    def file(number: Number, request: Request) -> FileResponse:
        """The file as it was given, to be saved: never shown as a page of this server."""
        entry = folder.find(request.state.caller, number)
        held = ExitStack()
        content = held.enter_context(folder.file(entry))
        name = quote(entry.path.rpartition("/")[2])
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Security-Policy": "sandbox",
        }
        return _HeldFile(held, content, headers)


def _add_pages(
    router: APIRouter, service: Service, folder: DocumentsFolder, sandbox: Sandbox
) -> None:
    @router.get("/documents/{number}/pages/{page}", response_model=None)
    def page(
        number: Number,
        page: Annotated[int, Path(ge=1, le=100_000)],
        request: Request,
        start: Annotated[int, Query(ge=0)] = 0,
        end: Annotated[int, Query(ge=0)] = 0,
        pixels: Annotated[int, Query(ge=100, le=2400)] = 1200,
    ) -> dict[str, Any]:
        """A PDF page as a picture (PNG, base64), and the boxes on it (PDF points) of the characters
        start to end."""
        entry = folder.find(request.state.caller, number)
        found = read_document(service, entry)
        try:
            with folder.file(entry) as file:
                shown = sandbox.show(file, entry.path, page, pixels, found.text[start:end])
        except DocumentError as error:
            raise ApiError(404, "This page cannot be shown.", "no_page") from error
        boxes = (
            shown.boxes
            or tuple(  # where the words are not found on the page, the paragraph's box
                element.box
                for element in found.elements
                if element.box
                and element.page == page
                and element.start < end
                and element.end > start
            )
        )
        rows = [[box.left, box.top, box.right, box.bottom] for box in boxes]
        return {
            "png": base64.b64encode(shown.png).decode(),
            "width": shown.width,
            "height": shown.height,
            "boxes": rows,
        }


def _add_jobs(router: APIRouter, service: Service, jobs: Jobs) -> None:
    @router.get("/jobs")
    def all_jobs(request: Request) -> dict[str, Any]:
        """The last ingests, the newest first."""
        return {
            "object": "list",
            "data": [_job(job, service, request.state.caller) for job in jobs.all()],
        }

    @router.post("/jobs", status_code=202)
    def start_job(request: Request) -> dict[str, Any]:
        """Bring the library up to date with the documents folder."""
        return _job(jobs.start(), service, request.state.caller)

    @router.get("/jobs/{number}")
    def one_job(number: Number, request: Request) -> dict[str, Any]:
        """How far an ingest is."""
        job = jobs.get(number)
        if job is None:
            raise ApiError(404, "There is no such job.", "job_not_found")
        return _job(job, service, request.state.caller)


def read_document(service: Service, entry: DocumentEntry) -> Document:
    """The document as the library has it. Raises ApiError 404 where it has none."""
    found = service.read(lambda: service.project.library.record.document(entry.path))
    if found is None:
        raise ApiError(404, "The document is not in the library (yet).", "document_not_found")
    return found


def _about(service: Service, path: str) -> dict[str, Any]:
    return {"labels": service.labels(path), "url": service.project.origins.address(path)}


def _row(entry: DocumentEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "object": "document",
        "path": entry.path,
        "status": entry.status,
        "reason": entry.reason,
        "bytes": entry.size,
    }


def _job(job: Job, service: Service, caller: Caller) -> dict[str, Any]:
    """A job as the caller may see it: no name of a document that it may not."""
    report = job.report
    counts = ("added", "changed", "removed", "unchanged", "documents", "chunks")
    return {
        "id": job.id,
        "object": "job",
        "created": job.created,
        "state": job.state,
        "files_done": job.files_done,
        "files_total": job.files_total,
        "chunks_embedded": job.chunks,
        "pages": {
            document_id(path): {"path": path, "done": done, "total": total}
            for path, (done, total) in list(job.pages.items())
            if service.sees(caller, path)
        },
        "error": job.error,
        "report": {name: getattr(report, name) for name in counts} if report else None,
        "failures": [
            {"path": failure.path, "reason": failure.reason}
            for failure in (report.failures if report else ())
            if service.sees(caller, failure.path)
        ],
        "hidden": _counts(report.hidden if report else (), service, caller),
        "unread": _counts(report.unread if report else (), service, caller),
    }


def _counts(counts: Sequence[Count], service: Service, caller: Caller) -> list[dict[str, Any]]:
    """Counts of the documents that the caller may see."""
    return [asdict(count) for count in counts if service.sees(caller, count.path)]
