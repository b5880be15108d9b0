"""`/v1/feedback`: thumbs on answers that were given here, and their review."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from acclimate.questions.feedback import Feedback, Given
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.questions import version_of
from acclimate.serving.schemas import FeedbackReview, Sound, Thumb
from acclimate.serving.service import Service
from acclimate.workflows.feedback import Proposal, give_feedback, propose, review_feedback

_MOST = 2000
"""Answers of which a word can be said; only their places and texts are held, in memory."""


class GivenAnswers:
    """The last answers that were given, each for its asker only: what a client says of an answer
    counts for what was given, not for what it says was."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[str, Given]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, name: str, caller: Caller, given: Given) -> None:
        """Hold an answer under its id."""
        with self._lock:
            self._held[name] = (caller.id, given)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)

    def find(self, name: str, caller: Caller) -> Given:
        """An answer that this caller got. Raises ApiError 404 where there is none (any more)."""
        with self._lock:
            asker, given = self._held.get(name, ("", None))
        if given is None or asker != caller.id:
            raise ApiError(
                404, "That answer is not known here (any more); ask again.", "answer_not_found"
            )
        return given


def make_router(service: Service, given: GivenAnswers) -> APIRouter:
    """The routes over feedback."""
    router = APIRouter(tags=["review"])
    project = service.project

    @router.post("/v1/feedback", status_code=201)
    def post_feedback(body: Annotated[Thumb, Sound], request: Request) -> dict[str, Any]:
        """Say whether an answer is right, and what is."""
        caller: Caller = request.state.caller
        row = give_feedback(
            project,
            given.find(body.id, caller),
            right=body.right,
            correction=body.correction,
            unanswerable=body.unanswerable,
            by=caller.name,
            name=body.id,
        )
        return {"id": row.id, "object": "feedback", "right": row.right, "created": row.created}

    _add_review(router, service)
    return router


def _add_review(router: APIRouter, service: Service) -> None:
    project = service.project

    def visible(row: Feedback, caller: Caller) -> bool:
        """Who reviews sees what was read for the answer, so has to be allowed all of it."""
        places = (*row.given.passages, *row.given.citations)
        return (
            caller.labels is None
            or not service.rules
            or (bool(places) and all(service.sees(caller, one.document) for one in places))
        )

    def found(number: str, caller: Caller) -> Feedback:
        row = next((one for one in project.feedback_file.rows() if one.id == number), None)
        if row is None or not visible(row, caller):
            raise ApiError(404, "There is no such feedback.", "feedback_not_found")
        return row

    @router.get("/v1/feedback")
    def all_feedback(request: Request, reviewed: bool = False) -> dict[str, Any]:
        """Feedback that waits for a review (or all of it), with the question that it would
        become."""
        rows = [
            row
            for row in project.feedback_file.rows()
            if (reviewed or not row.status) and visible(row, request.state.caller)
        ]
        shown = service.read(lambda: propose(project, rows))
        return {"object": "list", "data": [_row(one) for one in shown]}

    @router.put("/v1/feedback/{number}")
    def put_feedback(
        number: Annotated[str, Path(max_length=64)],
        body: Annotated[FeedbackReview, Sound],
        request: Request,
    ) -> dict[str, Any]:
        """Accept feedback, as proposed or edited, or reject it; accepted, it is a question."""
        row = found(number, request.state.caller)
        if version_of(asdict(row)) != body.version:
            raise ApiError(409, "The feedback was changed meanwhile; load it again.", "changed")
        if not body.status:
            raise ApiError(400, "Accept or reject it.", "invalid_request", param="status")
        done = service.read(
            lambda: review_feedback(
                project,
                number,
                accepted=body.status == "accepted",
                question=body.question,
                answers=body.answers,
                answerable=body.answerable,
                split=body.split,
            )
        )
        return {
            "id": number,
            "object": "feedback",
            "status": done.feedback.status,
            "question": done.question,
        }


def _row(one: Proposal) -> dict[str, Any]:
    row = one.feedback
    return {
        "id": row.id,
        "object": "feedback",
        "version": version_of(asdict(row)),
        "question": row.given.question,
        "turns": [asdict(turn) for turn in row.given.turns],
        "given": row.given.text,
        "abstained": row.given.abstained,
        "recipe": row.given.recipe,
        "right": row.right,
        "correction": row.correction,
        "by": row.by,
        "created": row.created,
        "status": row.status,
        "became": row.became,
        "answers": list(one.answers),
        "answerable": one.answerable,
        "document": one.document,
        "evidence": one.evidence,
        "split": one.split,
        "known": one.known,
        "splits": list(one.splits),
    }
