"""`/v1/follow-ups`: what can be asked next, after an answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from acclimate.questions.follow_ups import FollowUp
from acclimate.serving.folder import document_id
from acclimate.serving.keys import Caller
from acclimate.serving.rows import filter_of
from acclimate.serving.schemas import FollowUpRequest, Sound
from acclimate.serving.service import Service
from acclimate.types import Document, Exchange, Span
from acclimate.workflows.follow_ups import Read, follow_ups
from acclimate.workspace.answerer import reads_beside


def make_router(service: Service) -> APIRouter:
    """The route over the documents that answers cite."""
    router = APIRouter(prefix="/v1", tags=["answers"])

    @router.post("/follow-ups")
    async def suggest(body: Annotated[FollowUpRequest, Sound], request: Request) -> dict[str, Any]:
        """At most three questions that can be asked next about the cited documents, each of which
        would be answered; none where `[serve] follow_ups` is off. `style` is the one to ask it in,
        null: that of the conversation. No language model is asked."""
        caller: Caller = request.state.caller
        wanted = service.project.settings.serve.follow_ups
        found = await run_in_threadpool(_suggest, service, body, caller) if wanted else []
        return {"object": "list", "data": [_row(one) for one in found]}

    return router


def _suggest(service: Service, body: FollowUpRequest, caller: Caller) -> list[FollowUp]:
    where = filter_of(body.where, caller)
    recipe = service.recipe(body.model, caller)
    project = service.project

    def find(path: str) -> Document | None:
        """A document that the caller may see."""
        if not service.sees(caller, path):
            return None
        return service.read(lambda: project.library.record.document(path))

    return follow_ups(
        [Read(one.path, Span(one.start, one.end)) for one in body.cited if one.start < one.end],
        [Exchange(question, "") for question in body.asked],
        find=find,
        questions=project.questions(),
        answerer=lambda style: service.answerer(recipe, where, style or body.style),
        beside=reads_beside(project),
    )


def _row(one: FollowUp) -> dict[str, Any]:
    return {
        "question": one.question,
        "style": "full" if one.full else None,
        "document": document_id(one.document),
        "path": one.document,
        "start": one.span.start,
        "end": one.span.end,
        "source": one.source,
    }
