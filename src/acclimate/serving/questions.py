"""`/v1/questions` to review."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from filelock import FileLock

from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.schemas import Review, Sound
from acclimate.serving.service import Service


class Questions:
    """The project's `questions.jsonl`, changed one line at a time; keys that we do not know stay."""

    def __init__(self, file: File, lock: File) -> None:
        self._file, self._lock = file, lock

    def rows(self) -> list[dict[str, Any]]:
        """Every question with its `version`."""
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) | {"version": _version(line)} for line in lines if line.strip()]

    def put(self, number: str, review: Review) -> dict[str, Any]:
        """Write a reviewed question. Raises ApiError 404 for an unknown id, 409 where it was changed meanwhile."""
        with FileLock(self._lock):
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
    """The routes over questions."""
    router = APIRouter(tags=["review"])
    questions = Questions(service.project.layout.questions, service.project.layout.questions_lock)

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

    return router


def _version(line: str) -> str:
    return hashlib.sha256(line.strip().encode()).hexdigest()[:16]
