"""Language models behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp, hosted ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import openai

from acclimate.errors import EngineError, PromptTooLongError
from acclimate.models.base import OnText
from acclimate.models.chat import neutralise_roles
from acclimate.models.rate_limits import Gate, wait_of
from acclimate.system.openai_client import open_client
from acclimate.system.proxies import through
from acclimate.types import Completion, Generation, Message

_DEFAULT_CONTEXT = 4096  # where neither the user nor the server says; small servers' usual default
_CHARACTERS_PER_TOKEN = 3.0  # cautious for English, where models have 4 to 4.5
_TOKENS_PER_MESSAGE = 8  # of a chat template
# English has at most about 7 characters a token, so a server that reports fewer tokens than a tenth
# of the characters did not read all of the prompt. Ollama drops its middle and says nothing.
_FEWEST_TOKENS_PER_CHARACTER = 0.1
_CHECKED_FROM = 2000  # characters
# Prompts whose sizes the server told: a later one that has far fewer tokens for its characters was
# cut.
_FALLEN_TO = 0.6
_LEARNT_FROM = 400  # characters; in shorter prompts the template's own tokens count too much


class HTTPEngine:
    """The model `model` at `base_url`; `api_key_env` names the environment variable with the key.

    Tokens are estimated from the characters, on the cautious side, because the server's tokenizer
    is not known here; the server's own count of every prompt is compared with what was sent.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        context_tokens: int | None = None,
        timeout_s: float = 120.0,
        retries: int = 2,
    ) -> None:
        self._model, self._url, self._key_env = model, base_url, api_key_env
        self._context = context_tokens or _DEFAULT_CONTEXT
        self._told = 0.0  # fewest tokens a character that the server reported for a prompt
        key = os.environ.get(api_key_env)
        if key is None and base_url is None:
            raise EngineError(
                f"the environment variable {api_key_env} is not set.",
                hint=f"export {api_key_env}=…",
            )
        # Servers on the user's own machine want no key, but the client wants one.
        self._client = open_client(key or "none", base_url, timeout_s, retries)
        self._gate = Gate()

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._model

    @property
    def context_tokens(self) -> int:
        """As set in `[model] context_tokens`; the server does not tell."""
        return self._context

    def count(self, messages: Sequence[Message]) -> int:
        """An estimate on the cautious side: a third of the characters, and a few for each
        message."""
        return sum(
            int(len(m.content) / _CHARACTERS_PER_TOKEN) + 1 + _TOKENS_PER_MESSAGE for m in messages
        )

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`. Raises EngineError also where the server reports that it read only part of
        the prompt."""
        estimate = self.count(messages)
        if estimate + options.max_tokens > self._context:
            raise PromptTooLongError(
                f"the prompt has about {estimate} tokens and the answer may have "
                f"{options.max_tokens}; "
                f"the window is {self._context}.",
                hint="Set [model] context_tokens to the server's window, or show fewer passages "
                "([retrieval] k).",
            )
        pieces: list[str] = []
        thought: list[str] = []
        finish: Literal["stop", "length", "cancelled"] = "stop"
        usage: Any = None
        self._gate.wait()
        with (
            self._translated(),
            self._client.chat.completions.create(**self._request(messages, options)) as stream,
        ):
            self._gate.note(stream.response.headers)
            for event in stream:
                usage = event.usage or usage
                if not event.choices:
                    continue
                choice = event.choices[0]
                if choice.finish_reason == "length":
                    finish = "length"
                piece, reasoning = _read_delta(choice.delta)
                pieces.append(piece)
                thought.append(reasoning)
                if (piece or reasoning) and on_text is not None and not on_text(piece):
                    finish = "cancelled"
                    break
        if usage is not None:
            self._check_read(messages, usage.prompt_tokens)
        read, written = (
            (usage.prompt_tokens, usage.completion_tokens) if usage else (estimate, len(pieces))
        )
        return Completion("".join(pieces), read, written, finish, "".join(thought))

    def close(self) -> None:
        """See `Engine`."""
        self._client.close()

    def _request(self, messages: Sequence[Message], options: Generation) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": neutralise_roles(message.content)}
                for message in messages
            ],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.stop:
            request["stop"] = list(options.stop)
        if options.schema:
            named = {"name": "answer", "schema": json.loads(options.schema)}
            request["response_format"] = {"type": "json_schema", "json_schema": named}
        if options.seed is not None:
            request["seed"] = options.seed
        return request

    def _check_read(self, messages: Sequence[Message], read: int) -> None:
        sent = sum(len(message.content) for message in messages)
        usual = self._told * _FALLEN_TO
        if sent >= _CHECKED_FROM and read < sent * max(usual, _FEWEST_TOKENS_PER_CHARACTER):
            raise EngineError(
                f"the server read {read} tokens of a prompt of {sent} characters: it cut the "
                f"prompt silently.",
                hint="Raise the server's window (Ollama: num_ctx), or show fewer passages "
                "([retrieval] k).",
            )
        if sent >= _LEARNT_FROM:
            self._told = min(self._told or 1.0, read / sent)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The client's errors as ours; the key is in none of them."""
        where, way = self._url or "the OpenAI server", through(str(self._client.base_url))
        try:
            yield
        except openai.APITimeoutError as error:
            raise EngineError(
                f"{where} did not answer in time{way}.",
                hint="Raise [model] timeout_s.",
                retryable=True,
            ) from error
        except openai.APIConnectionError as error:
            raise EngineError(
                f"{where} cannot be reached: {error.__cause__ or error}.",
                hint="Start the server, or set [model] base_url.",
                retryable=True,
            ) from error
        except openai.APIStatusError as error:
            raise EngineError(
                f"{where} answered {error.status_code} for the model '{self._model}'{way}.",
                hint=self._repair(error.status_code),
                retryable=error.status_code in (408, 429) or error.status_code >= 500,
                wait_s=wait_of(error.response.headers),
            ) from error
        except openai.OpenAIError as error:
            raise EngineError(
                f"{where} sent what cannot be read: {type(error).__name__}.", retryable=True
            ) from error

    def _repair(self, status: int) -> str:
        if status in (401, 403):
            return f"Set {self._key_env} to a valid key."
        if status == 404:
            return "Set [model] name to a model that the server has, and base_url with its /v1."
        return (
            "Wait and ask again." if status == 429 or status >= 500 else "Look at the server's log."
        )


def _read_delta(delta: Any) -> tuple[str, str]:
    """A piece's text and its reasoning: servers give that in a field of their own
    (`reasoning_content`: DeepSeek, vLLM, SGLang, llama.cpp; `reasoning`: OpenRouter, Ollama, newer
    vLLM) or among the parts of the content (Mistral)."""
    more = delta.model_extra or {}
    reasoning = next(
        (
            more[name]
            for name in ("reasoning_content", "reasoning")
            if isinstance(more.get(name), str)
        ),
        "",
    )
    content: Any = delta.content
    if not isinstance(content, list):
        return content or "", reasoning
    texts: dict[bool, list[str]] = {False: [], True: []}
    for part in content:
        for text in _texts(part):
            texts[part.get("type") in ("thinking", "reasoning")].append(text)
    return "".join(texts[False]), reasoning + "".join(texts[True])


def _texts(part: Any) -> Iterator[str]:
    """The texts of a part of a message's content, and of the parts in it."""
    if not isinstance(part, dict):
        return
    for name in ("text", "thinking", "reasoning"):
        held = part.get(name)
        if isinstance(held, str):
            yield held
        for inner in held if isinstance(held, list) else []:
            yield from _texts(inner)
