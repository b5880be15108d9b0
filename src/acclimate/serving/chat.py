"""`/v1/models` and `/v1/chat/completions`."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from acclimate.prompting.citations import Unmarked
from acclimate.prompting.conversation import read_turns
from acclimate.prompting.structured import read_shape
from acclimate.serving.errors import ApiError, told
from acclimate.serving.keys import Caller
from acclimate.serving.metrics import Metrics
from acclimate.serving.schemas import ChatMessage, ChatRequest, Sound
from acclimate.serving.search import also_rows, filter_of, hit_row
from acclimate.serving.service import Ask, Run, Service
from acclimate.serving.shelf import document_id
from acclimate.serving.tracing import trace_of
from acclimate.types import Answer, Message, Role

_ALIVE_S = 10.0  # a line at least that often, so that proxies keep a waiting stream open
_LOOK_S = 0.25  # how often it is looked whether a client that waits is still there
_NOTES = re.compile(r"( \[\d+\])+\n\n\[\d+\] .*", re.DOTALL)


def make_router(service: Service, metrics: Metrics) -> APIRouter:
    """The routes over `service`."""
    router = APIRouter(prefix="/v1", tags=["answers"])

    @router.get("/models")
    def models(request: Request) -> dict[str, Any]:
        """Recipes appear as models."""
        rows = [_model(recipe.name) for recipe in service.recipes(request.state.caller)]
        return {"object": "list", "data": rows}

    @router.get("/models/{name}")
    def model(name: str, request: Request) -> dict[str, Any]:
        """One recipe."""
        return _model(service.recipe(name, request.state.caller).name)

    @router.post("/chat/completions", response_model=None)
    async def chat(body: Annotated[ChatRequest, Sound], request: Request) -> Response:
        """Answer the last user message from the documents."""
        ask = await run_in_threadpool(_asked, service, body, request.state.caller)
        run = service.submit(replace(ask, trace=trace_of(request.headers)))
        form = _Form(ask.recipe.name, body, footnotes=body.acclimate.footnotes and ask.schema is None)
        if body.stream:
            return _Events(form.events(run, metrics), run)
        try:
            answer = await _finished(run, request)
        finally:
            run.cancel()
        metrics.answered(answer)
        return JSONResponse(form.whole(answer, run.waited))

    @router.get("/me")
    def me(request: Request) -> dict[str, Any]:
        """What the caller may do."""
        caller: Caller = request.state.caller
        return {"name": caller.name, "scopes": sorted(caller.scopes), "recipe": service.project.settings.answer.recipe}

    return router


class _Events(StreamingResponse):
    """A stream of events that cancels its answer when the client leaves, at whatever moment."""

    def __init__(self, events: AsyncIterator[str], run: Run) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._run.cancel()


class _Form:
    """An answer in OpenAI's form."""

    def __init__(self, model: str, body: ChatRequest, *, footnotes: bool) -> None:
        self._head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": model}
        self._usage = body.stream_options is not None and body.stream_options.include_usage
        self._footnotes = footnotes

    def whole(self, answer: Answer, waited: float) -> dict[str, Any]:
        """The response without streaming."""
        message = {"role": "assistant", "content": answer.text + self._notes(answer), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": _finish(answer), "logprobs": None}
        head = self._head | {"object": "chat.completion"}
        return head | {"choices": [choice], "usage": _usage(answer), "acclimate": extension(answer, waited)}

    async def events(self, run: Run, metrics: Metrics) -> AsyncIterator[str]:
        """The lines of a stream: the role, the text as it comes, its footnotes, usage where asked for."""
        unmarked = Unmarked()
        yield self._chunk({"role": "assistant", "content": ""})
        while True:
            try:
                piece = await asyncio.wait_for(run.pieces.get(), _ALIVE_S)
            except TimeoutError:
                yield ": waiting\n\n"
                continue
            if isinstance(piece, str):
                if text := unmarked(piece):
                    yield self._chunk({"content": text})
                continue
            break
        if isinstance(piece, BaseException):
            yield f"data: {json.dumps(told(piece).body)}\n\n"
        else:
            metrics.answered(piece)
            if notes := self._notes(piece):
                yield self._chunk({"content": notes})
            yield self._chunk({}, finish=_finish(piece), acclimate=extension(piece, run.waited))
            if self._usage:
                yield self._line(self._head | {"choices": [], "usage": _usage(piece)})
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._line(self._head | {"choices": [choice]} | more)

    def _line(self, value: dict[str, Any]) -> str:
        return f"data: {json.dumps(value | {'object': 'chat.completion.chunk'}, ensure_ascii=False)}\n\n"

    def _notes(self, answer: Answer) -> str:
        if not self._footnotes or not answer.citations:
            return ""
        marks = "".join(f" [{citation.number}]" for citation in answer.citations)
        lines = []
        for citation in answer.citations:
            page = f", page {citation.page}" if citation.page else ""
            lines.append(f"[{citation.number}] {citation.document}{page}: “{' '.join(citation.quote.split())}”")
        return marks + "\n\n" + "\n".join(lines)


def extension(answer: Answer, waited: float) -> dict[str, Any]:
    """What an answer that was `waited` seconds in the queue has beyond OpenAI's form."""
    citations = [
        {
            "number": citation.number,
            "document": document_id(citation.document),
            "path": citation.document,
            "start": citation.start,
            "end": citation.end,
            "quote": citation.quote,
            "page": citation.page,
            "headings": list(citation.headings),
            "verbatim": citation.verbatim,
            "also_in": also_rows(citation.also),
        }
        for citation in answer.citations
    ]
    return {
        "recipe": answer.recipe,
        "engine": answer.model,
        "asked": answer.asked,
        "abstained": answer.abstained,
        "citations": citations,
        "passages": [hit_row(hit) for hit in answer.prompt.passages],
        "reasoning": answer.reasoning,
        "timings": {
            "queue_s": round(waited, 4),
            "retrieve_s": round(answer.timings.retrieve_s, 4),
            "first_token_s": round(answer.timings.first_token_s, 4),
            "total_s": round(answer.timings.total_s, 4),
        },
    }


async def _finished(run: Run, request: Request) -> Answer:
    """The answer, or the error that ended it; given up when the client leaves."""
    looked = time.monotonic()
    while True:
        if time.monotonic() - looked > _LOOK_S:
            looked = time.monotonic()
            if await request.is_disconnected():
                raise ApiError(499, "The client left.", "cancelled")
        try:
            piece = await asyncio.wait_for(run.pieces.get(), _LOOK_S)
        except TimeoutError:
            continue
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, Answer):
            return piece


