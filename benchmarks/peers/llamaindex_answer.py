"""Run in .venv-peers: answer questions from stdin with LlamaIndex over llama.cpp, streaming.

Arguments: documents, embedder, GGUF file, k, chunk tokens. Prints a JSON object for each question.
"""

import json
import sys
import time
from pathlib import Path

from llamaindex_engine import make_engine  # a script's own folder is on its path

documents, embedder, gguf, k, tokens = sys.argv[1:]
engine = make_engine(Path(documents), embedder, gguf, int(k), int(tokens))
for line in sys.stdin:
    started, first, text = time.perf_counter(), None, ""
    for piece in engine.query(json.loads(line)).response_gen:
        if first is None and piece:
            first = time.perf_counter() - started
        text += piece
    total = time.perf_counter() - started
    print(
        json.dumps({"text": text.strip(), "first_s": first or total, "total_s": total}), flush=True
    )
