"""The API as the real clients use it: OpenAI's for Python and JavaScript, LangChain's, and what Open WebUI sends."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from acclimate.testing.models import ScriptedEngine
from acclimate.testing.states import STATE_S

QUESTION = [{"role": "user", "content": "What does Fjell 9 weigh?"}]
TEXT = "117 kg [1]\n\n[1] pump.md: “The pump Fjell 9 weighs 117 kg.”"
EMBEDDER = "all-minilm-l6-v2"
ROOT = Path(__file__).parents[2]
JS = Path(__file__).parent / "js"


@pytest.fixture
def key(serve, add_key):
    """A key that asks, for a server that wants one."""
    return add_key("app")["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def url(serve, key):
    return f"{serve().base_url}/v1".replace("//v1", "/v1")


@pytest.fixture
def client(url, key):
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        yield client


class TestOpenAI:
    def test_recipes_are_models(self, client):
        names = [model.id for model in client.models.list()]
        assert names[0] == "rag"
        assert {"zero-shot", "stuffing"} <= set(names)
        assert client.models.retrieve("rag").owned_by == "acclimate"

    def test_an_answer_with_usage_footnotes_and_citations(self, client, engine):
        answer = client.chat.completions.create(model="rag", messages=QUESTION)
        assert answer.choices[0].message.content == TEXT
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.prompt_tokens == engine.count(engine.prompts[-1])
        assert (
            answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        )
        (citation,) = answer.acclimate["citations"]
        assert citation["quote"] == "The pump Fjell 9 weighs 117 kg."

    def test_a_stream_begins_with_the_role_and_ends_with_usage(self, client):
        chunks = list(
            client.chat.completions.create(
                model="rag", messages=QUESTION, stream=True, stream_options={"include_usage": True}
            )
        )
        assert chunks[0].choices[0].delta.role == "assistant"
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == TEXT
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-2].acclimate["citations"][0]["path"] == "pump.md"
        assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 3)
        assert len({(chunk.id, chunk.created, chunk.object) for chunk in chunks}) == 1
        plain = list(client.chat.completions.create(model="rag", messages=QUESTION, stream=True))
        assert all(chunk.usage is None and chunk.choices for chunk in plain)

    def test_options_reach_the_engine(self, client):
        parts = [{"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"]}]}]
        for name in ("max_tokens", "max_completion_tokens"):
            cut = client.chat.completions.create(model="rag", messages=parts, **{name: 1})
            assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 1)
        stopped = client.chat.completions.create(model="rag", messages=parts, stop=" kg")
        assert stopped.choices[0].message.content.startswith("117")
        assert "kg" not in stopped.choices[0].message.content.split("\n")[0]

    def test_odd_fields_are_no_obstacle(self, client, engine):
        answer = client.chat.completions.create(
            model="rag",
            messages=[{"role": "developer", "content": "Be brief."}, *QUESTION],
            max_tokens=None,
            max_completion_tokens=-1,
            seed=-1,
            top_p=0,
            temperature=None,
            stop=[],
            n=1,
            tools=[],
            tool_choice="none",
            response_format={"type": "text"},
            user="ann",
            extra_body={"min_p": 0.1, "acclimate": None},
        )
        assert answer.choices[0].message.content == TEXT
        assert engine.prompts[-1][0].content.endswith("Be brief.")

    def test_a_refusal_by_a_schema_is_one_in_its_form(self, client):
        who = [{"role": "user", "content": "What does Fjell 9 weigh?"}]
        own = {"acclimate": {"where": ["path=no-such/*"]}}
        answer = client.chat.completions.parse(
            model="rag", messages=who, response_format=Weight, extra_body=own
        )
        assert answer.choices[0].message.parsed is None
        refusal = answer.choices[0].message.refusal
        assert refusal.startswith("No document is left to answer from")

    def test_a_question_may_point_back(self, client, engine):
        later = [
            *QUESTION,
            {"role": "assistant", "content": TEXT},
            {"role": "user", "content": "When was it tested?"},
        ]
        client.chat.completions.create(model="rag", messages=later)
        prompt = engine.prompts[-1][-1].content
        assert "When was it tested?" not in prompt  # it stands on its own now
        assert "Fjell 9" in prompt.rpartition("tested")[2] + prompt.rpartition("When was")[2]
        client.chat.completions.create(model="zero-shot", messages=later)
        earlier = [message.content for message in engine.prompts[-1] if message.role == "assistant"]
        assert earlier == ["117 kg"]  # without the footnotes that we wrote below it

    def test_where_narrows_and_footnotes_can_be_left_out(self, client):
        own = {"acclimate": {"where": ["path=prices.md"], "footnotes": False}}
        answer = client.chat.completions.create(model="rag", messages=QUESTION, extra_body=own)
        assert answer.choices[0].message.content == "12 euros"

    def test_embeddings_in_both_encodings(self, client):
        texts = ["the pump", "a filter"]
        packed = client.embeddings.create(model=EMBEDDER, input=texts)
        plain = client.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float")
        for one, other in zip(packed.data, plain.data, strict=True):
            assert one.embedding == pytest.approx(other.embedding)
        assert [row.index for row in plain.data] == [0, 1]
        assert packed.usage.prompt_tokens == 4
        assert len(client.embeddings.create(model=EMBEDDER, input="one").data) == 1

    def test_errors_are_its_own_classes(self, client, url):
        ask = client.chat.completions.create
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
        image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
        long = "word " * 300
        for call, kind, code in (
            (
                lambda: ask(model="no-such", messages=QUESTION),
                openai.NotFoundError,
                "model_not_found",
            ),
            (lambda: ask(model="lora", messages=QUESTION), openai.NotFoundError, "model_not_found"),
            (
                lambda: ask(model="rag", messages=QUESTION, tools=[tool]),
                openai.BadRequestError,
                "unsupported",
            ),
            (
                lambda: ask(model="rag", messages=QUESTION, n=2),
                openai.BadRequestError,
                "unsupported",
            ),
            (lambda: ask(model="rag", messages=[image]), openai.BadRequestError, "unsupported"),
            (lambda: ask(model="rag", messages=[]), openai.BadRequestError, "invalid_request"),
            (
                lambda: ask(model="rag", messages=QUESTION, temperature=9),
                openai.BadRequestError,
                "invalid_request",
            ),
            (
                lambda: ask(model="rag", messages=[{"role": "user", "content": "word " * 5000}]),
                openai.BadRequestError,
                "context_length_exceeded",
            ),
            (
                lambda: client.embeddings.create(model="other", input="x"),
                openai.NotFoundError,
                "model_not_found",
            ),
            (
                lambda: client.embeddings.create(model=EMBEDDER, input=[[1]]),
                openai.BadRequestError,
                "unsupported",
            ),
            (
                lambda: client.embeddings.create(model=EMBEDDER, input=long),
                openai.BadRequestError,
                "context_length_exceeded",
            ),
            (lambda: client.files.list(), openai.PermissionDeniedError, "scope_missing"),
            (
                lambda: openai.OpenAI(base_url=url, api_key="acc_x", max_retries=0).models.list(),
                openai.AuthenticationError,
                "invalid_api_key",
            ),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert caught.value.code == code
            assert caught.value.message

    def test_an_error_in_a_stream_is_raised(self, client):
        long = [{"role": "user", "content": "word " * 5000}]
        with pytest.raises(openai.APIError) as caught:
            list(client.chat.completions.create(model="rag", messages=long, stream=True))
        assert caught.value.code == "context_length_exceeded"


class Weight(BaseModel):
    kg: int


class TestJSON:
    @pytest.fixture
    def engine(self):
        return ScriptedEngine(lambda _: '{"kg": 117}', context_tokens=4096)

    def test_answers_are_parsed_by_a_schema(self, client):
        answer = client.chat.completions.parse(
            model="rag", messages=QUESTION, response_format=Weight
        )
        assert answer.choices[0].message.parsed == Weight(kg=117)
        wanted = {"type": "json_object"}
        answer = client.chat.completions.create(
            model="rag", messages=QUESTION, response_format=wanted
        )
        assert json.loads(answer.choices[0].message.content) == {"kg": 117}

    def test_langchain_gets_structured_output(self, url, key):
        chat = ChatOpenAI(base_url=url, api_key=key, model="rag").with_structured_output(Weight)
        assert chat.invoke("What does Fjell 9 weigh?") == Weight(kg=117)


def test_openais_javascript_client(url, key):
    node = shutil.which("node", path=str(Path(shutil.sys.executable).parent)) or shutil.which(
        "node"
    )
    if node is None or not (JS / "node_modules" / "openai").is_dir():
        pytest.skip("scripts/test installs node and the client")
    command = [node, str(JS / "client.mjs"), url, key, EMBEDDER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STATE_S)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["models"][0] == "rag"
    assert seen["whole"] == seen["streamed"] == seen["helped"] == seen["odd"] == TEXT
    assert (seen["citation"], seen["finish"]) == ("pump.md", "stop")
    assert seen["usage"] == seen["streamedUsage"]
    assert seen["dimensions"] == [64, 64]
    assert seen["errors"] == {
        "model": ["NotFoundError", 404, "model_not_found", "model"],
        "tools": ["BadRequestError", 400, "unsupported", "tools"],
        "key": ["AuthenticationError", 401, "invalid_api_key", None],
    }


def test_llamaindex(url, key):
    """Its packages do not install beside ours, so they run in the environment of the benchmarks' peers."""
    python = ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        pytest.skip("scripts/bench --setup makes the peers' environment")
    command = [
        str(python),
        str(ROOT / "benchmarks" / "peers" / "llamaindex_client.py"),
        url.removesuffix("/v1"),
        key,
    ]
    done = subprocess.run(
        [*command, EMBEDDER], capture_output=True, text=True, check=False, timeout=STATE_S
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "whole": TEXT,
        "streamed": TEXT,
        "dimensions": [64, 64],
    }


