"""Requests as clients send them: fields at null or at another server's default, long chats, instructions, pictures."""

import base64
import json
import struct

import pytest

from acclimate.testing.models import ScriptedEngine

ASKED = "What does Fjell 9 weigh?"
TEXT = "117 kg [1]\n\n[1] pump.md: “The pump Fjell 9 weighs 117 kg.”"
USER = {"role": "user", "content": ASKED}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
EMBEDDER = "all-minilm-l6-v2"

# What each client puts beside model and messages.
BODIES = {
    "every field null": dict.fromkeys(
        (
            "stream stream_options max_tokens max_completion_tokens temperature top_p stop seed n logprobs top_logprobs"
            " tools tool_choice functions function_call response_format presence_penalty frequency_penalty logit_bias"
            " user metadata parallel_tool_calls reasoning_effort service_tier store acclimate"
        ).split()
    ),
    "ChatDev": {
        "frequency_penalty": 0.0,
        "logit_bias": {},
        "max_tokens": 15821,
        "n": 1,
        "presence_penalty": 0.0,
        "stop": None,
        "stream": False,
        "temperature": 0.2,
        "top_p": 1.0,
        "user": "",
    },
    "llama.cpp": {
        "max_tokens": -1,
        "n_predict": -1,
        "seed": -1,
        "cache_prompt": True,
        "top_k": 40,
        "min_p": 0.05,
    },
    "LangChain": {
        "stream": False,
        "temperature": 0.0,
        "n": 1,
        "parallel_tool_calls": None,
        "stop": None,
    },
    "LiteLLM": {
        "stream": False,
        "max_tokens": 0,
        "seed": 4294967296123,
        "extra_body": {},
        "stream_options": None,
    },
    "LibreChat": {
        "user": "66f",
        "temperature": 1,
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
    },
    "Continue": {
        "max_tokens": 4096,
        "stop": ["<|im_end|>", "", None],
        "tools": [],
        "tool_choice": "auto",
    },
    "greedy": {"top_p": 0, "temperature": 1, "seed": 0},
    "tools that may not be called": {"tools": [{"type": "function"}], "tool_choice": "none"},
    "text": {"response_format": {"type": "text"}, "logprobs": False, "top_logprobs": None},
    "numbers as text": {"max_tokens": "64", "temperature": "0"},
}


@pytest.fixture
def engine():
    return ScriptedEngine(lambda _: "117 kg [1]", context_tokens=4096)


def ask(client, body=None, messages=None, model="rag"):
    return client.post(
        "/v1/chat/completions",
        json={"model": model, "messages": messages or [USER], **(body or {})},
    )


