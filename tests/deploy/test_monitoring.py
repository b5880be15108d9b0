"""Every name and label in the alerts and on the dashboard is one that /metrics has."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from acclimate.serving.metrics import Metrics
from acclimate.types import Answer, Prompt, Timings, Usage

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
ADDED = {"job", "instance"}  # Prometheus adds them
VARIABLES = {"$__rate_interval": "5m", "$instance": "x"}


@pytest.fixture(scope="module")
def labels():
    """The labels of each metric that the server sends."""
    metrics = Metrics(lambda: 3)
    metrics.served("/v1/models", "GET", 200, 0.1)
    used, took = Usage(1, 1), Timings(0.1, 0.2, 0.3)
    metrics.answered(Answer("a", "b", "b", False, (), Prompt((), (), ""), used, took, "rag", "m"))
    found = {"up": set(ADDED)}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels, ADDED)
    return found


def alerts():
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def panels():
    board = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def plain(expression):
    """Without Grafana's variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def selectors(node):
    """Every selector below a node of a parsed expression."""
    if isinstance(node, promql_parser.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for name in ("lhs", "rhs", "expr", "param"):
        if getattr(node, name, None) is not None:
            yield from selectors(getattr(node, name))
    for one in getattr(node, "args", ()):
        yield from selectors(one)


def grouped(node):
    """Labels by which an expression groups, with the metrics below."""
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        yield node.modifier.labels, [one.name for one in selectors(node)]
    for name in ("lhs", "rhs", "expr"):
        if getattr(node, name, None) is not None:
            yield from grouped(getattr(node, name))
    for one in getattr(node, "args", ()):
        yield from grouped(one)


@pytest.mark.parametrize("expression", alerts() + panels())
def test_an_expression_asks_for_what_there_is(expression, labels):
    tree = promql_parser.parse(plain(expression))
    found = list(selectors(tree))
    assert found
    for one in found:
        assert one.name in labels
        assert {match.name for match in one.matchers.matchers} <= labels[one.name]
    for by, names in grouped(tree):
        assert all(set(by) <= labels[name] for name in names)


def test_a_name_that_is_gone_would_be_noticed(labels):
    (selector,) = selectors(promql_parser.parse("rate(acclimate_answer_total[5m])"))
    assert selector.name not in labels


def test_every_figure_is_on_the_dashboard(labels):
    shown = " ".join(panels())
    names = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in labels} - {"up"}
    assert [name for name in names if name not in shown] == []


def test_panels_have_ids_of_their_own_and_places_that_do_not_overlap():
    board = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        rows = range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        assert max(columns) < 24
        taken |= cells