def test_langchain(url, key):
    chat = ChatOpenAI(base_url=url, api_key=key, model="rag", temperature=0)
    whole = chat.invoke([("system", "Be brief."), ("user", QUESTION[0]["content"])])
    assert whole.content == TEXT
    assert whole.usage_metadata["output_tokens"] == 3
    pieces = list(chat.stream(QUESTION[0]["content"]))
    assert "".join(piece.content for piece in pieces) == TEXT
    embedder = OpenAIEmbeddings(
        base_url=url, api_key=key, model=EMBEDDER, check_embedding_ctx_length=False
    )
    assert [len(vector) for vector in embedder.embed_documents(["one", "two"])] == [64, 64]
    assert len(embedder.embed_query("one")) == 64


def test_what_open_webui_sends(url, key):
    """Its form of a request, with fields that no other client sends; it reads models and streams of events."""
    body = {
        "model": "rag",
        "messages": [{"role": "system", "content": "…"}, *QUESTION],
        "stream": True,
        "stream_options": {"include_usage": True},
        "params": {},
        "features": {"web_search": False, "image_generation": False, "code_interpreter": False},
        "variables": {"{{USER_NAME}}": "Ann"},
        "session_id": "s",
        "chat_id": "c",
        "id": "m",
        "background_tasks": {"title_generation": True},
        "tool_ids": [],
        "tools": [],
        "metadata": None,
        "user": {"name": "Ann", "role": "user"},
    }
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=STATE_S
    ) as client:
        listed = client.get("/models").json()
        assert listed["object"] == "list"
        assert {"id", "object", "created", "owned_by"} <= listed["data"][0].keys()
        with client.stream("POST", "/chat/completions", json=body) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert (
        "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == TEXT
    )