def content(response):
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def refused(response, param=None):
    """The message of an error in OpenAI's form."""
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    return error["message"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_fields_that_say_nothing_are_no_obstacle(client, body):
    assert content(ask(client, body)) == TEXT


def test_a_model_may_be_left_out(client):
    assert (
        content(client.post("/v1/chat/completions", json={"model": None, "messages": [USER]}))
        == TEXT
    )


class Noting(ScriptedEngine):
    """Keeps the options that it was asked with."""

    def generate(self, messages, options, on_text=None):
        self.options = options
        return super().generate(messages, options, on_text)


class TestOptions:
    @pytest.fixture
    def engine(self):
        return Noting(lambda _: "117 kg [1]", context_tokens=4096)

    @pytest.mark.parametrize(
        ("sent", "name", "value"),
        [
            ({"max_tokens": 7}, "max_tokens", 7),
            ({"max_tokens": -1}, "max_tokens", 128),
            ({"max_tokens": 0, "max_completion_tokens": 9}, "max_tokens", 9),
            ({"max_tokens": 10**9}, "max_tokens", 2048),
            ({"seed": -1}, "seed", None),
            ({"seed": 5}, "seed", 5),
            ({"seed": 2**31 + 5}, "seed", 5),
            ({"top_p": 0, "temperature": 1}, "temperature", 0.0),
            ({"top_p": 0, "temperature": 1}, "top_p", 1.0),
            ({"stop": "x"}, "stop", ("x",)),
            ({"stop": ["x", None, ""]}, "stop", ("x",)),
        ],
    )
    def test_what_they_mean_to_the_engine(self, client, engine, sent, name, value):
        content(ask(client, sent))
        assert getattr(engine.options, name) == value


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": None}}, "response_format"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client, sent, param):
    assert refused(ask(client, sent), param)


class TestMessages:
    @pytest.mark.parametrize(
        "parts",
        [
            [{"type": "text", "text": ASKED}],
            [ASKED],
            [
                {"type": "text", "text": "What does"},
                {"type": "text", "text": "Fjell 9 weigh?", "cache_control": {}},
            ],
            [{"type": "input_text", "text": ASKED}, {"type": "text", "text": None}],
        ],
    )
    def test_content_may_be_parts(self, client, parts):
        assert content(ask(client, messages=[{"role": "user", "content": parts}])) == TEXT

    def test_a_picture_in_the_question_is_refused(self, client):
        with_picture = {"role": "user", "content": [{"type": "text", "text": ASKED}, PICTURE]}
        assert "image_url" in refused(ask(client, messages=[with_picture]), "messages")

    def test_a_picture_in_an_earlier_turn_is_told_and_no_obstacle(self, client):
        earlier = {"role": "user", "content": [{"type": "text", "text": "Look at this."}, PICTURE]}
        response = ask(client, messages=[earlier, {"role": "assistant", "content": "Nice."}, USER])
        assert content(response) == TEXT
        assert "image_url" in " ".join(response.json()["acclimate"]["notices"])
        assert "notices" not in ask(client).json()["acclimate"]

    def test_answers_of_tools_and_calls_without_text_are_no_obstacle(self, client):
        called = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function"}],
        }
        result = {"role": "tool", "tool_call_id": "1", "content": "12 kg"}
        response = ask(client, messages=[{"role": "user", "content": "Hm"}, called, result, USER])
        assert "Fjell 9" in response.json()["acclimate"]["citations"][0]["quote"]
        assert "tool results" in " ".join(response.json()["acclimate"]["notices"])

    @pytest.mark.parametrize("model", ["rag", "zero-shot"])
    def test_thousands_of_messages(self, client, engine, model):
        old = [{"role": "user", "content": "Hm?"}, {"role": "assistant", "content": "Yes."}] * 2600
        system = {"role": "system", "content": "Speak like a sailor."}
        response = ask(client, messages=[system, *old, USER], model=model)
        assert response.status_code == 200
        assert "3,201 messages" in " ".join(response.json()["acclimate"]["notices"])
        assert "sailor" in engine.prompts[-1][0].content

    def test_a_very_long_earlier_message(self, client):
        long = {"role": "user", "content": "word " * 100_000}
        response = ask(client, messages=[long, {"role": "assistant", "content": "Yes."}, USER])
        assert content(response) == TEXT
        assert "200,000 characters" in " ".join(response.json()["acclimate"]["notices"])

    def test_a_very_long_question_does_not_fit(self, client):
        response = ask(client, messages=[{"role": "user", "content": "word " * 100_000}])
        assert response.json()["error"]["code"] == "context_length_exceeded"

    @pytest.mark.parametrize(
        "messages", [[{"role": "system", "content": "Hi"}], [{"role": "user", "content": " "}]]
    )
    def test_nobody_asks(self, client, messages):
        assert "user message" in refused(ask(client, messages=messages), "messages")