def _asked(service: Service, body: ChatRequest, caller: Caller) -> Ask:
    """A request as a question. Raises ApiError for what this server does not do, rather than leave it out silently."""
    if body.tools or body.functions:
        raise ApiError(400, "Recipes call no tools; leave 'tools' out.", "unsupported", param="tools")
    if body.n not in (None, 1):
        raise ApiError(400, "One answer is written for a question; 'n' must be 1.", "unsupported", param="n")
    if body.logprobs:
        raise ApiError(400, "There are no token probabilities; leave 'logprobs' out.", "unsupported", param="logprobs")
    spoken = [Message(_spoken(message.role), _without_notes(_text(message))) for message in body.messages]
    question, turns = read_turns(spoken)
    if not question.strip():
        raise ApiError(400, "There is no user message with text.", "no_question", param="messages")
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    options: dict[str, Any] = {
        "max_tokens": body.max_completion_tokens or body.max_tokens,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "seed": body.seed,
        "stop": tuple(stop for stop in stops if stop) or None,
    }
    recipe = service.recipe(body.model, caller)
    schema = _schema(body.response_format)
    if schema is not None:
        recipe.check_json()
    chosen = {key: value for key, value in options.items() if value is not None}
    return Ask(question, recipe, filter_of(body.acclimate.where, caller), chosen, schema, turns)


def _spoken(role: str) -> Role:
    """What tools or developers say is no turn of a conversation."""
    return "user" if role == "user" else "assistant" if role == "assistant" else "system"


def _without_notes(text: str) -> str:
    """An earlier answer as it was before its footnotes came below it."""
    return _NOTES.sub("", text)


def _text(message: ChatMessage) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    if other := next((part.type for part in message.content if part.type != "text"), None):
        raise ApiError(400, f"Messages may hold text only, not '{other}'.", "unsupported", param="messages")
    return "\n".join(part.text for part in message.content)


def _schema(chosen: dict[str, Any] | None) -> dict[str, Any] | None:
    kind = (chosen or {}).get("type", "text")
    if kind == "text":
        return None
    schema = chosen["json_schema"].get("schema") if chosen and isinstance(chosen.get("json_schema"), dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise ApiError(
            400, "'response_format' may be text, or json_schema with a schema.", "unsupported", param="response_format"
        )
    _check_schema(schema)
    return schema


def _check_schema(schema: dict[str, Any]) -> None:
    """Raises ApiError for a schema that would cost without bound: our own expressions end, those of callers may not."""
    try:
        read_shape(schema)
        patterns = _has_pattern(schema)
    except RecursionError:
        raise ApiError(400, "The schema is nested too deeply.", "unsupported", param="response_format") from None
    if patterns:
        raise ApiError(400, "Schemas may not have a 'pattern'.", "unsupported", param="response_format")


def _has_pattern(part: object) -> bool:
    if isinstance(part, dict):
        own = isinstance(part.get("pattern"), str) or "patternProperties" in part
        return own or any(_has_pattern(value) for value in part.values())
    return isinstance(part, list) and any(_has_pattern(value) for value in part)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "acclimate"}


def _finish(answer: Answer) -> str:
    return "length" if answer.finish == "length" else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    usage = answer.usage
    total = usage.prompt_tokens + usage.completion_tokens
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens, "total_tokens": total}
