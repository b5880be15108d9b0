"""Run in .venv-peers: LlamaIndex over llama.cpp behind FastAPI, streaming in OpenAI's form; prints its address.

Arguments: documents, embedder, GGUF file, k, chunk tokens. llama.cpp's context takes one generation at a time.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from llamaindex_engine import make_engine  # a script's own folder is on its path

documents, embedder, gguf, k, tokens = sys.argv[1:]
engine = make_engine(Path(documents), embedder, gguf, int(k), int(tokens))
alone = threading.Lock()
app = FastAPI()


@app.get("/readyz")
def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/v1/chat/completions")
def chat(body: dict[str, Any]) -> StreamingResponse:
    def events() -> Iterator[str]:
        with alone:
            for piece in engine.query(body["messages"][-1]["content"]).response_gen:
                yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': piece}}]})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


with socket.socket() as listening:
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