class TestInstructions:
    @pytest.mark.parametrize("role", ["system", "developer"])
    @pytest.mark.parametrize("model", ["rag", "zero-shot", "stuffing", "rag+cot"])
    def test_they_stand_beside_those_of_the_recipe(self, client, engine, role, model):
        wanted = {"role": role, "content": [{"type": "text", "text": "Speak like a sailor."}]}
        assert ask(client, messages=[wanted, USER], model=model).status_code == 200
        (first, *others) = engine.prompts[-1]
        assert first.role == "system"
        assert first.content.endswith("\n\nSpeak like a sailor.")
        assert not any("sailor" in message.content for message in others)

    def test_several_stay_in_their_order(self, client, engine):
        said = [
            {"role": "system", "content": "One."},
            USER,
            {"role": "developer", "content": "Two."},
        ]
        ask(client, messages=said)
        assert engine.prompts[-1][0].content.endswith("\n\nOne.\n\nTwo.")

    def test_none_change_nothing(self, client, engine):
        ask(client)
        plain = engine.prompts[-1]
        ask(client, messages=[{"role": "system", "content": " "}, USER])
        assert engine.prompts[-1] == plain

    def test_where_no_model_reads_them_they_are_refused(self, client):
        response = ask(
            client, messages=[{"role": "system", "content": "Be brief."}, USER], model="extract"
        )
        assert "instructions" in refused(response, "messages")


class TestReasoning:
    @pytest.fixture
    def engine(self):
        said = "<think>The filter? No, [2] is wrong.</think>117 kg [1]"
        return ScriptedEngine(lambda _: said, context_tokens=4096)

    def test_it_is_neither_in_the_answer_nor_in_its_stream(self, client):
        response = ask(client)
        assert content(response) == TEXT
        reasoning = "The filter? No, [2] is wrong."
        assert response.json()["acclimate"]["reasoning"] == reasoning
        assert response.json()["choices"][0]["message"]["reasoning_content"] == reasoning
        for _ in range(2):  # of an unknown model, and of one that is known
            lines = [
                line[6:]
                for line in ask(client, {"stream": True}).text.splitlines()
                if line.startswith("data: {")
            ]
            deltas = [choice["delta"] for line in lines for choice in json.loads(line)["choices"]]
            assert "".join(delta.get("content") or "" for delta in deltas) == TEXT
            told = [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
            assert told == [reasoning]


class TestNoReasoning:
    def test_the_field_is_left_out(self, client):
        assert "reasoning_content" not in ask(client).json()["choices"][0]["message"]
        assert "reasoning_content" not in ask(client, {"stream": True}).text


class TestAddresses:
    @pytest.mark.parametrize(
        "path", ["/v1/models", "/v1/models/", "//v1/models", "/v1/models/rag", "/v1/models/rag/"]
    )
    def test_slashes_do_not_matter(self, client, path):
        response = client.get(str(client.base_url).rstrip("/") + path)
        assert response.status_code == 200
        assert "rag" in response.text

    def test_nor_where_something_is_sent(self, client):
        body = {"model": "rag", "messages": [USER]}
        response = client.post("/v1/chat/completions/", json=body, follow_redirects=False)
        assert content(response) == TEXT

    def test_the_embedder_is_a_model_that_can_be_looked_up(self, client):
        assert client.get(f"/v1/models/{EMBEDDER}").json()["id"] == EMBEDDER
        missing = client.get("/v1/models/no/such")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")

    @pytest.mark.parametrize("path", ["/v1/completions", "/chat/completions"])
    def test_other_addresses_say_where_the_api_is(self, client, path):
        response = client.post(path, json={})
        assert response.status_code == 404
        assert "/v1" in response.json()["error"]["message"]


class TestEmbeddings:
    def test_null_fields_and_base64(self, client):
        body = {
            "input": ["a pump"],
            "model": None,
            "encoding_format": None,
            "dimensions": None,
            "user": None,
        }
        plain = client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
        packed = client.post("/v1/embeddings/", json=body | {"encoding_format": "base64"}).json()[
            "data"
        ][0]
        assert struct.unpack(
            f"<{len(plain)}f", base64.b64decode(packed["embedding"])
        ) == pytest.approx(plain)

    @pytest.mark.parametrize("tokens", [[1, 2], [[1, 2]], [[1], "text"], ["text", None]])
    def test_token_numbers_are_refused_with_the_remedy(self, client, tokens):
        response = client.post("/v1/embeddings", json={"model": EMBEDDER, "input": tokens})
        assert "check_embedding_ctx_length" in refused(response, "input")

    def test_nothing_is_refused_as_such(self, client):
        assert "empty" in refused(
            client.post("/v1/embeddings", json={"model": EMBEDDER, "input": []}), "input"
        )
