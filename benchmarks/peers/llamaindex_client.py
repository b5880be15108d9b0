"""Run in .venv-peers: LlamaIndex's OpenAI-like classes as clients of `acclimate serve`; arguments: address, key, model.

Prints what they got as one JSON object; fails where they fail.
"""

import json
import sys

from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

address, key, embedder = sys.argv[1:]
model = OpenAILike(
    model="rag",
    api_base=f"{address}/v1",
    api_key=key,
    is_chat_model=True,
    max_tokens=64,
    max_retries=0,
)
question = [ChatMessage(role="user", content="What does Fjell 9 weigh?")]
whole = model.chat(question).message.content
streamed = "".join(piece.delta or "" for piece in model.stream_chat(question))
vectors = OpenAILikeEmbedding(model_name=embedder, api_base=f"{address}/v1", api_key=key)
found = vectors.get_text_embedding_batch(["one", "two"])
print(
    json.dumps(
        {"whole": whole, "streamed": streamed, "dimensions": [len(vector) for vector in found]}
    )
)
sys.exit(whole != streamed)
