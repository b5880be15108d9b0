"""`/v1/questions` to review."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from acclimate.files import jsonlines
from acclimate.questions.file import QuestionFile, QuestionRow
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.schemas import Review, Sound
from acclimate.serving.service import Service


class Questions:
    """The project's `questions.jsonl`, changed one line at a time; keys that we do not know
    stay."""

    def __init__(self, file: QuestionFile) -> None:
        self._file = file

    def rows(self) -> list[dict[str, Any]]:
        """Every question with its `version`."""
        return [row | {"version": version_of(row)} for row in self._file.rows()]

    def put(self, number: str, review: Review) -> dict[str, Any]:
        """Write a reviewed question. Raises ApiError 404 for an unknown id, 409 where it was
        changed meanwhile."""
        done: QuestionRow = {}

        def reviewed(row: QuestionRow) -> QuestionRow:
            if str(row["id"]) != number:
                return row
            if version_of(row) != review.version:
                raise ApiError(
                    409, "The question was changed in the meantime; load it again.", "changed"
                )
            done.update(row | review.model_dump(exclude={"version"}))
            return done

        self._file.change(lambda rows: [reviewed(row) for row in rows])
        if not done:
            raise ApiError(404, "There is no such question.", "question_not_found")
        return done | {"version": version_of(done)}


def make_router(service: Service) -> APIRouter:
    """The routes over questions."""
    router = APIRouter(tags=["review"])
    questions = Questions(service.project.question_file)

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
        number: Annotated[str, Path(max_length=200)],
        body: Annotated[Review, Sound],
        request: Request,
    ) -> dict[str, Any]:
        """Keep a reviewed question."""
        if body.answerable and not any(answer.strip() for answer in body.answers):
            raise ApiError(
                400, "An answerable question needs an answer.", "no_answer", param="answers"
            )
        row = next((row for row in questions.rows() if str(row.get("id")) == number), None)
        if row is None or not visible(row, request.state.caller):
            raise ApiError(404, "There is no such question.", "question_not_found")
        return questions.put(number, body)

    return router


def version_of(row: QuestionRow) -> str:
    """Stands for a row as it is: another one was changed meanwhile."""
    return hashlib.sha256(jsonlines.dump(row).encode()).hexdigest()[:16]
