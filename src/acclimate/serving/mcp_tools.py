"""The three tools of the MCP server: what each takes, what it gives, and what it does.

Nothing here knows the protocol; `mcp_server` does.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from acclimate.serving.ask import Ask
from acclimate.serving.errors import ApiError
from acclimate.serving.keys import Caller
from acclimate.serving.rows import citation_row, filter_of, footnotes, hit_row
from acclimate.serving.schemas import Strict, Text
from acclimate.serving.service import PendingAnswer, Service
from acclimate.types import Answer, Document

URI = "acclimate://documents/"
# The SDK's clients take 1 MiB in one event of a stream; a text is sent twice, in UTF-8.
_MOST_PASSAGES, _MOST_LENGTH = 20, 50_000
_ALIVE_S = 5.0  # a sign of life at least that often, for clients that ask for progress
_WHY = {
    "empty_library": "The library holds no document.",
    "no_document_left": "There is no document that you may see and that meets the conditions.",
    "nothing_found": "No passage was found.",
}

Alive = Callable[[float], Awaitable[None]]
"""Called from time to time with the seconds that an answer has been waited for."""

_Where = Annotated[
    list[Annotated[str, Field(max_length=500)]],
    Field(
        default_factory=list,
        max_length=20,
        description="Only documents that meet all of these conditions on path, title, type or "
        "their own metadata, for example path=handbook/*, type=pdf|docx, date>=2025-01-01.",
    ),
]
_Question = Annotated[Text, Field(min_length=1)]


class SearchArguments(Strict):
    """What `search` takes."""

    query: _Question = Field(description="What to look for, as a question or as words.")
    k: int = Field(default=5, ge=1, le=_MOST_PASSAGES, description="The most passages to return.")
    where: _Where


class AskArguments(Strict):
    """What `ask` takes."""

    question: _Question = Field(description="One self-contained question.")
    recipe: str = Field(
        default="",
        max_length=200,
        description="How to answer, for example rag or extract; empty: as the project does.",
    )
    where: _Where


class ReadArguments(Strict):
    """What `read_document` takes."""

    document: str = Field(
        min_length=1,
        max_length=8000,
        description="The document's path, as search and ask name it, or its resource URI.",
    )
    start: int = Field(default=0, ge=0, description="The first character to read.")
    length: int = Field(
        default=20_000, ge=1, le=_MOST_LENGTH, description="The most characters to read."
    )


class Passage(BaseModel):
    """A passage: exactly the document's characters from `start` to `end`;
    `url` is the address that it was mirrored from, or ""."""

    rank: int
    score: float
    uri: str
    path: str
    title: str
    headings: list[str]
    start: int
    end: int
    page: int | None
    text: str
    url: str
    also_in: list[str]


class Passages(BaseModel):
    """What `search` gives; `nothing` says why there are no passages."""

    passages: list[Passage]
    nothing: str


class Source(BaseModel):
    """A citation: `quote` is exactly the document's characters from `start` to `end`; `verbatim`
    where the answer's own words stand there."""

    number: int
    uri: str
    path: str
    headings: list[str]
    start: int
    end: int
    page: int | None
    quote: str
    verbatim: bool
    url: str
    also_in: list[str]


class Answered(BaseModel):
    """What `ask` gives; `abstention` says why there is no answer."""

    answer: str
    abstained: bool
    abstention: str
    citations: list[Source]
    recipe: str
    asked: str


