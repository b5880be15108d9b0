"""The extractor that ships with Acclimate, as a recipe uses it: a place in a passage, or a
refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from acclimate.embeddings.base import CrossEncoder, Scores
from acclimate.embeddings.extractor import Extractor, Marked
from acclimate.embeddings.files import read_json
from acclimate.embeddings.tuned import (
    EXTRACTOR,
    LAYERS,
    depth,
    read_trained,
    require_base_encoder,
    shipped,
    under_sha256,
)
from acclimate.embeddings.weights import read_weights
from acclimate.errors import EngineError
from acclimate.models.base import OnText
from acclimate.prompting.citations import Resolved, mark_answer
from acclimate.prompting.passages import REFUSAL
from acclimate.settings_library import EmbedderSettings
from acclimate.types import Completion, Generation, Hit, Message, Span
from acclimate.workspace.encoders import find_encoder, located, open_cross_encoder
from acclimate.workspace.engine import FindModel
from acclimate.workspace.layout import Layout
from acclimate.workspace.shelf import Shelf

_REFUSED = Resolved(REFUSAL, REFUSAL, True, ())
_EDGES = " \t\n.,;:|"  # of an answer, that are none of its words


@dataclass(frozen=True, slots=True)
class Limits:
    """From which confidence an extractor is believed.

    `words` are the lengths of the windows in which it reads a passage. Of a place's confidence,
    `discount` is kept for each rank that its passage is behind the first; below `threshold` it
    abstains. Beside a model that reads: it must be `surer` times as sure of another place than of
    the model's to have the last word, below `doubt` of both nobody answers, and from `alone` it
    answers where the model abstains. How they were chosen: docs/decisions/readers.md.
    """

    words: tuple[int, ...] = (200,)
    threshold: float = 0.1
    discount: float = 0.8
    surer: float = 7.0
    doubt: float = 0.02
    alone: float = 0.4


@dataclass(frozen=True, slots=True)
class ExtractiveReader:
    """Marks answers, and takes the place of a recipe's engine: it counts no tokens and writes
    nothing. `rerank_weight` is the share of its relevance where it orders passages.
    """

    extractor: Extractor
    limits: Limits
    name: str = EXTRACTOR
    context_tokens: int = 1 << 20
    rerank_weight: float = 1.0

    def limited(self, limits: Limits) -> ExtractiveReader:
        """The same weights with other limits."""
        return replace(self, extractor=self.extractor.cut(limits.words), limits=limits)

    def extract(self, question: str, hits: Sequence[Hit]) -> Resolved:
        """The surest place; the refusal where none is sure enough."""
        best = self.best(question, hits)
        if best is None or best.confidence < self.limits.threshold:
            return _REFUSED
        return mark_answer(best.span, best.passage + 1, hits)

    def best(self, question: str, hits: Sequence[Hit]) -> Marked | None:
        """The surest place after the discount for its passage's rank; None where there is none."""
        return self._surest(hits, self.extractor.best_spans(question, [hit.chunk for hit in hits]))

    def second_opinion(
        self, question: str, hits: Sequence[Hit], said: Resolved, *, own_words: bool = False
    ) -> Resolved:
        """The surer one of what a model said and the best place, or a refusal where neither is
        likely.

        Text found in no passage has confidence 0; `own_words` keeps it anyway.
        """
        best, held = self.places(question, hits, said)
        return self.decide(hits, said, best, held, own_words=own_words)

    def places(
        self, question: str, hits: Sequence[Hit], said: Resolved
    ) -> tuple[Marked | None, Marked | None]:
        """Its own surest place, and the surest that holds what a model said."""
        answer = "" if said.abstained else said.text.strip(_EDGES)
        marked, same = self.extractor.best_and_matching_spans(
            question, [hit.chunk for hit in hits], answer
        )
        return self._surest(hits, marked), self._surest(hits, same)

    def decide(
        self,
        hits: Sequence[Hit],
        said: Resolved,
        best: Marked | None,
        held: Marked | None,
        *,
        own_words: bool = False,
    ) -> Resolved:
        """`second_opinion` for these `places`."""
        limits = self.limits
        mine, others = best.confidence if best else 0.0, held.confidence if held else 0.0
        if said.abstained:
            if best is None or mine < limits.alone:
                return said
            why = f"the model abstained, the extractor gives {mine:.2f} to its place"
            return replace(mark_answer(best.span, best.passage + 1, hits), decision=why)
        figures = f"the extractor gives {mine:.2f} to its own place and {others:.2f} to the model's"
        if own_words and held is None:
            return said
        if max(mine, others) < limits.doubt:
            return replace(_REFUSED, decision=figures)
        if best is None or mine <= limits.surer * others:
            return said
        return replace(mark_answer(best.span, best.passage + 1, hits), decision=figures)

    def _surest(self, hits: Sequence[Hit], marked: Sequence[Marked]) -> Marked | None:
        return surest(hits, marked, self.limits.discount)

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


def surest(hits: Sequence[Hit], marked: Sequence[Marked], discount: float) -> Marked | None:
    """The surest place that holds a word, its span trimmed, after the discount for its passage's
    rank; None where there is none."""
    found = [
        Marked(one.passage, span, one.confidence * discount**one.passage)
        for one in marked
        if (span := _trimmed(hits[one.passage].chunk.text, one.span)) is not None
    ]
    return max(found, key=lambda one: one.confidence, default=None)


