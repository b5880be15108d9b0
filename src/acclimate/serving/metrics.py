"""Figures for Prometheus. Nothing here holds text of a caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from acclimate.types import Answer

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The figures of one project; `waiting` gives the answers that run or wait. Where a server has
    several projects, each figure has the label `project`."""

    def __init__(self, waiting: Callable[[], int], project: str = "") -> None:
        self._registry, self._project = CollectorRegistry(), project
        self._requests = Counter(
            "acclimate_requests",
            "Requests.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "acclimate_request_seconds",
            "Seconds of a request.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "acclimate_answers", "Answers.", ["recipe", "abstained"], registry=self._registry
        )
        self._tokens = Counter(
            "acclimate_tokens", "Tokens of answers.", ["kind"], registry=self._registry
        )
        self._total = Histogram(
            "acclimate_answer_seconds",
            "Seconds of an answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._first = Histogram(
            "acclimate_first_token_seconds",
            "Seconds to the first token.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        Gauge(
            "acclimate_answers_waiting", "Answers that run or wait.", registry=self._registry
        ).set_function(waiting)

    def served(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def answered(self, answer: Answer) -> None:
        """Count an answer."""
        self._answers.labels(answer.recipe, str(answer.abstained).lower()).inc()
        self._tokens.labels("prompt").inc(answer.usage.prompt_tokens)
        self._tokens.labels("completion").inc(answer.usage.completion_tokens)
        self._total.observe(answer.timings.total_s)
        self._first.observe(answer.timings.first_token_s)

    def render(self) -> bytes:
        """The text form that Prometheus reads."""
        return generate_latest(_Labelled(self._registry, self._project))


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A registry whose figures all have the label `project`, where it is named."""

    registry: CollectorRegistry
    project: str

    def collect(self) -> Iterator[Metric]:
        """See `CollectorRegistry`."""
        more = {"project": self.project} if self.project else {}
        for metric in self.registry.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, **more}) for sample in metric.samples
            ]
            yield metric
