"""A model as it is, behind OpenAI's chat and embeddings: what a peer asks, so that both programs use the same.

    python -m benchmarks.model_server [--model qwen2.5-coder-0.5b-instruct] [--embedder all-minilm-l6-v2]

Prints its address, and serves one request after another until its input ends. The model wears no adapter and gets the
peer's messages as they come; answers are greedy, as ours are.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from acclimate.embeddings.base import Embedder
from acclimate.models.base import Engine
from acclimate.models.fetch import resolve
from acclimate.settings_library import EmbedderSettings
from acclimate.settings_sections import ModelSettings
from acclimate.types import Generation, Message
from acclimate.workspace.encoders import open_embedder
from acclimate.workspace.engine import load_engine

_TOKENS = 128


def chat(engine: Engine, body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion."""
    messages = [Message(one["role"], one["content"]) for one in body["messages"]]
    done = engine.generate(messages, Generation(max_tokens=body.get("max_tokens") or _TOKENS))
    usage = {"prompt_tokens": done.prompt_tokens, "completion_tokens": done.completion_tokens}
    message = {"role": "assistant", "content": done.text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": engine.name,
        "choices": [{"index": 0, "message": message, "finish_reason": done.finish}],
        "usage": usage | {"total_tokens": sum(usage.values())},
    }


def embed(embedder: Embedder, body: dict[str, Any]) -> dict[str, Any]:
    """Vectors, of passages and questions alike: this embedder has no prefixes."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = embedder.embed_queries(texts)
    data = [
        {"object": "embedding", "index": place, "embedding": vector.tolist()}
        for place, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": body.get("model", ""), "usage": usage}


def make_handler(engine: Engine, embedder: Embedder) -> type[BaseHTTPRequestHandler]:
    """What answers requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made = (
                embed(embedder, body) if self.path.endswith("/embeddings") else chat(engine, body)
            )
            content = json.dumps(made).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b-instruct")
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    options = parser.parse_args()
    engine = load_engine(ModelSettings(name=options.model, adapter="none"), None, resolve)
    embedder = open_embedder(EmbedderSettings(model=options.embedder), Path(), resolve)
    server = HTTPServer(("127.0.0.1", 0), make_handler(engine, embedder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    sys.stdin.read()
    server.shutdown()
    engine.close()


if __name__ == "__main__":
    main()
