"""The extractor that ships with Acclimate, as a recipe uses it: a place in a passage, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.embeddings.extractor import Extractor
from acclimate.embeddings.spec import read_json
from acclimate.embeddings.tuned import read_trained, require_base, shipped
from acclimate.embeddings.weights import read_weights
from acclimate.errors import EngineError
from acclimate.models.base import OnText
from acclimate.prompting.citations import Resolved, mark_answer
from acclimate.prompting.passages import REFUSAL
from acclimate.types import Completion, Generation, Hit, Message, Span

if TYPE_CHECKING:
    from acclimate.project import Project

SHIPPED = "minilm-extractor"
_EDGES = " \t\n.,;:|"  # of an answer, that are none of its words


@dataclass(frozen=True, slots=True)
class Extracting:
    """Marks answers, and stands where a recipe has its engine: it counts no tokens and writes nothing.

    Of a place's confidence, `discount` is kept for each rank that its passage is behind the first; below `threshold` it
    abstains. Both were chosen on dev questions (see the card beside the weights).
    """

    extractor: Extractor
    threshold: float
    discount: float
    name: str = SHIPPED
    context_tokens: int = 1 << 20

    def mark(self, question: str, hits: Sequence[Hit]) -> Resolved:
        """The surest place; the refusal where none is sure enough."""
        found = [
            (marked.confidence * self.discount**marked.passage, marked.passage, span)
            for marked in self.extractor.mark(question, [hit.chunk for hit in hits])
            if (span := _trimmed(hits[marked.passage].chunk.text, marked.span)) is not None
        ]
        best = max(found, key=lambda item: item[0], default=None)
        if best is None or best[0] < self.threshold:
            return Resolved(REFUSAL, REFUSAL, True, ())
        return mark_answer(best[2], best[1] + 1, hits)

    def count(self, messages: Sequence[Message]) -> int:
        """See `Engine`; there is no prompt."""
        return 0

    def generate(self, messages: Sequence[Message], options: Generation, on_text: OnText | None = None) -> Completion:
        """See `Engine`. Raises EngineError: it marks and does not write."""
        raise EngineError("the extractor marks answers in passages; it writes nothing.", hint="Use the recipe 'rag'.")

    def close(self) -> None:
        """See `Engine`."""


def open_extractor(project: Project) -> Extracting:
    """The shipped extractor over its base embedder, which is fetched where it is not here yet.

    Raises HashMismatchError where the base's weights are not those that it was trained on.
    """
    return load_extractor(shipped(SHIPPED), project)


def load_extractor(folder: Path, project: Project) -> Extracting:
    """The extractor in a folder: `extractor.json` (base, base_sha256, threshold, discount) and the weights."""
    settings = json.loads((folder / "extractor.json").read_text(encoding="utf-8"))
    base = project.local_model(settings["base"], "embedder")
    require_base(folder, settings["base"], settings["base_sha256"], base.sha256)
    config = read_json(base.folder / "config.json")
    weights = read_trained(folder / "extractor.safetensors", read_weights(base.weights))
    extractor = Extractor(config, weights, base.folder / "tokenizer.json")  # type: ignore[arg-type]
    return Extracting(extractor, float(settings["threshold"]), float(settings["discount"]))


def _trimmed(text: str, span: Span) -> Span | None:
    """The span without white space and punctuation at its ends; None where nothing is left."""
    body = text[span.start : span.end]
    start = span.start + len(body) - len(body.lstrip(_EDGES))
    end = span.start + len(body.rstrip(_EDGES))
    return Span(start, end) if start < end else None
