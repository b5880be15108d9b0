"""A comparison as one HTML file without any request to elsewhere, and as Markdown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from acclimate.evaluation import plots
from acclimate.evaluation.comparison import Comparison, Measured, Outcome, RecipeRow
from acclimate.evaluation.highlight import mark_parts, worth_showing
from acclimate.evaluation.measures import find_measure
from acclimate.evaluation.since import changes
from acclimate.evaluation.verdict import LEVEL
from acclimate.types import Citation, Hit, Question

_LONGEST_PROMPT = 12_000  # characters shown; the JSON has all


def render_html(comparison: Comparison, earlier: Comparison | None = None) -> str:
    """One self-contained page. Whatever stands in documents, questions and answers is text in it,
    never markup."""
    script = _file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html")
        .render(
            _view(comparison, earlier),
            script=Markup(script),  # noqa: S704 -- our own files, not data
            digest=digest,
            style=Markup(_file("report.css")),  # noqa: S704
        )
    )


def render_markdown(comparison: Comparison, earlier: Comparison | None = None) -> str:
    """Verdict and tables, for a pull request or a wiki."""
    return _environment().get_template("report.md").render(_view(comparison, earlier))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("acclimate.evaluation"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": _percent, "seconds": _seconds, "cell": _cell, "p": _p}
    environment.filters |= {"measured": _measured, "beside": _beside}
    return environment


def _file(name: str) -> str:
    return (resources.files("acclimate.evaluation") / "templates" / name).read_text(
        encoding="utf-8"
    )


def _view(comparison: Comparison, earlier: Comparison | None) -> dict[str, Any]:
    kinds = list(dict.fromkeys(kind for row in comparison.rows for kind in row.by_kind))
    since = changes(comparison, earlier) if earlier else {}
    return {
        "c": comparison,
        "metric": find_measure(comparison.metric).title,
        "kinds": kinds,
        "since": since,
        "moved": [one for one in since.values() if one.gap],
        "earlier": earlier,
        "measures": [one for one in comparison.measures if one.name != comparison.metric],
        "bars": {row.recipe: plots.interval_bar(row.interval) for row in comparison.rows},
        "scatter": plots.scatter(
            [(row.recipe, row.total_s[0], row.interval) for row in comparison.rows if row.timed],
            "seconds an answer",
        ),
        "cost_scatter": _cost_scatter(comparison.rows),
        "sourced": [
            row
            for row in comparison.rows
            if row.summary.found is not None or row.summary.grounded is not None
        ],
        "judged": any(row.judged is not None for row in comparison.rows),
        "entailed": any(row.summary.entailed is not None for row in comparison.rows),
        "curves": _curves(comparison.rows, find_measure(comparison.metric).title),
        "questions": _questions(comparison),
    }


def _cost_scatter(rows: Sequence[RecipeRow]) -> Markup | None:
    priced = [(row.recipe, row.cost, row.interval) for row in rows if row.cost is not None]
    return plots.scatter(priced, "cost of 1,000 answers") if priced else None


def _curves(rows: Sequence[RecipeRow], metric: str) -> Markup | None:
    drawn = [
        (row.recipe, [(one.coverage, one.accuracy) for one in row.curve])
        for row in rows
        if len(row.curve) > 1
    ]
    # From the most held back, at the left, to all given at the right, where the name stands.
    return (
        plots.curves([(n, p[::-1]) for n, p in drawn], "answered, %", f"{metric} of these, %")
        if drawn
        else None
    )


def _questions(comparison: Comparison) -> list[dict[str, Any]]:
    """The questions with their answers, those first where recipes disagree most."""
    outcomes: dict[str, list[Outcome]] = {}
    for outcome in comparison.outcomes:
        outcomes.setdefault(outcome.question, []).append(outcome)
    shown = []
    for question in comparison.questions:
        answers = [
            _answer(question, outcome, comparison.metric) for outcome in outcomes[question.id]
        ]
        points = [answer["points"] for answer in answers]
        shown.append(
            {"question": question, "answers": answers, "spread": max(points) - min(points)}
        )
    return sorted(shown, key=lambda item: -item["spread"])


def _answer(question: Question, outcome: Outcome, metric: str) -> dict[str, Any]:
    answer = outcome.answer
    points = find_measure(metric)(outcome) or 0.0
    view: dict[str, Any] = {
        "outcome": outcome,
        "answer": answer,
        "points": points,
        "passages": [],
        "prompt": [],
        "cut": 0,
    }
    if answer is None:
        return view
    view["passages"] = [
        {"hit": hit, "number": number, "text": _marked(hit, answer.citations, question)}
        for number, hit in enumerate(answer.prompt.passages, start=1)
        if worth_showing(hit, answer.citations, question)
    ]
    left = _LONGEST_PROMPT
    for message in answer.prompt.messages:
        view["prompt"].append({"role": message.role, "content": message.content[: max(0, left)]})
        left -= len(message.content)
    view["cut"] = max(0, -left)
    return view


def _marked(hit: Hit, citations: Sequence[Citation], question: Question) -> Markup:
    """A passage's text with the cited characters and the evidence marked, at their exact places."""
    return Markup("").join(
        Markup('<mark class="{}">{}</mark>').format(part.mark, part.text)
        if part.mark
        else escape(part.text)
        for part in mark_parts(hit, citations, question)
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def _seconds(value: float) -> str:
    """– where no time is known."""
    if value == 0:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _cell(row: RecipeRow, kind: str) -> str:
    """The mean score of a kind of question."""
    return _percent(row.by_kind[kind][1]) if kind in row.by_kind else "–"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _measured(one: Measured, recipe: str) -> str:
    """A measure's mean and 95 % interval for a recipe."""
    interval = one.intervals.get(recipe)
    if interval is None:
        return "–"
    by = 100 if one.share else 1
    low, high = by * interval.low, by * interval.high
    return f"{by * interval.mean:.0f} ({low:.0f}–{high:.0f})"


def _beside(one: Measured, recipe: str) -> str:
    """Its difference from the best recipe, where that is not chance; "" else."""
    gap = one.against.get(recipe)
    if gap is None or gap.adjusted >= LEVEL:
        return ""
    by = 100 if one.share else 1
    return f"{by * gap.interval.mean:+.0f}, p {_p(gap.adjusted)}"
