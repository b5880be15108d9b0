"""Imported in .venv-peers: LlamaIndex's query engine over llama.cpp, streaming."""

from pathlib import Path
from typing import Any

from llama_cpp import Llama
from llama_index.core import Settings, SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import BaseQueryEngine
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from pydantic import PrivateAttr
from transformers import AutoTokenizer


class LlamaCpp(CustomLLM):
    """The GGUF model by its own chat template, greedy, at most 128 tokens."""

    _model: Llama = PrivateAttr()

    def __init__(self, gguf: str) -> None:
        super().__init__()
        self._model = Llama(gguf, n_ctx=8192, verbose=False)

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
            for part in self._model.create_chat_completion(
                messages, max_tokens=128, temperature=0, stream=True
            ):
                delta = part["choices"][0]["delta"].get("content") or ""
                text += delta
                yield CompletionResponse(text=text, delta=delta)

        return pieces()


def make_engine(documents: Path, embedder: str, gguf: str, k: int, tokens: int) -> BaseQueryEngine:
    """Read the documents in chunks of so many tokens, and answer from the best `k`."""
    Settings.embed_model = HuggingFaceEmbedding(model_name=embedder, device="cpu")
    Settings.tokenizer = AutoTokenizer.from_pretrained(embedder).tokenize
    Settings.llm = LlamaCpp(gguf)
    loaded = SimpleDirectoryReader(documents, recursive=True).load_data()
    splitter = SentenceSplitter(chunk_size=tokens, chunk_overlap=0, include_metadata=False)
    index = VectorStoreIndex(splitter.get_nodes_from_documents(loaded))
    return index.as_query_engine(streaming=True, similarity_top_k=k)