def open_reranker(name: str, layout: Layout, find_model: FindModel, shelf: Shelf) -> CrossEncoder:
    """What `[retrieval] rerank` names; its weights come from the shelf."""
    if name == EXTRACTOR:
        reader = _open_weights(name, layout, find_model, shelf)
        return Relevance(reader.extractor, reader.rerank_weight)
    place = located(layout.folder, name)
    return shelf.take(
        ("reranker", place), lambda: open_cross_encoder(name, layout.folder, find_model)
    )


def open_extractor(
    name: str, layout: Layout, find_model: FindModel, shelf: Shelf
) -> ExtractiveReader:
    """The extractor that `[answer] extractor` names, fetched where it is not here yet, with the
    limits that were chosen on the project's own questions, if any; its weights come from the shelf.

    Raises ModelError where it marks no answers, and HashMismatchError where the base of the one
    that ships is not what it was trained on.
    """
    reader = _open_weights(name, layout, find_model, shelf)
    calibrated = read_limits(name, layout, find_model)
    return reader if calibrated is None else reader.limited(calibrated)


def _open_weights(
    name: str, layout: Layout, find_model: FindModel, shelf: Shelf
) -> ExtractiveReader:
    def load() -> ExtractiveReader:
        if name == EXTRACTOR:
            return load_extractor(shipped(EXTRACTOR), find_model)
        return _open_model(name, layout.folder, find_model)

    return shelf.take(("extractor", name, located(layout.folder, name)), load)


def read_limits(name: str, layout: Layout, find_model: FindModel) -> Limits | None:
    """The limits that were chosen for this extractor's weights on the project's questions; None
    where there are none."""
    if not layout.extractor.is_file():
        return None
    row = json.loads(layout.extractor.read_text(encoding="utf-8"))
    return _limits(row) if row["sha256"] == _sha256(name, layout, find_model) else None


def write_limits(limits: Limits, name: str, layout: Layout, find_model: FindModel) -> Path:
    """Keep the limits that were chosen for this extractor's weights; the file."""
    content = {"sha256": _sha256(name, layout, find_model), **asdict(limits)}
    part = layout.extractor.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(layout.extractor)
    return layout.extractor


def _sha256(name: str, layout: Layout, find_model: FindModel) -> str:
    if name == EXTRACTOR:
        return under_sha256(EXTRACTOR)
    return find_model(located(layout.folder, name), "reranker").sha256


def searches_with_base(chosen: EmbedderSettings, folder: Path, find_model: FindModel) -> bool:
    """Whether the base of the shipped extractor is the project's embedder, so that it is here
    anyway."""
    base = json.loads((shipped(EXTRACTOR) / "extractor.json").read_text(encoding="utf-8"))["base"]
    return (
        chosen.engine != "openai"
        and find_encoder(folder, chosen.model, "embedder", find_model).source == base
    )


def fingerprint(name: str, layout: Layout, find_model: FindModel) -> str:
    """Names an extractor's weights and limits: 64 hex digits."""
    own = _sha256(name, layout, find_model)
    if name == EXTRACTOR:
        settings = (shipped(EXTRACTOR) / "extractor.json").read_bytes()
        own = hashlib.sha256(own.encode() + settings).hexdigest()
    limits = read_limits(name, layout, find_model)
    return own if limits is None else hashlib.sha256(f"{own}{limits}".encode()).hexdigest()


def load_extractor(folder: Path, find_model: FindModel) -> ExtractiveReader:
    """The extractor in a folder: `extractor.json` (base, base_sha256, and `Limits`) and the
    weights."""
    settings = json.loads((folder / "extractor.json").read_text(encoding="utf-8"))
    base = find_model(settings["base"], "embedder")
    require_base_encoder(folder, settings["base"], settings["base_sha256"], base.sha256)
    weights = read_trained(folder / LAYERS, read_weights(base.weights))
    config: Any = read_json(base.folder / "config.json")
    config["num_hidden_layers"] = depth(weights)
    limits = _limits(settings)
    extractor = Extractor(config, weights, base.folder / "tokenizer.json", limits.words)
    return ExtractiveReader(
        extractor,
        limits,
        rerank_weight=float(settings["rerank_weight"]),
    )


def _open_model(name: str, folder: Path, find_model: FindModel) -> ExtractiveReader:
    """A question-answering model of Transformers, by hub id or folder."""
    model = find_model(located(folder, name), "reranker")
    config = cast("dict[str, Any]", read_json(model.folder / "config.json") or {})
    onnx = model.weights.suffix == ".onnx"
    weights = model.weights if onnx else read_weights(model.weights)
    limits = Limits()
    extractor = Extractor(config, weights, model.folder / "tokenizer.json", limits.words)
    return ExtractiveReader(extractor, limits, model.name)


def _limits(row: Mapping[str, Any]) -> Limits:
    names = {one.name for one in fields(Limits)} & row.keys()
    return replace(Limits(), **{name: row[name] for name in names} | {"words": tuple(row["words"])})


def _trimmed(text: str, span: Span) -> Span | None:
    """The span without white space and punctuation at its ends; None where nothing is left."""
    body = text[span.start : span.end]
    start = span.start + len(body) - len(body.lstrip(_EDGES))
    end = span.start + len(body.rstrip(_EDGES))
    return Span(start, end) if start < end else None
