"""Full answers through the API: marks where they belong, one source a sentence, and the style of one request."""

import json

import pytest

from acclimate.testing.models import ScriptedEngine

SAID = "Fjell 9 weighs 117 kg [3]. It was tested in 2024. It was painted in 1999 [1]."
SHOWN = "Fjell 9 weighs 117 kg. [1] It was tested in 2024. [1]"
BODY = {"model": "rag", "messages": [{"role": "user", "content": "What of Fjell 9?"}]}


@pytest.fixture
def served(make_project, serve, monkeypatch):
    """A server whose model is of another server, and writes full answers."""
    project = make_project()
    engine = ScriptedEngine(lambda _: SAID, context_tokens=4096)
    monkeypatch.setattr(type(project), "_load_engine", lambda *_: engine)
    model = project.settings.model.model_copy(update={"engine": "openai", "name": "big"})
    project.settings = project.settings.model_copy(update={"model": model})
    return serve(project)


def ask(client, **body):
    answer = client.post("/v1/chat/completions", json=BODY | body)
    assert answer.status_code == 200, answer.text
    return answer


def test_each_sentence_has_its_source(served):
    answer = ask(served).json()
    text, _, notes = answer["choices"][0]["message"]["content"].partition("\n\n")
    assert text == SHOWN  # the wrong mark moved, and what no passage says is gone
    assert notes.count("[1] pump.md") == 2
    own = answer["acclimate"]
    plain = "Fjell 9 weighs 117 kg. It was tested in 2024."
    claims = [plain[start:end] for start, end in (one["claim"] for one in own["citations"])]
    assert claims == ["Fjell 9 weighs 117 kg.", "It was tested in 2024."]
    assert (own["style"], own["unsupported"]) == ("full", [])


def test_a_stream_has_the_same_text(served):
    lines = ask(served, stream=True).text.splitlines()
    events = [json.loads(one[6:]) for one in lines if one.startswith("data: {")]
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in events)
    assert text.partition("\n\n")[0] == SHOWN


def test_a_request_may_ask_for_the_other_style(served):
    own = ask(served, acclimate={"style": "short"}).json()["acclimate"]
    assert own["style"] == "short"
    assert [one["claim"] for one in own["citations"]] == [None] * len(own["citations"])


def test_a_recipe_without_sources_has_no_full_answers(served):
    body = BODY | {"model": "zero-shot", "acclimate": {"style": "full"}}
    refused = served.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert "has no full answers" in refused.json()["error"]["message"]
