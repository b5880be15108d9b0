"""The HTTP embedder against a real server on this machine."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from acclimate.embeddings.openai import OpenAIEmbedder
from acclimate.errors import EngineError
from acclimate.testing.embeddings import HashEmbedder, check_embedder
from acclimate.testing.states import STATE_S

Reply = tuple[int, dict]


def vectors_of(request: dict) -> dict:
    rows = 3.0 * HashEmbedder(request.get("dimensions", 64)).embed_passages(request["input"])
    data = [
        {"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(rows)
    ]
    return {
        "object": "list",
        "model": request["model"],
        "data": data,
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


class Server(ThreadingHTTPServer):
    """Answers with hashed vectors of length 3, in reverse order; `replies` go first, one a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Reply | Callable[[dict], Reply]] = []
        self.requests: list[dict] = []
        self.keys: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.keys.append(self.headers["Authorization"])
        if self.server.replies:
            reply = self.server.replies.pop(0)
            status, body = reply(request) if callable(reply) else reply
        elif "" in request["input"] or self.path != "/v1/embeddings":
            status, body = 400, {"error": {"message": "bad request"}}
        else:
            body = vectors_of(request)
            status, body["data"] = 200, body["data"][::-1]
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After-Ms", "1")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(
            target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        yield running
        running.shutdown()


def embedder(server: Server, **settings) -> OpenAIEmbedder:
    return OpenAIEmbedder("tiny", base_url=server.url, **settings)


def test_contract(server):
    check_embedder(lambda: embedder(server, batch_texts=3))


def test_order_batches_progress_and_prefixes(server):
    done: list[int] = []
    model = embedder(
        server, batch_texts=4, passage_prefix="passage: ", query_prefix="query: ", dimensions=32
    )
    texts = [f"text number {n}" for n in range(10)]
    vectors = model.embed_passages(texts, done.append)
    expected = HashEmbedder(32).embed_passages([f"passage: {text}" for text in texts])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert done == [4, 4, 2]
    model.embed_queries(["text"])
    assert server.requests[-1] == {
        "model": "tiny", "input": ["query: text"], "encoding_format": "float", "dimensions": 32,
    }  # fmt: skip


def test_the_key_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    embedder(server, api_key_env="MY_KEY").embed_queries(["a"])
    assert set(server.keys) == {"Bearer secret"}
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(EngineError, match="MY_KEY is not set") as caught:
        OpenAIEmbedder("tiny", api_key_env="MY_KEY")
    assert "export MY_KEY" in caught.value.hint


def test_passing_failures_are_retried(server):
    busy = (429, {"error": {"message": "slow down"}})
    server.replies = [busy, (503, {})]
    assert embedder(server, dimensions=64, max_retries=2).embed_passages(["a"]).shape == (1, 64)
    assert len(server.requests) == 3
    server.replies = [busy] * 2
    with pytest.raises(EngineError, match="answered 429") as caught:
        embedder(server, dimensions=64, max_retries=1).embed_passages(["a"])
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("status", "repair"),
    [(401, "OPENAI_API_KEY"), (404, "base_url"), (400, "max_tokens"), (500, "log")],
)
def test_refusals_say_what_repairs_them(server, status, repair):
    server.replies = [(status, {"error": {"message": "because"}})]
    with pytest.raises(EngineError, match=f"answered {status}.*because") as caught:
        embedder(server, max_retries=0).embed_queries(["a"])
    assert repair in caught.value.hint
    assert caught.value.retryable == (status == 500)


def _doctored(change: Callable[[list[dict]], object]) -> Callable[[dict], Reply]:
    def reply(request: dict) -> Reply:
        body = vectors_of(request)
        change(body["data"])
        return 200, body

    return reply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.pop(), "1 vectors for 2 texts"),
        (lambda data: data[1].update(index=0), "2 vectors for 2 texts"),
        (lambda data: data[1].update(embedding=[1.0]), "different lengths"),
        (lambda data: data[1].update(embedding=[0.0] * 64), "zero"),
        (lambda data: [item.update(embedding=[1.0] * 5) for item in data], "5 numbers; 64"),
    ],
)
def test_wrong_answers_are_refused(server, change, said):
    server.replies = [_doctored(change)]
    with pytest.raises(EngineError, match=said):
        embedder(server, dimensions=64).embed_passages(["a", "b"])


def test_a_server_that_is_down_or_slow_is_named(server):
    held = threading.Event()

    def stall(_: dict) -> Reply:
        held.wait(STATE_S)
        return 200, {}

    server.replies = [stall]
    with pytest.raises(EngineError, match="in time"):
        embedder(server, timeout_s=0.1, max_retries=0).embed_queries(["a"])
    held.set()
    down = OpenAIEmbedder("tiny", base_url="http://127.0.0.1:1/v1", max_retries=0)
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        down.embed_queries(["a"])
    assert "base_url" in caught.value.hint
    assert caught.value.retryable


def test_spans_are_no_fewer_than_a_tokenizers_on_common_text(server):
    text = "Notwithstanding §3, the notice period is 30 days; 猫です."
    pieces = [text[span.start : span.end] for span in embedder(server).token_spans(text)]
    assert "".join(pieces) == text.replace(" ", "")
    assert max(map(len, pieces)) == 4


def test_fingerprint_separates_servers_models_and_settings(server):
    models = [
        embedder(server),
        embedder(server, dimensions=32),
        embedder(server, query_prefix="q"),
        OpenAIEmbedder("other", base_url=server.url),
        OpenAIEmbedder("tiny", base_url="http://127.0.0.1:1/v1"),
    ]
    assert len({model.fingerprint for model in models}) == 5
    assert server.requests == []
