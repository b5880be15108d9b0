"""`/v1/models` and `/v1/chat/completions`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from acclimate.prompting.citations import CitationStripper
from acclimate.questions.feedback import given_of
from acclimate.serving.ask import Ask
from acclimate.serving.conversations import Conversations
from acclimate.serving.errors import ApiError, as_api_error
from acclimate.serving.feedback import GivenAnswers
from acclimate.serving.keys import Caller
from acclimate.serving.metrics import Metrics
from acclimate.serving.requests import read_request
from acclimate.serving.rows import citation_row, footnotes, hit_row
from acclimate.serving.schemas import ChatRequest, Sound
from acclimate.serving.service import PendingAnswer, Service
from acclimate.serving.tracing import trace_of
from acclimate.types import Answer

ALIVE_S = 10.0  # a line at least that often, so that proxies keep a waiting stream open
_LOOK_S = 0.25  # how often it is looked whether a client that waits is still there


def make_router(
    service: Service, metrics: Metrics, given: GivenAnswers, conversations: Conversations
) -> APIRouter:
    """The routes over `service`."""
    router = APIRouter(prefix="/v1", tags=["answers"])

    @router.get("/models")
    def models(request: Request) -> dict[str, Any]:
        """Recipes appear as models."""
        rows = [_model(recipe.name) for recipe in service.recipes(request.state.caller)]
        return {"object": "list", "data": rows}

    @router.get("/models/{name:path}")
    def model(name: str, request: Request) -> dict[str, Any]:
        """One recipe, or the embedder."""
        if name == service.project.settings.embedder.model:
            return _model(name)
        return _model(service.recipe(name, request.state.caller).name)

    @router.post("/chat/completions", response_model=None)
    async def chat(body: Annotated[ChatRequest, Sound], request: Request) -> Response:
        """Answer the last user message from the documents."""
        caller: Caller = request.state.caller
        ask = await run_in_threadpool(read_request, service, body, caller)
        keep = await run_in_threadpool(conversations.keeper, ask, caller, body.acclimate)
        run = service.submit(replace(ask, trace=trace_of(request.headers)))
        marked = await run_in_threadpool(service.marks_sentences, ask)
        form = _Form(ask, body, service.project.origins.address, marked=marked)

        async def answered(answer: Answer) -> None:
            metrics.answered(answer)
            await given.keep(form.id, caller, given_of(answer, ask.turns))
            if keep is not None:
                await run_in_threadpool(keep, answer, form.kept(answer, run.waited))

        if body.stream:
            return EventStream(form.events(run, answered), run)
        try:
            answer = await _finished(run, request)
        finally:
            run.cancel()
        await answered(answer)
        return JSONResponse(form.whole(answer, run.waited))

    @router.get("/me")
    def me(request: Request) -> dict[str, Any]:
        """What the caller may do."""
        caller: Caller = request.state.caller
        return {
            "name": caller.name,
            "project": service.name,
            "scopes": sorted(caller.scopes),
            "recipe": service.project.settings.answer.recipe,
            "conversations": service.project.settings.serve.conversations,
            "follow_ups": service.project.settings.serve.follow_ups,
            "login": service.project.settings.login.engine if caller.is_person else "none",
        }

    return router


class EventStream(StreamingResponse):
    """A stream of events that cancels its answer when the client leaves, at whatever moment."""

    def __init__(self, events: AsyncIterator[str], run: PendingAnswer) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._run.cancel()


class _Form:
    """An answer in OpenAI's form; `address` gives where a document was mirrored from."""

    def __init__(
        self, ask: Ask, body: ChatRequest, address: Callable[[str], str], *, marked: bool
    ) -> None:
        self._address = address
        created, model = int(time.time()), ask.recipe.name
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self._head = {"id": self.id, "created": created, "model": model}
        self._usage = body.stream_options is not None and body.stream_options.include_usage is True
        self._json = ask.schema is not None
        wanted = body.acclimate is None or body.acclimate.footnotes is not False
        self._footnotes = wanted and not self._json
        self._marked = marked and self._footnotes  # the text has its marks where they belong
        self._notices = ask.notices

    def whole(self, answer: Answer, waited: float) -> dict[str, Any]:
        """The response without streaming."""
        said = answer.marked if self._marked else answer.text
        text: str | None = said + self._notes(answer)
        refusal = None
        if (
            self._json and answer.data is None
        ):  # no JSON, so what parses it is told as the form has it
            text, refusal = None, answer.text
        message = {"role": "assistant", "content": text, "refusal": refusal}
        if answer.reasoning:  # by the name that vLLM, SGLang, llama.cpp and DeepSeek give it
            message["reasoning_content"] = answer.reasoning
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": _finish(answer),
            "logprobs": None,
        }
        head = self._head | {"object": "chat.completion"}
        return head | {
            "choices": [choice],
            "usage": _usage(answer),
            "acclimate": self._own(answer, waited),
        }

    async def events(
        self, run: PendingAnswer, answered: Callable[[Answer], Awaitable[None]]
    ) -> AsyncIterator[str]:
        """The lines of a stream: the role, the text as it comes, its footnotes, usage where asked
        for."""
        unmarked = CitationStripper()
        yield self._chunk({"role": "assistant", "content": ""})
        while not isinstance(piece := await run.next(ALIVE_S), Answer | BaseException):
            if piece is None:
                yield ": waiting\n\n"
            elif not self._json and (text := piece if self._marked else unmarked(piece)):
                yield self._chunk({"content": text})
        if isinstance(piece, BaseException):
            yield f"data: {json.dumps(as_api_error(piece).body)}\n\n"
        else:
            await answered(piece)
            if piece.reasoning:
                yield self._chunk({"reasoning_content": piece.reasoning})
            if self._json:
                yield self._chunk({"refusal" if piece.data is None else "content": piece.text})
            if notes := self._notes(piece):
                yield self._chunk({"content": notes})
            yield self._chunk({}, finish=_finish(piece), acclimate=self._own(piece, run.waited))
            if self._usage:
                yield self._line(self._head | {"choices": [], "usage": _usage(piece)})
        yield "data: [DONE]\n\n"

    def kept(self, answer: Answer, waited: float) -> dict[str, Any]:
        """What of an answer is kept in a conversation."""
        told = {"id": self.id, "text": answer.text, "finish": _finish(answer)}
        return told | extension(answer, waited, self._address)

    def _chunk(self, delta: dict[str, str], finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._line(self._head | {"choices": [choice]} | more)

    def _line(self, value: dict[str, Any]) -> str:
        return f"data: {json.dumps(value | {'object': 'chat.completion.chunk'}, ensure_ascii=False)}\n\n"

    def _own(self, answer: Answer, waited: float) -> dict[str, Any]:
        return extension(answer, waited, self._address) | (
            {"notices": list(self._notices)} if self._notices else {}
        )

    def _notes(self, answer: Answer) -> str:
        return footnotes(answer, marked=self._marked) if self._footnotes else ""


def extension(answer: Answer, waited: float, address: Callable[[str], str]) -> dict[str, Any]:
    """What an answer that was `waited` seconds in the queue has beyond OpenAI's form."""
    return {
        "recipe": answer.recipe,
        "engine": answer.model,
        "asked": answer.asked,
        "abstained": answer.abstained,
        "abstention": answer.abstention,
        "style": answer.style,
        "unsupported": [[span.start, span.end] for span in answer.unsupported],
        "citations": [citation_row(citation) for citation in answer.citations],
        "passages": [hit_row(hit, address) for hit in answer.prompt.passages],
        "reasoning": answer.reasoning,
        "working": answer.working,
        "timings": {
            "queue_s": round(waited, 4),
            "retrieve_s": round(answer.timings.retrieve_s, 4),
            "first_token_s": round(answer.timings.first_token_s, 4),
            "total_s": round(answer.timings.total_s, 4),
        },
    }


async def _finished(run: PendingAnswer, request: Request) -> Answer:
    """The answer, or the error that ended it; given up when the client leaves."""
    looked = time.monotonic()
    while True:
        if time.monotonic() - looked > _LOOK_S:
            looked = time.monotonic()
            if await request.is_disconnected():
                raise ApiError(499, "The client left.", "cancelled")
        piece = await run.next(_LOOK_S)
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, Answer):
            return piece


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "acclimate"}


def _finish(answer: Answer) -> str:
    return "length" if answer.finish == "length" else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    usage = answer.usage
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }
