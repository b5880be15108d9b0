"""A small OpenAI-compatible chat server around any engine, on this machine, for tests of
clients."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from acclimate.models.base import Engine
from acclimate.testing.models import Heard
from acclimate.types import Generation, Message


class ChatServer:
    """What the server does: `status` other than 200 is answered to every request, and 429 with the
    headers that stand in `refusals` to as many; `headers` come with what is answered; `cut` is
    subtracted from the prompt tokens that it reports, as by a server that drops part of a prompt.
    `reasoning` comes before each reply, in the delta's field `reasoning_field`, or among the parts
    of its content where that is "content"."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.status, self.cut = engine, 200, 0
        self.reasoning, self.reasoning_field = "", "reasoning_content"
        self.refusals: list[dict[str, str]] = []
        self.headers: dict[str, str] = {}
        self.requests: list[dict[str, Any]] = []
        self.url = ""


@contextmanager
def serve_chat(engine: Engine) -> Iterator[ChatServer]:
    """Serve `engine` at `ChatServer.url` (ending in /v1) while the context lasts."""
    state = ChatServer(engine)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(body)
            refused = state.refusals.pop() if state.refusals else None
            if state.status != 200 or refused is not None:
                status = state.status if refused is None else 429
                no = json.dumps({"error": {"message": "no"}}).encode()
                self._send(status, "application/json", no, refused or {})
                return
            self._send(
                200, "text/event-stream", "".join(_events(state, body)).encode(), state.headers
            )

        def _send(self, status: int, kind: str, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        # The base class names its argument so.
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _events(state: ChatServer, body: dict[str, Any]) -> Iterator[str]:
    messages = [Message(message["role"], message["content"]) for message in body["messages"]]
    heard = Heard()
    options = Generation(max_tokens=body["max_tokens"], stop=tuple(body.get("stop", ())))
    done = state.engine.generate(messages, options, heard)
    base = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
    }
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        *_reasoned(state),
        *({"content": piece} for piece in heard.pieces),
    ]
    for delta in deltas:
        yield _event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": done.finish}]})
    usage = {
        "prompt_tokens": max(0, done.prompt_tokens - state.cut),
        "completion_tokens": done.completion_tokens,
    }
    usage["total_tokens"] = sum(usage.values())
    yield _event({**base, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _reasoned(state: ChatServer) -> Iterator[dict[str, Any]]:
    for word in state.reasoning.split(" ") if state.reasoning else []:
        if state.reasoning_field == "content":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": f"{word} "}]}
            yield {"content": [thinking]}
        else:
            yield {state.reasoning_field: f"{word} ", "content": None}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"
