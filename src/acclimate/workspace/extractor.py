"""The extractor that ships with Acclimate, as a recipe uses it: a place in a passage, or a
refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acclimate.embeddings.base import Scores
from acclimate.embeddings.extractor import Extractor, Marked
from acclimate.embeddings.spec import read_json
from acclimate.embeddings.tuned import (
    EXTRACTOR,
    LAYERS,
    depth,
    read_trained,
    require_base,
    shipped,
    under_sha256,
)
from acclimate.embeddings.weights import read_weights
from acclimate.errors import EngineError
from acclimate.models.base import OnText
from acclimate.prompting.citations import Resolved, mark_answer
from acclimate.prompting.passages import REFUSAL
from acclimate.settings_sections import EmbedderSettings
from acclimate.types import Completion, Generation, Hit, Message, Span
from acclimate.workspace.encoders import find_encoder
from acclimate.workspace.engine import FindModel

_REFUSED = Resolved(REFUSAL, REFUSAL, True, ())
_EDGES = " \t\n.,;:|"  # of an answer, that are none of its words
# Beside a model that reads: how many times as sure of another place it must be, below which
# confidence of both nobody knows, and from which it answers where the model does not. How they were
# chosen: docs/decisions, Two readers.
_SURER, _DOUBT, _ALONE = 7.0, 0.02, 0.4


@dataclass(frozen=True, slots=True)
class ExtractiveReader:
    """Marks answers, and takes the place of a recipe's engine: it counts no tokens and writes
    nothing.

    Of a place's confidence, `discount` is kept for each rank that its passage is behind the first;
    below `threshold` it abstains; `rerank_weight` is the share of its relevance where it orders
    passages. The card beside the weights and docs/decisions say how they were chosen.
    """

    extractor: Extractor
    threshold: float
    discount: float
    name: str = EXTRACTOR
    context_tokens: int = 1 << 20
    rerank_weight: float = 1.0

    def mark(self, question: str, hits: Sequence[Hit]) -> Resolved:
        """The surest place; the refusal where none is sure enough."""
        best = self.best(question, hits)
        if best is None or best.confidence < self.threshold:
            return _REFUSED
        return mark_answer(best.span, best.passage + 1, hits)

    def best(self, question: str, hits: Sequence[Hit]) -> Marked | None:
        """The surest place after the discount for its passage's rank; None where there is none."""
        return self._best(hits, self.extractor.mark(question, [hit.chunk for hit in hits]))

    def weigh(
        self, question: str, hits: Sequence[Hit], said: Resolved, *, own_words: bool = False
    ) -> Resolved:
        """The surer one of what a model said and the best place, or a refusal where neither is
        likely.

        Text found in no passage has confidence 0; `own_words` keeps it anyway.
        """
        answer = "" if said.abstained else said.text.strip(_EDGES)
        marked, same = self.extractor.weigh(question, [hit.chunk for hit in hits], answer)
        best, held = self._best(hits, marked), self._best(hits, same)
        mine, others = best.confidence if best else 0.0, held.confidence if held else 0.0
        if said.abstained:
            if best is None or mine < _ALONE:
                return said
            why = f"the model abstained, the extractor gives {mine:.2f} to its place"
            return replace(mark_answer(best.span, best.passage + 1, hits), decision=why)
        figures = f"the extractor gives {mine:.2f} to its own place and {others:.2f} to the model's"
        if own_words and held is None:
            return said
        if max(mine, others) < _DOUBT:
            return replace(_REFUSED, decision=figures)
        if best is None or mine <= _SURER * others:
            return said
        return replace(mark_answer(best.span, best.passage + 1, hits), decision=figures)

    def _best(self, hits: Sequence[Hit], marked: Sequence[Marked]) -> Marked | None:
        """The surest place that holds a word, its span trimmed, after the discount for its
        passage's rank."""
        found = [
            Marked(one.passage, span, one.confidence * self.discount**one.passage)
            for one in marked
            if (span := _trimmed(hits[one.passage].chunk.text, one.span)) is not None
        ]
        return max(found, key=lambda one: one.confidence, default=None)

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`; there is no prompt."""
        return 0

    def generate(
        self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None
    ) -> Completion:
        """See `Engine`. Raises EngineError: it marks and does not write."""
        raise EngineError(
            "the extractor marks answers in passages; it writes nothing.",
            hint="Use the recipe 'rag'.",
        )

    def close(self) -> None:
        """See `Engine`."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """The extractor as a `CrossEncoder`: how likely a passage is to hold an answer at all."""

    extractor: Extractor
    weight: float
    name: str = EXTRACTOR

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """See `CrossEncoder`."""
        return self.extractor.relevance(question, texts)


def open_extractor(find_model: FindModel) -> ExtractiveReader:
    """The shipped extractor over its base embedder, which is fetched where it is not here yet.

    Raises HashMismatchError where the base's weights are not those that it was trained on.
    """
    return load_extractor(shipped(EXTRACTOR), find_model)


def searches_with_base(chosen: EmbedderSettings, folder: Path, find_model: FindModel) -> bool:
    """Whether the base of the shipped extractor is the project's embedder, so that it is here
    anyway."""
    base = json.loads((shipped(EXTRACTOR) / "extractor.json").read_text(encoding="utf-8"))["base"]
    return (
        chosen.engine != "openai"
        and find_encoder(folder, chosen.model, "embedder", find_model).source == base
    )


def fingerprint() -> str:
    """Names the shipped extractor's weights and settings: 64 hex digits."""
    settings = (shipped(EXTRACTOR) / "extractor.json").read_bytes()
    return hashlib.sha256(under_sha256(EXTRACTOR).encode() + settings).hexdigest()


def load_extractor(folder: Path, find_model: FindModel) -> ExtractiveReader:
    """The extractor in a folder: `extractor.json` (base, base_sha256, words, threshold, discount)
    and the weights."""
    settings = json.loads((folder / "extractor.json").read_text(encoding="utf-8"))
    base = find_model(settings["base"], "embedder")
    require_base(folder, settings["base"], settings["base_sha256"], base.sha256)
    weights = read_trained(folder / LAYERS, read_weights(base.weights))
    config: Any = read_json(base.folder / "config.json")
    config["num_hidden_layers"] = depth(weights)
    extractor = Extractor(config, weights, base.folder / "tokenizer.json", settings["words"])
    return ExtractiveReader(
        extractor,
        float(settings["threshold"]),
        float(settings["discount"]),
        rerank_weight=float(settings["rerank_weight"]),
    )


def _trimmed(text: str, span: Span) -> Span | None:
    """The span without white space and punctuation at its ends; None where nothing is left."""
    body = text[span.start : span.end]
    start = span.start + len(body) - len(body.lstrip(_EDGES))
    end = span.start + len(body.rstrip(_EDGES))
    return Span(start, end) if start < end else None
