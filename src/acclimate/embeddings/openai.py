"""Embedding by any server that speaks OpenAI's `POST /v1/embeddings`: vLLM, Ollama, TEI, or a
hosted one."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import openai

from acclimate.embeddings.base import OnDone, Vectors
from acclimate.errors import EngineError
from acclimate.system import ending
from acclimate.system.openai_client import open_client
from acclimate.system.proxies import through
from acclimate.types import Span

_PIECE = re.compile(r"[A-Za-z0-9_]{1,4}|[^\sA-Za-z0-9_]")


class OpenAIEmbedder:
    """An `Embedder` over HTTP.

    `base_url` None is OpenAI's own server; the key is read from the environment variable
    `api_key_env`, which a server at another address may not need. `dimensions` None is the model's
    own length, asked of the server once. `timeout_s` bounds one request; failed requests are
    repeated `max_retries` times with growing pauses where that can help (no connection, 408, 409,
    429, 5xx). `concurrency` requests of `batch_texts` texts run at a time.

    The server's weights cannot be hashed, so the fingerprint is its address, the model's name and
    the settings. Its tokenizer is unknown too: `token_spans` are pieces of at most four ASCII
    letters or digits and single other characters, which is more tokens than tokenizers make of
    common text, so that chunks stay within the limit. Raises EngineError, with the repair, where
    the server refuses, fails, or answers with other than one vector a text.
    """

    def __init__(  # noqa: PLR0913
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        dimensions: int | None = None,
        max_tokens: int = 8191,
        query_prefix: str = "",
        passage_prefix: str = "",
        batch_texts: int = 64,
        concurrency: int = 4,
        timeout_s: float = 60.0,
        max_retries: int = 3,
    ) -> None:
        key = os.environ.get(api_key_env)
        if not key and base_url is None:
            raise EngineError(
                f"the environment variable {api_key_env} is not set.",
                hint=f"export {api_key_env}=…, or set [embedder] base_url to a server that needs "
                f"no key.",
            )
        self._model = model
        self._key_env = api_key_env
        self._asked = dimensions
        self._max_tokens = max_tokens
        self._query_prefix, self._passage_prefix = query_prefix, passage_prefix
        self._batch_texts, self._concurrency = batch_texts, concurrency
        self._client = open_client(key or "none", base_url, timeout_s, max_retries)

    @property
    def fingerprint(self) -> str:
        """See `Embedder`."""
        parts = (
            str(self._client.base_url),
            self._model,
            self._asked,
            self._query_prefix,
            self._passage_prefix,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @cached_property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return self._asked or self._request(["dimensions"]).shape[1]

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._max_tokens

    def token_spans(self, text: str) -> list[Span]:
        """See `Embedder`."""
        return [Span(*match.span()) for match in _PIECE.finditer(text)]

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts, self._passage_prefix, on_done)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts, self._query_prefix, None)

    def _embed(self, texts: Sequence[str], prefix: str, on_done: OnDone | None) -> Vectors:
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        starts = range(0, len(texts), self._batch_texts)
        batches = [
            [prefix + text for text in texts[start : start + self._batch_texts]] for start in starts
        ]
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            for start, rows in zip(starts, pool.map(self._request, batches), strict=True):
                if rows.shape[1] != self.dimensions:
                    raise EngineError(
                        f"{self._client.base_url} gave vectors of {rows.shape[1]} numbers; "
                        f"{self.dimensions} were "
                        f"expected of '{self._model}'.",
                        hint="Leave the dimensions unset, or choose a length that the model gives.",
                    )
                vectors[start : start + len(rows)] = rows
                if on_done is not None:
                    on_done(len(rows))
        finally:
            pool.shutdown(wait=not ending.requested(), cancel_futures=True)
        return vectors

    def _request(self, texts: list[str]) -> Vectors:
        """[n, d] unit rows for 1 to `batch_texts` texts, in their order."""
        # Servers refuse the empty string; a space says as little.
        asked = [text or " " for text in texts]
        with self._translated_errors():
            response = self._client.embeddings.create(
                model=self._model,
                input=asked,
                encoding_format="float",
                dimensions=openai.omit if self._asked is None else self._asked,
            )
        items = sorted(response.data or [], key=lambda item: item.index)
        if [item.index for item in items] != list(range(len(texts))):
            raise self._bad_answer(f"{len(items)} vectors for {len(texts)} texts")
        if len({len(item.embedding) for item in items}) != 1:
            raise self._bad_answer("vectors of different lengths")
        rows = np.array([item.embedding for item in items], np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise self._bad_answer("a vector that is zero or not a number")
        unit: Vectors = rows / lengths
        return unit

    def _bad_answer(self, what: str) -> EngineError:
        return EngineError(
            f"{self._client.base_url} answered with {what}.",
            hint=f"Check that '{self._model}' is an embedding model.",
        )

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        server = f"{self._client.base_url} ('{self._model}')"
        try:
            yield
        except openai.APITimeoutError as error:
            raise EngineError(
                f"{server} did not answer in time{through(str(self._client.base_url))}.",
                hint="Raise the timeout, or lower the batch size.",
                retryable=True,
            ) from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise EngineError(
                f"{server} cannot be reached: {cause}.",
                hint="Start the server, or correct [embedder] base_url in acclimate.toml.",
                retryable=True,
            ) from error
        except openai.APIStatusError as error:
            raise EngineError(
                f"{server} answered {error.status_code}{through(str(self._client.base_url))}: "
                f"{error.message}",
                hint=self._repair(error.status_code),
                retryable=error.status_code in (408, 409, 429) or error.status_code >= 500,
            ) from error
        except (openai.OpenAIError, ValueError) as error:
            raise EngineError(
                f"{server} gave an answer that is not understood: {error}."
            ) from error

    def _repair(self, status: int) -> str:
        match status:
            case 401 | 403:
                return f"Set the environment variable {self._key_env} to a key that this server accepts."
            case 404:
                return (
                    "Correct [embedder] model and base_url in acclimate.toml; base_url ends in /v1."
                )
            case 429:
                return "Wait, or raise the account's limit, and run the command again: finished work is kept."
            case 400 | 413 | 422:
                return "Lower [chunking] max_tokens, and check that the model takes what was asked."
            case _:
                return "See the server's log, and run the command again: finished work is kept."
