"""`/v1/comparisons`: kept comparisons, and their reports behind links that expire."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse

from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.service import Service

_LINK_S = 60.0  # how long a link to a report opens it
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src "
    "'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'"
)


def make_router(service: Service) -> APIRouter:
    """The routes over comparisons."""
    router = APIRouter(tags=["review"])
    folder = service.project.layout.comparisons
    links: dict[str, tuple[File, float]] = {}

    def reports(caller: Caller) -> dict[str, File]:
        if caller.labels is not None and service.rules:
            return {}  # a report tells of every document
        return {file.stem: file for file in sorted(folder.glob("*.html"), reverse=True)}

    @router.get("/v1/comparisons")
    def comparisons(request: Request) -> dict[str, Any]:
        """The kept comparisons, the newest first."""
        return {
            "object": "list",
            "data": [
                _comparison(name, file) for name, file in reports(request.state.caller).items()
            ],
        }

    @router.post("/v1/comparisons/{name}/link")
    def link(name: Annotated[str, Path(max_length=200)], request: Request) -> dict[str, str]:
        """An address that opens the report for a minute: a page cannot send a key by itself."""
        file = reports(request.state.caller).get(name)
        if file is None:
            raise ApiError(404, "There is no such comparison.", "comparison_not_found")
        for old in [token for token, (_, until) in list(links.items()) if until < time.monotonic()]:
            links.pop(old, None)
        token = secrets.token_urlsafe(24)
        links[token] = (file, time.monotonic() + _LINK_S)
        return {"url": f"{request.scope.get('root_path', '')}/reports/{token}"}

    @router.get("/reports/{token}", response_model=None)
    def report(token: Annotated[str, Path(max_length=64)]) -> HTMLResponse:
        """A comparison's report, cut off from this server's pages."""
        file, until = links.get(token, (None, 0.0))
        if file is None or until < time.monotonic() or not file.is_file():
            raise ApiError(404, "This link has expired; open the report again.", "link_expired")
        return HTMLResponse(
            file.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _REPORT_POLICY}
        )

    return router


def _comparison(name: str, file: File) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": name,
        "object": "comparison",
        "created": "",
        "sentence": "",
        "recommended": "",
        "recipes": [],
    }
    try:
        kept = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        row["created"], row["sentence"] = str(kept["created"]), str(kept["verdict"]["sentence"])
        row["recommended"] = str(kept["verdict"].get("recommended", ""))
        row["recipes"] = [str(one["recipe"]) for one in kept["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        row["sentence"] = "This report's figures cannot be read; open it to see."
    return row
