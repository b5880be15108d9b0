"""A second look at what was found: a cross-encoder reads the question with each of the best
passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from acclimate.embeddings.base import CrossEncoder
from acclimate.retrieval.base import Retriever
from acclimate.text.folding import plain
from acclimate.types import Hit


@dataclass(frozen=True, slots=True)
class RerankingRetriever:
    """The best `candidates` of `inner` in the order that `encoder` gives them; what it found after
    them follows.

    `weight` is the cross-encoder's share of the score; the rest is the first search's. Both are
    scaled to [0, 1] from the worst to the best of the candidates, since logits have no unit.
    """

    inner: Retriever
    encoder: CrossEncoder
    candidates: int
    weight: float = 1.0

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; ties keep the order of the first search. What was not reranked has
        scores below 0."""
        hits = self.inner.retrieve(query, max(k, self.candidates))
        head, tail = hits[: self.candidates], hits[self.candidates :]
        read = [
            float(score)
            for score in self.encoder.scores(
                plain(query), [plain(passage_text(hit)) for hit in head]
            )
        ]
        scores = blend(read, [hit.score for hit in head], self.weight)
        order = sorted(range(len(head)), key=lambda at: (-scores[at], at))
        ranked = [(head[at], scores[at]) for at in order] + [
            (hit, -float(n)) for n, hit in enumerate(tail, start=1)
        ]
        return [
            replace(hit, score=score, rank=rank)
            for rank, (hit, score) in enumerate(ranked[:k], start=1)
        ]


def blend(read: Sequence[float], found: Sequence[float], weight: float) -> list[float]:
    """`weight` of what the cross-encoder says and the rest of what the search said, both scaled to
    [0, 1]."""
    return [
        weight * new + (1 - weight) * old
        for new, old in zip(_scaled(read), _scaled(found), strict=True)
    ]


def passage_text(hit: Hit) -> str:
    """A passage as a cross-encoder reads it: after its heading path."""
    path = hit.chunk.heading_path
    return f"{path}\n{hit.chunk.shown}" if path else hit.chunk.shown


def _scaled(scores: Sequence[float]) -> list[float]:
    """[0, 1] from the least to the best; all 1 where they are equal."""
    least, best = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - least) / (best - least) if best > least else 1.0 for score in scores]
