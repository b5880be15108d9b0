"""Run in .venv-peers: LlamaIndex answers questions from stdin, for `acclimate compare --answers`.

Arguments: documents, address of a server (`benchmarks.model_server`), k, chunk tokens, folder for the index. Its own
readers, splitter, vector index and prompt; embedder and model are the server's. Reads {"id", "question"} lines and prints
{"id", "answer", "passages", "seconds"} lines. It cites nothing; `passages` are what it retrieved.
"""

import json
import sys
import time
from pathlib import Path

from llama_index.core import (
    Settings,
    SimpleDirectoryReader,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

documents, address, k, tokens, folder = sys.argv[1:]
Settings.embed_model = OpenAILikeEmbedding(
    model_name="served", api_base=address, api_key="none", embed_batch_size=32, timeout=900
)
Settings.llm = OpenAILike(
    model="served",
    api_base=address,
    api_key="none",
    is_chat_model=True,
    max_tokens=128,
    temperature=0,
    context_window=8192,
    max_retries=0,
    timeout=900,
)
if Path(folder, "docstore.json").exists():
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=folder))
else:
    loaded = SimpleDirectoryReader(documents, recursive=True).load_data()
    splitter = SentenceSplitter(chunk_size=int(tokens), chunk_overlap=0)
    index = VectorStoreIndex(splitter.get_nodes_from_documents(loaded))
    index.storage_context.persist(folder)
engine = index.as_query_engine(similarity_top_k=int(k))
root = Path(documents).resolve()
for line in sys.stdin:
    row = json.loads(line)
    started = time.perf_counter()
    said = engine.query(row["question"])
    seconds = time.perf_counter() - started
    passages = [
        {
            "document": Path(one.node.metadata["file_path"]).resolve().relative_to(root).as_posix(),
            "quote": one.node.get_content(),
        }
        for one in said.source_nodes
    ]
    answer = {"id": row["id"], "answer": str(said).strip(), "passages": passages}
    print(json.dumps(answer | {"seconds": round(seconds, 2)}), flush=True)