class Stretch(BaseModel):
    """What `read_document` gives: the characters `start` to `end` of `total`."""

    uri: str
    path: str
    title: str
    start: int
    end: int
    total: int
    text: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a tool gives: as text, and as data."""

    text: str
    data: BaseModel


class Tools:
    """The tools over `service`; `hear` is called with every answer.

    Every method raises ApiError for what is not for the caller, does not exist or cannot be done,
    and errors of Acclimate as the service does.
    """

    def __init__(self, service: Service, hear: Callable[[Answer], None]) -> None:
        self._service, self._hear = service, hear

    async def search(self, asked: SearchArguments, caller: Caller) -> Given:
        """The best passages for a query."""
        where = filter_of(asked.where, caller)
        hits = await run_in_threadpool(self._service.search, asked.query, asked.k, where)
        nothing = "" if hits else await run_in_threadpool(self._service.why_nothing, where)
        address = self._service.project.origins.address
        passages = [Passage(**_placed(hit_row(hit, address))) for hit in hits]
        text = "\n\n".join(f"[{one.rank}] {_place(one)}\n{one.text}" for one in passages)
        return Given(text or _WHY[nothing], Passages(passages=passages, nothing=nothing))

    async def ask(
        self, asked: AskArguments, caller: Caller, trace: Mapping[str, str], alive: Alive
    ) -> Given:
        """An answer with its citations."""
        if not asked.question.strip():
            raise ApiError(400, "There is no question.", "no_question", param="question")
        recipe = await run_in_threadpool(self._service.recipe, asked.recipe, caller)
        ask = Ask(asked.question, recipe, filter_of(asked.where, caller), trace=trace)
        run = self._service.submit(ask)
        try:
            answer = await _finished(run, alive)
        finally:
            run.cancel()
        self._hear(answer)
        sources = [Source(**_placed(citation_row(one))) for one in answer.citations]
        data = Answered(
            answer=answer.text,
            abstained=answer.abstained,
            abstention=answer.abstention,
            citations=sources,
            recipe=answer.recipe,
            asked=answer.asked or answer.question,
        )
        return Given(answer.text + footnotes(answer), data)

    async def read(self, asked: ReadArguments, caller: Caller) -> Given:
        """A stretch of a document's text."""
        path = path_of(asked.document) if asked.document.startswith(URI) else asked.document
        document = await run_in_threadpool(self.document, path, caller)
        text = document.text[asked.start : asked.start + asked.length]
        end = asked.start + len(text)
        total = len(document.text)
        if asked.start and asked.start >= total:
            say = f"The document has {total:,} characters; {asked.start:,} is beyond its end."
            raise ApiError(400, say, "invalid_request", param="start")
        data = Stretch(
            uri=uri_of(path),
            path=path,
            title=document.title,
            start=asked.start,
            end=end,
            total=total,
            text=text,
        )
        return Given(f"{path}, characters {asked.start}–{end} of {total}\n\n{text}", data)

    def document(self, path: str, caller: Caller) -> Document:
        """A document. Raises ApiError 404 where there is none, or not for this caller."""
        found = None
        if self._service.sees(caller, path):
            project = self._service.project
            found = self._service.read(lambda: project.library.record.document(path))
        if found is None:
            raise ApiError(404, "There is no such document.", "document_not_found")
        return found

    def paths(self, caller: Caller) -> list[str]:
        """The documents that the caller may see, ascending."""
        project = self._service.project  # its library is opened inside `read`, once
        held = self._service.read(lambda: project.library.record.files())
        return sorted(path for path in held if self._service.sees(caller, path))


def uri_of(path: str) -> str:
    """The resource URI of the document at `path`."""
    return URI + quote(path)


def path_of(uri: str) -> str:
    """The path in a resource URI. Raises ApiError 404 for a URI of another kind."""
    if not uri.startswith(URI):
        raise ApiError(404, "There is no such document.", "document_not_found")
    return unquote(uri.removeprefix(URI))


async def _finished(run: PendingAnswer, alive: Alive) -> Answer:
    """The answer of a run, or the error that ended it."""
    began = told = time.monotonic()
    while True:
        piece = await run.next(_ALIVE_S)
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, Answer):
            return piece
        if time.monotonic() - told >= _ALIVE_S:
            told = time.monotonic()
            await alive(told - began)


def _placed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the API with URIs in the place of its ids."""
    also = [one["path"] for one in row["also_in"]]
    return {**row, "uri": uri_of(row["path"]), "also_in": also}


def _place(passage: Passage) -> str:
    page = f", page {passage.page}" if passage.page else ""
    headings = f" · {' › '.join(passage.headings)}" if passage.headings else ""
    return f"{passage.path}{page}, characters {passage.start}–{passage.end}{headings}"
