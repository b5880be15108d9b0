"""Answers as OpenTelemetry spans, by the conventions for generative AI, without what was asked or
answered.

Without the extra `trace`, or without a configured SDK, nothing is recorded.
Conventions: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from acclimate.types import Answer

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from acclimate.serving.ask import Ask

_HEADERS = ("traceparent", "tracestate")
_OPTIONS = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "seed": "gen_ai.request.seed",
}
Note = Callable[[Answer], Answer]


def trace_of(headers: Mapping[str, str]) -> dict[str, str]:
    """What a request's headers say of the trace that it belongs to (W3C Trace Context)."""
    return {name: headers[name] for name in _HEADERS if name in headers}


@contextmanager
def answering(ask: Ask) -> Iterator[Note]:
    """A span of one answer; what it gives takes the `Answer` down, with a span of its retrieval
    inside."""
    if find_spec("opentelemetry") is None:
        yield lambda answer: answer
        return
    from opentelemetry import propagate, trace

    tracer = trace.get_tracer("acclimate.serving")
    name = f"chat {ask.recipe.name}"
    with tracer.start_as_current_span(
        name,
        context=propagate.extract(dict(ask.trace)),
        kind=trace.SpanKind.SERVER,
        attributes=_requested(ask),
        record_exception=False,  # its message may hold what a caller wrote
        set_status_on_exception=False,
    ) as span:
        started = time.time_ns()
        try:
            yield lambda answer: _noted(answer, span, tracer, started)
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise


def _requested(ask: Ask) -> dict[str, Any]:
    chosen = {key: ask.options[name] for name, key in _OPTIONS.items() if name in ask.options}
    fixed = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acclimate",
        "gen_ai.request.model": ask.recipe.name,
    }
    return fixed | {"gen_ai.output.type": "json" if ask.schema else "text"} | chosen


def _noted(answer: Answer, span: Span, tracer: Tracer, started: int) -> Answer:
    span.set_attributes(
        {
            "gen_ai.response.model": answer.model,
            "gen_ai.response.finish_reasons": [answer.finish],
            "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
            "acclimate.abstained": answer.abstained,
            "acclimate.abstention": answer.abstention,
            "acclimate.passages": answer.usage.passages_shown,
            "acclimate.first_token_s": answer.timings.first_token_s,
        }
    )
    retrieval = tracer.start_span(
        "retrieve", start_time=started, attributes={"gen_ai.operation.name": "retrieval"}
    )
    retrieval.end(started + int(answer.timings.retrieve_s * 1e9))
    return answer
