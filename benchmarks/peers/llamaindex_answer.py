"""Run in .venv-peers: answer questions from stdin with LlamaIndex over llama.cpp, streaming.

Arguments: documents, embedder, GGUF file, k, chunk tokens. Prints a JSON object for each question.
"""

import json
import sys
import time
from typing import Any

from llama_cpp import Llama
from llama_index.core import Settings, SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

documents, embedder, gguf, k, tokens = sys.argv[1:]
model = Llama(gguf, n_ctx=8192, verbose=False)


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
nodes = SentenceSplitter(chunk_size=int(tokens), chunk_overlap=0, include_metadata=False).get_nodes_from_documents(
    loaded
)
engine = VectorStoreIndex(nodes).as_query_engine(streaming=True, similarity_top_k=int(k))
for line in sys.stdin:
    started, first, text = time.perf_counter(), None, ""
    for piece in engine.query(json.loads(line)).response_gen:
        if first is None and piece:
            first = time.perf_counter() - started
        text += piece
    total = time.perf_counter() - started
    print(json.dumps({"text": text.strip(), "first_s": first or total, "total_s": total}), flush=True)
