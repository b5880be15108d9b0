"""Training data for retrievers: questions with passages that answer them, and with passages that
only seem to.

Hard negatives are what the search itself finds beside the right passage (Karpukhin et al., arXiv
2004.04906, section 3.2; Xiong et al., "ANCE", arXiv 2007.00808). A passage that holds an accepted
answer, touches the evidence, or stands in another document that the question needs may be right as
well, and is never taken for a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.retrieval.base import Retriever
from acclimate.text.folding import squeezed
from acclimate.types import Chunk, Hit, Question, Span

DEPTH = 50  # passages looked at


@dataclass(frozen=True, slots=True)
class Mined:
    """A question, the chunks that hold its evidence, what the search found (best first), and what
    of it is wrong."""

    question: Question
    right: tuple[Chunk, ...]
    found: tuple[Hit, ...]
    wrong: tuple[Chunk, ...]


def mine(
    question: Question, evidence: Span, chunks: Sequence[Chunk], retriever: Retriever
) -> Mined | None:
    """Right and wrong passages for a question; `chunks` are those of its document. None where no
    chunk holds half of the evidence."""
    half = (evidence.end - evidence.start) / 2
    right = [chunk for chunk in chunks if _shared(chunk, evidence) >= half]
    if not right:
        return None
    found = retriever.retrieve(question.question, DEPTH)
    texts = {chunk.text for chunk in right}
    wrong = [
        hit.chunk
        for hit in found
        if hit.chunk.text not in texts
        and not (hit.chunk.document == question.document and _shared(hit.chunk, evidence) > 0)
        and (
            hit.chunk.document == question.document or hit.chunk.document not in question.documents
        )
        and not holds(hit.chunk.shown, question.answers)
    ]
    return Mined(question, tuple(right), tuple(found), tuple(wrong))


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers stands in a text as whole words, in any case and spacing."""
    words = squeezed(text)
    wanted = map(squeezed, answers)
    return any(
        re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", words) for answer in wanted if answer
    )


def _shared(chunk: Chunk, evidence: Span) -> int:
    return min(chunk.end, evidence.end) - max(chunk.start, evidence.start)
