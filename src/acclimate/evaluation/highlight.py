"""Passages with what an answer cites and what the question set calls evidence marked in them, and
where two recipes' answers differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.evaluation.comparison import Comparison, Outcome
from acclimate.evaluation.measures import find_measure
from acclimate.types import Citation, Hit, Question


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a passage: `mark` is "cited", "evidence", "both" or ""."""

    text: str
    mark: str


@dataclass(frozen=True, slots=True)
class Side:
    """One recipe's outcome, its points by the deciding measure (None: it says nothing of it), and
    the passages worth showing."""

    outcome: Outcome
    points: float | None
    passages: tuple[tuple[Hit, tuple[Part, ...]], ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question on which two recipes score differently."""

    question: Question
    first: Side
    second: Side


def disagreements(comparison: Comparison, first: str, second: str) -> list[Disagreement]:
    """The questions on which two recipes score differently, the widest apart first. Raises
    SettingsError for a recipe that was not compared."""
    for name in (first, second):
        comparison.row(name)
    held = {(one.recipe, one.question): one for one in comparison.outcomes}
    found = []
    for question in comparison.questions:
        one, other = held.get((first, question.id)), held.get((second, question.id))
        if one is None or other is None:
            continue
        sides = _side(comparison.metric, question, one), _side(comparison.metric, question, other)
        if sides[0].points != sides[1].points:
            found.append(Disagreement(question, *sides))
    return sorted(found, key=lambda one: -abs((one.first.points or 0) - (one.second.points or 0)))


def _side(metric: str, question: Question, outcome: Outcome) -> Side:
    answer = outcome.answer
    hits = answer.prompt.passages if answer else ()
    shown = [
        (hit, tuple(mark_parts(hit, answer.citations, question)))
        for hit in hits
        if answer and worth_showing(hit, answer.citations, question)
    ]
    return Side(outcome, find_measure(metric)(outcome), tuple(shown))


def worth_showing(hit: Hit, citations: Sequence[Citation], question: Question) -> bool:
    """Whether a passage is cited or holds the evidence."""
    chunk = hit.chunk
    cited = any(
        c.document == chunk.document and c.start < chunk.end and c.end > chunk.start
        for c in citations
    )
    return cited or bool(
        question.evidence
        and question.document == chunk.document
        and question.evidence in chunk.text
    )


def mark_parts(hit: Hit, citations: Sequence[Citation], question: Question) -> list[Part]:
    """A passage's text in parts, the cited characters and the evidence at their exact places."""
    chunk = hit.chunk
    kinds = [""] * len(chunk.text)
    if (
        question.evidence
        and question.document == chunk.document
        and (at := chunk.text.find(question.evidence)) >= 0
    ):
        kinds[at : at + len(question.evidence)] = ["evidence"] * len(question.evidence)
    for citation in citations:
        if citation.document == chunk.document:
            for place in range(
                max(citation.start, chunk.start) - chunk.start,
                min(citation.end - chunk.start, len(kinds)),  # of another system, maybe no text
            ):
                kinds[place] = "both" if kinds[place] in ("evidence", "both") else "cited"
    parts, start = [], 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[start]:
            parts.append(Part(chunk.text[start:place], kinds[start]))
            start = place
    return parts
