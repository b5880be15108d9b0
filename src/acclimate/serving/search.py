"""`/v1/embeddings` and `/v1/search`: what needs no language model."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from acclimate.serving.errors import ApiError
from acclimate.serving.rows import filter_of, hit_row
from acclimate.serving.schemas import EmbeddingRequest, SearchRequest, Sound
from acclimate.serving.service import Service


def make_router(service: Service) -> APIRouter:
    """The routes over embedder and retriever."""
    router = APIRouter(prefix="/v1", tags=["answers"])

    @router.post("/embeddings")
    async def embeddings(body: Annotated[EmbeddingRequest, Sound]) -> dict[str, Any]:
        """Vectors of texts by the project's embedder."""
        name = service.project.settings.embedder.model
        if body.model not in (name, "default", "", None):
            raise ApiError(404, f"The embedder here is '{name}'.", "model_not_found", param="model")
        texts = _texts(body)
        vectors, tokens = await run_in_threadpool(service.embed, texts)
        if body.dimensions not in (None, len(vectors[0])):
            has = f"This embedder has {len(vectors[0])} dimensions."
            raise ApiError(400, has, "dimensions", param="dimensions")
        rows = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encoded(vector, body.encoding_format),
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": rows, "model": name, "usage": usage}

    @router.post("/search")
    async def search(body: Annotated[SearchRequest, Sound], request: Request) -> dict[str, Any]:
        """The best passages for a query, without a language model; where there are none, `nothing`
        says why: empty_library, no_document_left by filter or labels, or nothing_found."""
        where = filter_of(body.where, request.state.caller)
        hits = await run_in_threadpool(service.search, body.query, body.k, where)
        nothing = "" if hits else await run_in_threadpool(service.why_nothing, where)
        rows = [hit_row(hit, service.project.origins.address) for hit in hits]
        return {"object": "list", "data": rows, "nothing": nothing}

    return router


def _texts(body: EmbeddingRequest) -> list[str]:
    given = [body.input] if isinstance(body.input, str) else list(body.input)
    texts = [text for text in given if isinstance(text, str)]
    if not given:
        raise ApiError(
            400, "There is no text to embed: 'input' is empty.", "invalid_request", param="input"
        )
    if len(texts) < len(given):
        hint = "Send text, not token numbers (LangChain: check_embedding_ctx_length=False)."
        raise ApiError(400, hint, "unsupported", param="input")
    return texts


def _encoded(vector: list[float], form: str | None) -> list[float] | str:
    return (
        base64.b64encode(np.array(vector, "<f4").tobytes()).decode() if form == "base64" else vector
    )
