"""Scores of single answers against references, without a judge."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.types import Answer, Question

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space.

    Source: Rajpurkar et al., "SQuAD", arXiv 1606.05250, and its official evaluation script.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(text: str, references: Sequence[str]) -> float:
    """1 where the text equals a reference after normalisation, else 0."""
    return float(any(normalise(text) == normalise(reference) for reference in references))


def f1(text: str, references: Sequence[str]) -> float:
    """Best overlap of words with a reference: the harmonic mean of precision and recall, 0 to 1."""
    return max((_f1(normalise(text).split(), normalise(reference).split()) for reference in references), default=0.0)


def _f1(words: Sequence[str], wanted: Sequence[str]) -> float:
    if not words or not wanted:
        return float(words == wanted)
    shared = sum((Counter(words) & Counter(wanted)).values())
    return 2 * shared / (len(words) + len(wanted))


@dataclass(frozen=True, slots=True)
class Score:
    """One answer's scores, 0 to 1. For a question that the documents do not answer, abstaining is right and scores 1.

    `citation_precision` is the share of citations that touch the evidence, `citation_recall` whether one does; both are
    None where the question has no evidence, or the answer abstained.
    """

    em: float
    f1: float
    abstained: bool
    answerable: bool
    citation_precision: float | None
    citation_recall: float | None


def score(question: Question, answer: Answer, evidence: tuple[int, int] | None) -> Score:
    """Score an answer; `evidence` is the span of the question's evidence in its document's text, if any."""
    if not question.answerable:
        right = float(answer.abstained)
        return Score(right, right, answer.abstained, False, None, None)
    if answer.abstained:
        return Score(0.0, 0.0, True, True, None, None)
    precision = recall = None
    if evidence is not None and question.document is not None:
        touching = [
            citation.document == question.document and citation.start < evidence[1] and citation.end > evidence[0]
            for citation in answer.citations
        ]
        recall = float(any(touching))
        precision = sum(touching) / len(touching) if touching else None
    em, overlap = exact_match(answer.text, question.answers), f1(answer.text, question.answers)
    return Score(em, overlap, False, True, precision, recall)


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over a question set, 0 to 1; None where no question counts. `abstention_f1` takes abstaining on an
    unanswerable question as the positive case; it is None where every question has an answer and none abstained."""

    n: int
    em: float
    f1: float
    citation_precision: float | None
    citation_recall: float | None
    abstention_precision: float | None
    abstention_recall: float | None
    abstention_f1: float | None


def summarise(scores: Sequence[Score]) -> Summary:
    """Means of `scores`. Raises ValueError for none."""
    if not scores:
        raise ValueError("there are no scores")
    right = sum(score.abstained and not score.answerable for score in scores)
    abstained = sum(score.abstained for score in scores)
    unanswerable = sum(not score.answerable for score in scores)
    total = abstained + unanswerable
    return Summary(
        n=len(scores),
        em=_mean([score.em for score in scores]) or 0.0,
        f1=_mean([score.f1 for score in scores]) or 0.0,
        citation_precision=_mean([s.citation_precision for s in scores if s.citation_precision is not None]),
        citation_recall=_mean([s.citation_recall for s in scores if s.citation_recall is not None]),
        abstention_precision=right / abstained if abstained else None,
        abstention_recall=right / unanswerable if unanswerable else None,
        abstention_f1=2 * right / total if total else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
