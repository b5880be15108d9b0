"""Scores by meaning instead of words: an embedder's cosine, and an entailment model's word where
one is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluation.comparison import Outcome
from acclimate.types import Answer, Question

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Unit vectors [n, d] of texts."""
Entail = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""How likely each premise entails its hypothesis, 0 to 1."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def add_meaning(
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    embed: Embed,
    entail: Entail | None = None,
) -> list[Outcome]:
    """The outcomes with `similarity`, `supported` and `entailed` filled in; see `Score`."""
    texts = dict.fromkeys(text for one in outcomes for text in _texts(one, questions[one.question]))
    vectors = dict(zip(texts, embed(list(texts)), strict=True)) if texts else {}
    entailed = _entailed(outcomes, questions, entail) if entail else {}
    return [
        replace(
            one,
            score=replace(
                one.score,
                similarity=_similarity(one, questions[one.question], vectors),
                supported=_supported(one, vectors),
                entailed=entailed.get(place),
            ),
        )
        for place, one in enumerate(outcomes)
    ]


def _texts(outcome: Outcome, question: Question) -> list[str]:
    if outcome.answer is None or outcome.answer.abstained:
        return []
    claims = _claims(outcome.answer)
    return [
        outcome.answer.text,
        *question.answers,
        *claims,
        *(_evidence(outcome.answer) if claims else ()),
    ]


def _similarity(
    outcome: Outcome, question: Question, vectors: Mapping[str, NDArray[np.float32]]
) -> float:
    """Cosine to the nearest reference, at least 0; as F1 where the question has no answer, or none
    was given."""
    if outcome.answer is None or outcome.answer.abstained or not question.answers:
        return outcome.score.f1
    said = vectors[outcome.answer.text]
    return max(0.0, max(float(said @ vectors[reference]) for reference in question.answers))


def _supported(outcome: Outcome, vectors: Mapping[str, NDArray[np.float32]]) -> float | None:
    """Mean over the answer's sentences of the cosine to the nearest sentence of a passage it cites;
    0 without one."""
    answer = outcome.answer
    if answer is None or not (claims := _claims(answer)):
        return None
    evidence = _evidence(answer)
    if not evidence:
        return 0.0
    near = (
        np.stack([vectors[claim] for claim in claims])
        @ np.stack([vectors[text] for text in evidence]).T
    )
    return float(np.clip(near.max(axis=1), 0.0, 1.0).mean())


def _entailed(
    outcomes: Sequence[Outcome], questions: Mapping[str, Question], entail: Entail
) -> dict[int, float]:
    """Mean over the answer's sentences of how likely a cited passage entails them, by the outcome's
    place."""
    pairs: list[tuple[str, str]] = []
    owners: list[tuple[int, int]] = []
    found: dict[int, float] = {}
    for place, outcome in enumerate(outcomes):
        claims = _claims(outcome.answer) if outcome.answer else []
        passages = _cited(outcome.answer) if outcome.answer else []
        if claims and not passages:
            found[place] = 0.0
        pairs += [(passage, claim) for claim in claims for passage in passages]
        owners += [(place, number) for number in range(len(claims)) for _ in passages]
    best: dict[tuple[int, int], float] = {}
    for owner, likely in zip(owners, entail(pairs) if pairs else [], strict=True):
        best[owner] = max(best.get(owner, 0.0), likely)
    for place in dict.fromkeys(place for place, _ in best):
        claims_of = [likely for (owner, _), likely in best.items() if owner == place]
        found[place] = sum(claims_of) / len(claims_of)
    return found


def _claims(answer: Answer) -> list[str]:
    """The answer's sentences after the question, as a few words alone claim nothing; [] where
    nothing was to read."""
    if answer.abstained or not answer.prompt.passages:
        return []
    return [
        f"{answer.question} {part.strip()}" for part in _SENTENCE.split(answer.text) if part.strip()
    ]


def _cited(answer: Answer) -> list[str]:
    numbers = dict.fromkeys(citation.number for citation in answer.citations)
    return [answer.prompt.passages[number - 1].chunk.shown for number in numbers]


def _evidence(answer: Answer) -> list[str]:
    return [
        part.strip() for text in _cited(answer) for part in _SENTENCE.split(text) if part.strip()
    ]
