"""Answers as spans with the conventions' attribute names, and none of the callers' text."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from acclimate.testing.serving import asked

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def test_an_answer_is_a_span_in_its_callers_trace(client, spans, engine):
    body = asked("What does Fjell 9 weigh?", max_tokens=40, temperature=0)
    assert (
        client.post("/v1/chat/completions", json=body, headers={"traceparent": PARENT}).status_code
        == 200
    )
    retrieve, chat = spans.get_finished_spans()
    assert (chat.name, chat.kind) == ("chat rag", trace.SpanKind.SERVER)
    assert f"{chat.context.trace_id:032x}" == PARENT.split("-")[1]
    assert retrieve.parent.span_id == chat.context.span_id
    assert chat.start_time <= retrieve.start_time <= retrieve.end_time <= chat.end_time
    values = dict(chat.attributes)
    assert values["gen_ai.operation.name"] == "chat"
    assert values["gen_ai.request.model"] == "rag"
    assert (values["gen_ai.request.max_tokens"], values["gen_ai.request.temperature"]) == (40, 0)
    assert values["gen_ai.response.model"] == "scripted"
    assert values["gen_ai.response.finish_reasons"] == ("stop",)
    assert values["gen_ai.usage.input_tokens"] == engine.count(engine.prompts[-1])
    assert values["gen_ai.usage.output_tokens"] == 3
    assert "Fjell" not in chat.to_json() + retrieve.to_json()


def test_a_failure_is_a_span_with_its_kind_only(client, spans):
    client.post("/v1/chat/completions", json=asked("xyzzy " * 5000))
    (chat,) = spans.get_finished_spans()
    assert chat.status.status_code is trace.StatusCode.ERROR
    assert chat.attributes["error.type"] == "PromptTooLongError"
    assert "xyzzy" not in chat.to_json()
    assert not chat.events
