"""What a drafted question must be before it counts: asked well, answered in its passage, new, and
findable.

The round trip (ask a reader, ask the index) is that of Alberti et al., "Synthetic QA Corpora
Generation with Roundtrip Consistency", arXiv 1906.05416. It keeps what can be answered, so a set
made this way is a little easier than users are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from acclimate.questions.candidates import (
    Candidate,
    content_words,
    key,
    locate,
    sentence_around,
    words,
)
from acclimate.questions.unanswerable import Retrieve
from acclimate.types import Chunk, Span

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Read = Callable[[str, Chunk], str]
"""A reader's answer to a question from one passage; "" where it abstains."""

_SAME = 0.9  # cosine from which two questions ask the same
_AGREES = 0.5  # F1 of words between the reader's answer and the writer's
_FOUND_IN = 10  # passages among which the evidence must be
_LONGEST_ANSWER = 25  # words
# “the table” points to the passage, “the article Aura 9” and “Section 4” do not.
_DEICTIC = re.compile(
    r"\b(?i:(the|this|that) "
    r"(passage|text|paragraph|document|article|table|section|excerpt|statement))\b(?! [A-Z\d])"
)
_PRONOUN = re.compile(r"\b(it|he|she|they|them|this|these|those)\b", re.I)
_ASKS = frozenset(
    "what which who whom whose when where why how is are was were do does did can could may must "
    "should will would has "
    "have according in at on for to by from under".split()
)


@dataclass(slots=True)
class CandidateFilter:
    """Passes candidates one by one and remembers those that it let through.

    `read` and `retrieve` are None where there is no reader or no index to ask. `reasons` counts why
    others were left out.
    """

    embed: Embed
    retrieve: Retrieve | None = None
    read: Read | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    _keys: set[str] = field(default_factory=set)
    _held: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    def remember(self, question: str, answers: Sequence[str]) -> None:
        """A question that the set has already."""
        self._keys.add(key(question))
        vector = self.embed([question])[0]
        for answer in {key(answer) for answer in answers or ("",)}:
            self._held.setdefault(answer, []).append(vector)

    def check(self, candidate: Candidate) -> Candidate | None:
        """The candidate with its evidence, or None."""
        located = (
            candidate if candidate.evidence or not candidate.answer else _with_evidence(candidate)
        )
        reason = _form_reason(candidate) or (
            "answer not in the passage" if located is None else self._reason(located)
        )
        if reason or located is None:
            self.reasons[reason] += 1
            return None
        self.remember(candidate.question, [candidate.answer])
        return located

    def _reason(self, candidate: Candidate) -> str:
        """Why not, the cheapest reasons first; "" where there is none."""
        if key(candidate.question) in self._keys or self._asked_before(candidate):
            return "asked already"
        if candidate.evidence is None:
            return ""  # unanswerable: its writer looked it up
        if self.retrieve is not None and not self._found(candidate):
            return "evidence not found by retrieval"
        if (
            self.read is not None
            and candidate.kind != "two-document"
            and not self._agrees(candidate)
        ):
            return "reader disagrees"
        return ""

    def _asked_before(self, candidate: Candidate) -> bool:
        """The same in other words: near in meaning, with the same answer. Questions that ask the
        same of two things are near as well, but their answers differ."""
        held = self._held.get(key(candidate.answer))
        return (
            held is not None
            and float(np.max(np.stack(held) @ self.embed([candidate.question])[0])) >= _SAME
        )

    def _found(self, candidate: Candidate) -> bool:
        # For the type checker: `_reason` asks for both.
        assert self.retrieve is not None and candidate.evidence is not None  # noqa: S101, PT018
        evidence, document = candidate.evidence, candidate.chunks[0].document
        return any(
            hit.chunk.document == document
            and 2 * (min(hit.chunk.end, evidence.end) - max(hit.chunk.start, evidence.start))
            >= evidence.end - evidence.start
            for hit in self.retrieve(candidate.question, _FOUND_IN)
        )

    def _agrees(self, candidate: Candidate) -> bool:
        assert self.read is not None  # noqa: S101 -- asked by _reason
        said, wanted = (
            words(self.read(candidate.question, candidate.chunks[0])),
            words(candidate.answer),
        )
        shared = sum((Counter(said) & Counter(wanted)).values())
        return bool(said) and 2 * shared / (len(said) + len(wanted)) >= _AGREES


def _form_reason(candidate: Candidate) -> str:
    question, found = candidate.question, words(candidate.question)
    if not question.endswith("?") or not 4 <= len(found) <= 45 or found[0] not in _ASKS:
        return "not a question"
    if _DEICTIC.search(question) or (
        _PRONOUN.search(question) and len(content_words(question)) < 4
    ):
        return "understood only with the passage"
    if len(content_words(question)) < 2:
        return "too vague"
    if not candidate.answer:
        return "" if candidate.kind == "unanswerable" else "no answer"
    if len(words(candidate.answer)) > _LONGEST_ANSWER:
        return "answer too long"
    return "answer in the question" if key(candidate.answer) in key(question) else ""


def _with_evidence(candidate: Candidate) -> Candidate | None:
    """The candidate with the sentence that holds the answer as its evidence; the chunk with it
    comes first."""
    for chunk in candidate.chunks:
        if (place := locate(candidate.answer, chunk.text)) is not None:
            inside = sentence_around(chunk.text, place)
            others = tuple(other for other in candidate.chunks if other is not chunk)
            evidence = Span(chunk.start + inside.start, chunk.start + inside.end)
            return replace(candidate, chunks=(chunk, *others), evidence=evidence)
    return None
