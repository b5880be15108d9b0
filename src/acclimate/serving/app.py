"""The web application: routes, errors, the page, behind one gate."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from acclimate._version import __version__
from acclimate.documents.sandbox import Limits, Sandbox
from acclimate.errors import AcclimateError
from acclimate.ingest_report import IngestProgress, IngestReport
from acclimate.project import Project
from acclimate.serving import (
    chat,
    comparing,
    comparisons,
    conversations,
    documents,
    feedback,
    questions,
    search,
    widget,
)
from acclimate.serving.callers import Callers
from acclimate.serving.conversation_store import ConversationStore
from acclimate.serving.errors import ApiError, as_api_error
from acclimate.serving.folder import DocumentsFolder
from acclimate.serving.gate import Gate, Rules
from acclimate.serving.jobs import Jobs
from acclimate.serving.keys import keys_of
from acclimate.serving.logins import address_of, is_loopback, open_login
from acclimate.serving.mcp_route import McpRoute, open_endpoint
from acclimate.serving.metrics import Metrics
from acclimate.serving.service import Service
from acclimate.serving.watcher import Watcher
from acclimate.settings import Settings

_WEB = Path(__file__).parent / "web"
_SHOWN = Limits(seconds=20.0, memory_mb=2048)  # what a picture of a page may take
_NO_PAGE = "Acclimate's API is at /v1, described at /openapi.json. This build has no web page.\n"
_NOWHERE = "There is nothing here; the API is at /v1, described at /openapi.json."
log = logging.getLogger(__name__)


def create_app(project: Project, draining: threading.Event | None = None) -> Gate:
    """The server of a project, as an ASGI application; it closes the project when it ends. While
    `draining` is set, load balancers are told to send no further requests."""
    rules = rules_of(project.settings)
    login = open_login(project.settings.login)
    service = Service(project, draining)
    callers = Callers(
        keys_of(project.folder),
        login,
        keyless=rules.keyless,
        address=rules.address,
        per_minute=rules.requests_per_minute,
        shared=service.shared,
    )
    chosen = project.settings.serve.conversations
    store = ConversationStore(project.layout.conversations) if chosen == "kept" else None
    kept = conversations.Conversations(service, store)
    jobs = Jobs(lambda progress, may_empty: _ingest(service, progress, may_empty))
    runs = comparing.open_runs(service)
    sandbox = Sandbox(_SHOWN, workers=2)
    metrics = Metrics(lambda: service.waiting)
    folder = DocumentsFolder(service, jobs)
    endpoint = open_endpoint(service, metrics.answered)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_warm, args=(service,), name="warm", daemon=True).start()
        watcher = Watcher(project, jobs) if project.settings.documents.watch else None
        async with endpoint.running():
            yield
        if watcher is not None:
            await run_in_threadpool(watcher.close)
        await run_in_threadpool(jobs.close)
        await run_in_threadpool(runs.close)
        sandbox.close()
        kept.close()
        if login is not None:
            login.close()
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="Acclimate", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    given = feedback.GivenAnswers(service.shared)
    app.include_router(chat.make_router(service, metrics, given, kept))
    app.include_router(conversations.make_router(kept))
    app.include_router(widget.make_router(service, metrics, _WEB))
    if login is not None:
        app.include_router(login.router())
    app.include_router(feedback.make_router(service, given))
    app.include_router(search.make_router(service))
    app.include_router(documents.make_router(service, folder, jobs, sandbox))
    app.include_router(questions.make_router(service))
    app.include_router(comparing.make_router(service, runs))
    app.include_router(comparisons.make_router(service))
    app.router.routes.append(McpRoute(endpoint))
    _add_health(app, service, metrics)
    _add_page(app)
    _add_errors(app)
    return Gate(app, callers, rules, metrics.served)


def rules_of(settings: Settings) -> Rules:
    """The gate's rules, from `[serve]` and `[login]`."""
    chosen = settings.serve
    return Rules(
        hosts=frozenset(host.casefold() for host in chosen.hosts),
        origins=frozenset(chosen.origins),
        keyless=is_loopback(chosen.host) and not chosen.hosts and settings.login.engine == "none",
        address=address_of(settings.login),
        requests_per_minute=chosen.requests_per_minute,
        upload_bytes=chosen.max_upload_mb * 1_000_000,
        receive_seconds=chosen.receive_seconds,
    )


def _ingest(service: Service, progress: IngestProgress, may_empty: bool) -> IngestReport:
    """An ingest over files of its own; only the embedder is shared."""
    project = service.project
    with Project(project.folder, project.settings, embedder=service.embedder) as own:
        return own.ingest(progress=progress, allow_empty=may_empty)


def _warm(service: Service) -> None:
    try:
        service.warm()
    except AcclimateError as error:
        log.error("the models cannot be loaded: %s %s", error, error.hint)


def _add_health(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/healthz", tags=["health"])
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def ready() -> JSONResponse:
        """Whether a load balancer should send requests here: 503 while the models load, while the
        library cannot be reached, and from when the server is told to end."""
        state = service.state()
        return JSONResponse({"status": state}, 200 if state == "ready" else 503)

    @app.get("/metrics", tags=["health"])
    def figures() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.render(), media_type="text/plain; version=0.0.4")


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> Response:
        index = _WEB / "index.html"
        return FileResponse(index) if index.is_file() else PlainTextResponse(_NO_PAGE)

    if _WEB.is_dir():
        app.mount("/web", StaticFiles(directory=_WEB), name="web")


def _add_errors(app: FastAPI) -> None:
    """Every error in the form of OpenAI's."""

    @app.exception_handler(Exception)
    @app.exception_handler(ApiError)
    @app.exception_handler(AcclimateError)
    async def failed(_request: Request, error: Exception) -> Response:
        return as_api_error(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return ApiError(
            400, f"{place}: {first['msg']}.".lstrip(": "), "invalid_request", param=place or None
        ).response()

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, ApiError):  # the gate's, while the body was read
            return error.__cause__.response()
        code = {404: "not_found", 405: "method_not_allowed"}.get(
            error.status_code, "invalid_request"
        )
        say = _NOWHERE if error.detail == "Not Found" else f"{error.detail}."
        return ApiError(error.status_code, say, code, headers=error.headers).response()
