"""`/widget.js`, and `/v1/widget`, where it asks."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from acclimate.prompting.citations import CitationStripper
from acclimate.serving.chat import ALIVE_S, EventStream
from acclimate.serving.errors import ApiError, as_api_error
from acclimate.serving.metrics import Metrics
from acclimate.serving.requests import read_request
from acclimate.serving.schemas import ChatMessage, ChatRequest, Sound, WidgetQuestion
from acclimate.serving.service import PendingAnswer, Service
from acclimate.serving.tracing import trace_of
from acclimate.types import Answer

_RETRY_S = 5
_PUBLIC = {
    "Cross-Origin-Resource-Policy": "cross-origin",  # or no page of another origin may load it
    "Cache-Control": "public, max-age=300",
    "Vary": "Origin",
}


def make_router(service: Service, metrics: Metrics, web: Path) -> APIRouter:
    """The routes over `service`; the script lies in the folder `web`."""
    router = APIRouter(tags=["widget"])
    share = _Share(service)

    @router.get("/widget.js", include_in_schema=False)
    def script() -> Response:
        file = web / "widget.js"
        return FileResponse(file, media_type="text/javascript", headers=_PUBLIC)

    @router.post("/v1/widget", response_model=None)
    async def ask(body: Annotated[WidgetQuestion, Sound], request: Request) -> Response:
        """Answer a widget's question, as events: pieces of text, then the answer."""
        read = await run_in_threadpool(read_request, service, _as_chat(body), request.state.caller)
        run = share.submit(lambda: service.submit(replace(read, trace=trace_of(request.headers))))
        return EventStream(_events(run, metrics, service.project.origins.address), run)

    return router


class _Share:
    """How many answers to widgets may be written or wait at once: half of all that may, so that
    whoever copies a public key does not keep out those who hold another."""

    def __init__(self, service: Service) -> None:
        most = service.parallel + service.project.settings.serve.queue
        self._free = threading.BoundedSemaphore(max(1, most // 2))

    def submit(self, begin: Callable[[], PendingAnswer]) -> PendingAnswer:
        """Begin an answer. Raises ApiError 429 where there are too many."""
        if not self._free.acquire(blocking=False):
            wait = {"Retry-After": str(_RETRY_S)}
            raise ApiError(429, "The server is busy.", "queue_full", headers=wait)
        try:
            run = begin()
        except BaseException:
            self._free.release()
            raise
        if run.future is not None:
            run.future.add_done_callback(lambda _: self._free.release())
        return run


def _as_chat(body: WidgetQuestion) -> ChatRequest:
    messages = []
    for turn in body.before:
        messages.append(ChatMessage(role="user", content=turn.question))
        messages.append(ChatMessage(role="assistant", content=turn.answer))
    return ChatRequest(messages=[*messages, ChatMessage(role="user", content=body.question)])


async def _events(
    run: PendingAnswer, metrics: Metrics, address: Callable[[str], str]
) -> AsyncIterator[str]:
    unmarked = CitationStripper()
    while not isinstance(piece := await run.next(ALIVE_S), Answer | BaseException):
        if piece is None:
            yield ": waiting\n\n"
        elif text := unmarked(piece):
            yield _line({"text": text})
    if isinstance(piece, BaseException):
        yield _line(as_api_error(piece).body)
        return
    metrics.answered(piece)
    yield _line({"answer": _row(piece, address)})


def _line(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _row(answer: Answer, address: Callable[[str], str]) -> dict[str, Any]:
    """What a widget shows of an answer, and no more: neither other passages nor names of files.
    `ends` are where, in code points of the text, a source's number belongs."""
    titles = {hit.chunk.document: hit.chunk.title for hit in answer.prompt.passages}
    citations: dict[tuple[int, int, int], dict[str, Any]] = {}
    for one in answer.citations:
        row = citations.setdefault(
            (one.number, one.start, one.end),
            {
                "number": one.number,
                "title": titles.get(one.document) or one.document.rpartition("/")[2],
                "heading": one.headings[-1] if one.headings else "",
                "page": one.page,
                "quote": one.quote,
                "verbatim": one.verbatim,
                "url": address(one.document),
                "ends": [],
            },
        )
        row["ends"].append(one.claim.end if one.claim else len(answer.text))
    return {
        "text": answer.text,
        "asked": answer.asked,
        "abstained": answer.abstained,
        "abstention": answer.abstention,
        "unsupported": [span.end for span in answer.unsupported],
        "working": answer.working,
        "cut": answer.finish == "length",
        "citations": list(citations.values()),
    }
