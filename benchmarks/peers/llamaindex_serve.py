"""Run in .venv-peers: LlamaIndex over llama.cpp behind FastAPI, streaming in OpenAI's form; prints its address.

Arguments: documents, embedder, GGUF file, k, chunk tokens. llama.cpp's context takes one generation at a time.
"""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from llama_cpp import Llama
from llama_index.core import Settings, SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

documents, embedder, gguf, k, tokens = sys.argv[1:]
model = Llama(gguf, n_ctx=8192, verbose=False)
alone = threading.Lock()
app = FastAPI()


class LlamaCpp(CustomLLM):
    """The GGUF model by its own chat template, greedy, at most 128 tokens."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=8192, num_output=128)

    @llm_completion_callback()
    def complete(self, prompt: str, **_: Any) -> CompletionResponse:
        *_, last = self.stream_complete(prompt)
        return last

    @llm_completion_callback()
    def stream_complete(self, prompt: str, **_: Any) -> CompletionResponseGen:
        def pieces() -> CompletionResponseGen:
            text = ""
            messages = [{"role": "user", "content": prompt}]
            for part in model.create_chat_completion(messages, max_tokens=128, temperature=0, stream=True):
                delta = part["choices"][0]["delta"].get("content") or ""
                text += delta
                yield CompletionResponse(text=text, delta=delta)

        return pieces()


Settings.embed_model = HuggingFaceEmbedding(model_name=embedder, device="cpu")
Settings.tokenizer = AutoTokenizer.from_pretrained(embedder).tokenize
Settings.llm = LlamaCpp()
loaded = SimpleDirectoryReader(documents, recursive=True).load_data()
splitter = SentenceSplitter(chunk_size=int(tokens), chunk_overlap=0, include_metadata=False)
index = VectorStoreIndex(splitter.get_nodes_from_documents(loaded))
engine = index.as_query_engine(streaming=True, similarity_top_k=int(k))


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
