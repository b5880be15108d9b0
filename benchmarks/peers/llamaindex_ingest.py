"""Run in .venv-peers: ingest a folder with LlamaIndex's defaults. Arguments: documents, model, store, chunk tokens."""

import json
import resource
import sys
from importlib.metadata import version
from pathlib import Path

from llama_index.core import Settings, SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

documents, model, store, tokens = sys.argv[1:]
Settings.embed_model = HuggingFaceEmbedding(model_name=model, device="cpu")
Settings.llm = None
# The embedder's own tokenizer counts, as on our side; by default another model's would.
Settings.tokenizer = AutoTokenizer.from_pretrained(model).tokenize
loaded = SimpleDirectoryReader(documents, recursive=True).load_data()
nodes = SentenceSplitter(
    chunk_size=int(tokens), chunk_overlap=0, include_metadata=False
).get_nodes_from_documents(loaded)
index = VectorStoreIndex(nodes)
index.storage_context.persist(store)
print(
    json.dumps(
        {
            "documents": len({Path(document.metadata["file_path"]) for document in loaded}),
            "chunks": len(nodes),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
            "version": version("llama-index-core"),
        }
    )
)
