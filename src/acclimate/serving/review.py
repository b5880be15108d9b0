"""`/v1/questions` to review, and `/v1/comparisons` to read."""

from __future__ import annotations

import hashlib
import json
import secrets
import tempfile
import time
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from filelock import FileLock
from starlette.responses import HTMLResponse

from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.schemas import Review, Sound
from acclimate.serving.service import Service

_LINK_S = 60.0  # how long a link to a report opens it
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'"
)


class Questions:
    """The project's `questions.jsonl`, changed one line at a time; keys that we do not know stay."""

    def __init__(self, file: File) -> None:
        self._file = file

    def rows(self) -> list[dict[str, Any]]:
        """Every question with its `version`."""
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) | {"version": _version(line)} for line in lines if line.strip()]

    def put(self, number: str, review: Review) -> dict[str, Any]:
        """Write a reviewed question. Raises ApiError 404 for an unknown id, 409 where it was changed meanwhile."""
        with FileLock(self._file.parent / ".acclimate" / "questions.lock"):
            lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
            for place, line in enumerate(lines):
                row = json.loads(line) if line.strip() else {}
                if str(row.get("id")) != number:
                    continue
                if _version(line) != review.version:
                    raise ApiError(409, "The question was changed meanwhile; load it again.", "changed")
                row |= review.model_dump(exclude={"version"})
                lines[place] = json.dumps(row, ensure_ascii=False)
                self._write("\n".join(lines) + "\n")
                return {**row, "version": _version(lines[place])}
        raise ApiError(404, "There is no such question.", "question_not_found")

    def _write(self, text: str) -> None:
        with tempfile.NamedTemporaryFile("w", dir=self._file.parent, delete=False, encoding="utf-8") as part:
            part.write(text)
        File(part.name).chmod(self._file.stat().st_mode)
        File(part.name).replace(self._file)


def make_router(service: Service) -> APIRouter:
    """The routes over questions and comparisons."""
    router = APIRouter(tags=["review"])
    questions = Questions(service.project.folder / "questions.jsonl")
    folder = service.project.folder / ".acclimate" / "comparisons"
    links: dict[str, tuple[File, float]] = {}

    def visible(row: dict[str, Any], caller: Caller) -> bool:
        """Of all its documents; one without any may tell of any, so only who sees all sees it."""
        paths = [path for path in (row.get("document"), *(row.get("documents") or [])) if path]
        return (
            caller.labels is None
            or not service.rules
            or (bool(paths) and all(service.sees(caller, str(p)) for p in paths))
        )

    @router.get("/v1/questions")
    def all_questions(request: Request) -> dict[str, Any]:
        """The project's questions that the caller may see."""
        rows = [row for row in questions.rows() if visible(row, request.state.caller)]
        return {"object": "list", "data": rows}

    @router.put("/v1/questions/{number}")
    def put_question(
        number: Annotated[str, Path(max_length=200)], body: Annotated[Review, Sound], request: Request
    ) -> dict[str, Any]:
        """Keep a reviewed question."""
        if body.answerable and not any(answer.strip() for answer in body.answers):
            raise ApiError(400, "An answerable question needs an answer.", "no_answer", param="answers")
        row = next((row for row in questions.rows() if str(row.get("id")) == number), None)
        if row is None or not visible(row, request.state.caller):
            raise ApiError(404, "There is no such question.", "question_not_found")
        return questions.put(number, body)

    def reports(caller: Caller) -> dict[str, File]:
        if caller.labels is not None and service.rules:
            return {}  # a report tells of every document
        return {file.stem: file for file in sorted(folder.glob("*.html"), reverse=True)}

    @router.get("/v1/comparisons")
    def comparisons(request: Request) -> dict[str, Any]:
        """The kept comparisons, the newest first."""
        return {
            "object": "list",
            "data": [_comparison(name, file) for name, file in reports(request.state.caller).items()],
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
        return {"url": f"/reports/{token}"}

    @router.get("/reports/{token}", response_model=None)
    def report(token: Annotated[str, Path(max_length=64)]) -> HTMLResponse:
        """A comparison's report, cut off from this server's pages."""
        file, until = links.get(token, (None, 0.0))
        if file is None or until < time.monotonic() or not file.is_file():
            raise ApiError(404, "This link has expired; open the report again.", "link_expired")
        return HTMLResponse(file.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _REPORT_POLICY})

    return router


def _comparison(name: str, file: File) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "object": "comparison", "created": "", "sentence": "", "recipes": []}
    try:
        kept = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        row["created"], row["sentence"] = str(kept["created"]), str(kept["verdict"]["sentence"])
        row["recipes"] = [str(one["recipe"]) for one in kept["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        row["sentence"] = "This report's figures cannot be read; open it to see."
    return row


def _version(line: str) -> str:
    return hashlib.sha256(line.strip().encode()).hexdigest()[:16]
