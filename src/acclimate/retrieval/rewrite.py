"""Other texts to search by than the question itself, written by the language model; their lists are
fused by rank."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from acclimate.prompting.templates import Template
from acclimate.retrieval.base import Retriever
from acclimate.retrieval.fusion import rrf
from acclimate.types import Hit, Message

_DEPTH = 20  # hits of each text that are fused, at least
_MARK = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):]|(?:question|q)\s*\d*\s*:)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A way of rewriting: how many texts are kept (0: all of what was written is one), and how long
    they may be."""

    texts: int
    max_tokens: int


REWRITES = {
    "hyde": Rewrite(0, 96),
    "multi-query": Rewrite(3, 96),
    "decompose": Rewrite(4, 96),
    "step-back": Rewrite(1, 48),
}


@dataclass(frozen=True, slots=True)
class RewritingRetriever:
    """Searches by the question and by what the model makes of it with `template`, a template of the
    way's name."""

    inner: Retriever
    template: Template
    write: Callable[[Sequence[Message], int], str]
    """The model's text for a prompt, of at most so many tokens."""

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`; scores are those of reciprocal rank fusion."""
        if not query.strip():
            return []
        way = REWRITES[self.template.name]
        written = self.write(self.template.render({"question": query.strip()}), way.max_tokens)
        lists = [
            self.inner.retrieve(text, max(k, _DEPTH))
            for text in read_texts(query, written, way.texts)
        ]
        hits = {hit.chunk.id: hit for found in lists for hit in found}
        fused = list(rrf([hit.chunk.id for hit in found] for found in lists).items())[:k]
        return [
            replace(hits[name], score=score, rank=rank)
            for rank, (name, score) in enumerate(fused, start=1)
        ]


def read_texts(question: str, written: str, most: int) -> list[str]:
    """The question, then at most `most` lines of what was written (0: all of it as one), each
    once."""
    lines = (
        [_MARK.sub("", line).strip() for line in written.split("\n")]
        if most
        else [" ".join(written.split())]
    )
    known, texts = {question.strip().casefold()}, [question]
    for line in lines:
        if line and line.casefold() not in known and len(texts) <= max(most, 1):
            known.add(line.casefold())
            texts.append(line)
    return texts
