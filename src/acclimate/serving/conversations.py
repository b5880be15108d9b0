"""`/v1/conversations`: everybody's own; and `/v1/shared`, what others opened by a link."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from acclimate.serving.ask import Ask
from acclimate.serving.conversation_store import (
    MOST_ANSWERS,
    MOST_CONVERSATIONS,
    Conversation,
    ConversationStore,
)
from acclimate.serving.conversation_view import kept, markdown, turns_for
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.schemas import Extension, Sound, Title
from acclimate.serving.service import Service
from acclimate.types import Answer

Number = Annotated[str, Path(max_length=64)]
Keep = Callable[[Answer, dict[str, Any]], bool]
"""Keeps an answer as it was sent; False where its conversation is gone."""


class Conversations:
    """What is kept of conversations; without a store, nothing is."""

    def __init__(self, service: Service, store: ConversationStore | None) -> None:
        self._service, self._store = service, store

    @property
    def store(self) -> ConversationStore:
        """The store. Raises ApiError 404 where conversations are not kept."""
        if self._store is None:
            say = "Conversations are not kept here ([serve] conversations)."
            raise ApiError(404, say, "conversations_not_kept")
        return self._store

    def keeper(self, ask: Ask, caller: Caller, wanted: Extension | None) -> Keep | None:
        """What keeps the answer to a question in the conversation that the client names; None where
        it names none. Raises ApiError where there is none, or no room in it."""
        if wanted is None or wanted.conversation is None:
            return None
        store, name = self.store, wanted.conversation
        self.own(caller, name)
        if store.count(name) >= MOST_ANSWERS:
            say = f"The conversation has {MOST_ANSWERS} answers; begin another one."
            raise ApiError(409, say, "conversation_full")

        def keep(answer: Answer, body: dict[str, Any]) -> bool:
            turn = wanted.turn or str(body["id"])
            return store.add(caller.id, name, kept(answer, ask, caller, turn, body))

        return keep

    def own(self, caller: Caller, name: str) -> Conversation:
        """One of the caller's own. Raises ApiError 404 where there is none."""
        found = self.store.find(caller.id, name)
        if found is None:
            raise _none()
        return found

    def shared(self, link: str) -> Conversation:
        """What a link opens. Raises ApiError 404 where it opens nothing (any more)."""
        found = self.store.linked(link)
        if found is None:
            raise ApiError(404, "That link opens nothing (any more).", "link_not_found")
        return found

    def opened(self, held: Conversation, caller: Caller, *, own: bool) -> dict[str, Any]:
        """A conversation with its turns, as the caller may read it."""
        answers = self.store.answers(held.id)
        turns = turns_for(
            answers if own else answers[: held.linked], caller, self._service, own=own
        )
        row = _row(held) | {"turns": [turn.row for turn in turns]}
        if own:
            return row
        title = "" if any(turn.withheld for turn in turns) else held.title
        return row | {"object": "shared", "id": None, "link": None, "title": title, "by": held.name}

    def as_markdown(self, held: Conversation, caller: Caller) -> str:
        """One of the caller's own conversations as Markdown."""
        answers = self.store.answers(held.id)
        return markdown(held, turns_for(answers, caller, self._service, own=True))

    def close(self) -> None:
        """The server ends."""
        if self._store is not None:
            self._store.close()


def make_router(conversations: Conversations) -> APIRouter:
    """The routes over conversations."""
    router = APIRouter(tags=["conversations"])
    _add_all(router, conversations)
    _add_one(router, conversations)
    _add_links(router, conversations)
    return router


def _add_all(router: APIRouter, conversations: Conversations) -> None:
    @router.get("/v1/conversations")
    def list_conversations(request: Request) -> dict[str, Any]:
        """The caller's own conversations, the last changed first."""
        rows = conversations.store.all_of(_caller(request).id)
        return {"object": "list", "data": [_row(one) for one in rows]}

    @router.post("/v1/conversations", status_code=201)
    def begin(request: Request) -> dict[str, Any]:
        """Begin a conversation; `/v1/chat/completions` keeps answers in it that name it."""
        caller = _caller(request)
        made = conversations.store.create(caller.id, caller.name)
        if made is None:
            say = f"You keep {MOST_CONVERSATIONS} conversations; delete some first."
            raise ApiError(409, say, "too_many_conversations")
        return _row(made)

    @router.delete("/v1/conversations")
    def delete_all(request: Request) -> dict[str, Any]:
        """Delete all of the caller's own conversations, with their links."""
        number = conversations.store.delete_all(_caller(request).id)
        return {"object": "conversations", "deleted": number}


def _add_one(router: APIRouter, conversations: Conversations) -> None:
    @router.get("/v1/conversations/{number}")
    def open_one(number: Number, request: Request) -> dict[str, Any]:
        """A conversation, without what the caller may no longer see."""
        caller = _caller(request)
        return conversations.opened(conversations.own(caller, number), caller, own=True)

    @router.put("/v1/conversations/{number}")
    def rename(number: Number, body: Annotated[Title, Sound], request: Request) -> dict[str, Any]:
        """Give a conversation another title."""
        caller = _caller(request)
        conversations.store.rename(caller.id, number, " ".join(body.title.split()))
        return _row(conversations.own(caller, number))

    @router.delete("/v1/conversations/{number}")
    def delete(number: Number, request: Request) -> dict[str, Any]:
        """Delete a conversation, with its link."""
        if not conversations.store.delete(_caller(request).id, number):
            raise _none()
        return {"id": number, "object": "conversation", "deleted": True}

    @router.get("/v1/conversations/{number}/export", response_model=None)
    def export(
        number: Number,
        request: Request,
        form: Annotated[Literal["markdown", "json"], Query(alias="format")] = "markdown",
    ) -> Response:
        """A conversation as a file, without what the caller may no longer see."""
        caller = _caller(request)
        held = conversations.own(caller, number)
        if form == "json":
            row = conversations.opened(held, caller, own=True) | {"link": None}
            text, kind, ending = (
                json.dumps(row, ensure_ascii=False, indent=1),
                "application/json",
                "json",
            )
        else:
            text, kind, ending = conversations.as_markdown(held, caller), "text/markdown", "md"
        headers = {"Content-Disposition": f'attachment; filename="conversation.{ending}"'}
        return Response(text, media_type=kind, headers=headers)


def _add_links(router: APIRouter, conversations: Conversations) -> None:
    @router.post("/v1/conversations/{number}/link")
    def share(number: Number, request: Request) -> dict[str, Any]:
        """Open what was answered until now, read only, to whoever may ask here and has the link."""
        held = conversations.store.share(_caller(request).id, number)
        if held is None:
            raise _none()
        return _row(held)

    @router.delete("/v1/conversations/{number}/link")
    def unshare(number: Number, request: Request) -> dict[str, Any]:
        """Take the link away: it opens nothing any more."""
        caller = _caller(request)
        conversations.store.unshare(caller.id, number)
        return _row(conversations.own(caller, number))

    @router.get("/v1/shared/{link}")
    def open_shared(link: Number, request: Request) -> dict[str, Any]:
        """What another person shares, without what the caller may not see."""
        return conversations.opened(conversations.shared(link), _caller(request), own=False)


def _row(one: Conversation) -> dict[str, Any]:
    return {
        "id": one.id,
        "object": "conversation",
        "title": one.title,
        "created": one.created,
        "changed": one.changed,
        "link": one.link,
    }


def _none() -> ApiError:
    return ApiError(404, "There is no such conversation.", "conversation_not_found")


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller
