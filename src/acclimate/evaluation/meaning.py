"""Scores by meaning instead of words: an embedder's cosine, and an entailment model's judgement
where one is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluation.comparison import Outcome
from acclimate.evaluation.metrics import normalise
from acclimate.evaluation.quantities import read_tokens
from acclimate.types import Answer, Question

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Unit vectors [n, d] of texts."""
Entail = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""How likely each premise entails its hypothesis, 0 to 1."""

_LIKELY = 0.5
# Without an entailment model: see docs/decisions/evaluation.md, Claims.
_SHARED, _CLOSE = 0.8, 0.9
_LONG = 4  # letters of a word that says something by itself
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def add_meaning(
    outcomes: Sequence[Outcome],
    questions: Mapping[str, Question],
    embed: Embed,
    entail: Entail | None = None,
) -> list[Outcome]:
    """The outcomes with `similarity`, `supported`, `claims` and `entailed` filled in; see
    `Score`."""
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
                entailed=_mean(entailed.get(place)),
                claims=_claims_held(one, vectors, entailed.get(place)),
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
        return None if answer.citations and not any(_cited(answer)) else 0.0
    return float(np.clip(_near(claims, evidence, vectors).max(axis=1), 0.0, 1.0).mean())


def _near(
    claims: Sequence[str], evidence: Sequence[str], vectors: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """[claims, evidence] cosines."""
    rows, columns = (np.stack([vectors[text] for text in texts]) for texts in (claims, evidence))
    near: NDArray[np.float32] = rows @ columns.T
    return near


def _claims_held(
    outcome: Outcome,
    vectors: Mapping[str, NDArray[np.float32]],
    entailed: Sequence[float] | None,
) -> float | None:
    """The share of the answer's sentences that what it cites supports.

    By an entailment model where there is one: more likely than not. Else a sentence is held where
    its numbers stand in one cited passage, and its words do too, or it is near a sentence there.
    """
    if entailed is not None:
        return sum(likely >= _LIKELY for likely in entailed) / len(entailed) if entailed else 0.0
    answer = outcome.answer
    if answer is None or not (claims := _claims(answer)):
        return None
    passages = [text for text in _cited(answer) if text]
    if not passages:
        return None if answer.citations else 0.0
    said = _sentences(answer.text)
    held = [
        any(_holds(passage, one, claim, vectors) for passage in passages)
        for one, claim in zip(said, claims, strict=True)
    ]
    return sum(held) / len(held)


def _holds(passage: str, said: str, claim: str, vectors: Mapping[str, NDArray[np.float32]]) -> bool:
    there = set(read_tokens(passage, normalise))
    tokens = read_tokens(said, normalise)
    exact = [one for one in tokens if not isinstance(one, str) or not one.isalpha()]
    if not there.issuperset(exact):
        return False
    words = [one for one in tokens if isinstance(one, str) and len(one) >= _LONG] or tokens
    if sum(one in there for one in words) >= _SHARED * len(words):
        return True
    sentences = [part.strip() for part in _SENTENCE.split(passage) if part.strip()]
    return bool(_near([claim], sentences, vectors).max() >= _CLOSE)


def _mean(values: Sequence[float] | None) -> float | None:
    if values is None:
        return None
    return sum(values) / len(values) if values else 0.0


def _entailed(
    outcomes: Sequence[Outcome], questions: Mapping[str, Question], entail: Entail
) -> dict[int, list[float]]:
    """How likely a cited passage entails each of the answer's sentences, by the outcome's place; []
    where it cites nothing."""
    pairs: list[tuple[str, str]] = []
    owners: list[tuple[int, int]] = []
    found: dict[int, list[float]] = {}
    for place, outcome in enumerate(outcomes):
        claims = _claims(outcome.answer) if outcome.answer else []
        passages = [text for text in _cited(outcome.answer) if text] if outcome.answer else []
        if claims and not passages:
            found[place] = []
        pairs += [(passage, claim) for claim in claims for passage in passages]
        owners += [(place, number) for number in range(len(claims)) for _ in passages]
    best: dict[tuple[int, int], float] = {}
    for owner, likely in zip(owners, entail(pairs) if pairs else [], strict=True):
        best[owner] = max(best.get(owner, 0.0), likely)
    for (place, _), likely in best.items():
        found.setdefault(place, []).append(likely)
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
    return [sentence for text in _cited(answer) for sentence in _sentences(text)]


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]
