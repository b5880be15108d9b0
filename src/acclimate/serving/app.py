"""The web application: routes, errors, the page, behind one gate."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from acclimate import __version__
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.ingest import IngestReport, Progress
from acclimate.project import Project
from acclimate.serving import chat, library, review
from acclimate.serving.errors import ApiError, told
from acclimate.serving.gate import Gate, Rules
from acclimate.serving.jobs import Jobs
from acclimate.serving.keys import Keys
from acclimate.serving.metrics import Metrics
from acclimate.serving.service import Service
from acclimate.serving.shelf import Shelf

_WEB = Path(__file__).parent / "web"
_SHOWN = Limits(seconds=20.0, memory_mb=2048)  # what a picture of a page may take


def create_app(project: Project) -> ASGIApp:
    """The server of a project, as an ASGI application; it closes the project when it ends."""
    service = Service(project)
    jobs = Jobs(lambda progress, may_empty: _ingest(service, progress, may_empty))
    sandbox = Sandbox(_SHOWN, workers=2)
    metrics = Metrics(lambda: service.waiting)
    shelf = Shelf(service, jobs)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        jobs.close()
        sandbox.close()
        await run_in_threadpool(service.close)

    app = FastAPI(title="Acclimate", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(chat.make_router(service, metrics))
    app.include_router(library.make_router(service, shelf, jobs, sandbox))
    app.include_router(review.make_router(service))
    _add_health(app, service, metrics)
    _add_errors(app)
    app.mount("/web", StaticFiles(directory=_WEB), name="web")

    @app.middleware("http")
    async def count(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        route = str(getattr(request.scope.get("route"), "path", "other"))
        metrics.served(route, request.method, response.status_code, time.perf_counter() - started)
        return response

    chosen = project.settings.serve
    rules = Rules(
        hosts=frozenset((*chosen.hosts, chosen.host)),
        origins=frozenset(chosen.origins),
        requests_per_minute=chosen.requests_per_minute,
        upload_bytes=chosen.max_upload_mb * 1_000_000,
        receive_seconds=chosen.receive_seconds,
    )
    gate = Gate(app, Keys(keys_file(project)), rules)
    service_of[id(gate)] = service
    return gate


def keys_file(project: Project) -> Path:
    """Where a project keeps its API keys."""
    return project.folder / ".acclimate" / "keys.json"


def _ingest(service: Service, progress: Progress, may_empty: bool) -> IngestReport:
    """An ingest over files of its own; only the embedder is shared."""
    with Project(service.project.folder, service.project.settings) as own:
        own.__dict__["embedder"] = service.project.embedder
        return own.ingest(progress=progress, allow_empty=may_empty)
