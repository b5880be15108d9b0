"""Reading by marking: a cross-encoder says where in a passage the answer to a question stands, or that it does not.

Devlin et al. 2018, arXiv 1810.04805, sections 4.2 and 4.3: a start and an end logit for every token; the first token
stands for "no answer here". A passage is read window by window, in the lengths that the encoder was trained on.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from openvino import Model
from openvino import opset15 as ops

from acclimate.embeddings.bert import build_bert, constant, index
from acclimate.embeddings.openvino import Precision
from acclimate.embeddings.pairs import PairEncoder, PairOutput, Rows
from acclimate.embeddings.weights import FloatArray
from acclimate.types import Chunk, Span

MAX_TOKENS = 288
_WORDS = 50  # of a window
_LONGEST = 30  # tokens of an answer, as in the paper
_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class Marked:
    """The answer's place in the text of passage `passage` (counted from 0), and how sure the encoder is, 0 to 1."""

    passage: int
    span: Span
    confidence: float


class Extractor:
    """Marks answers in chunks. `weights` are an encoder's, with the heads `span` [2, H] and `relevance` [1, H]."""

    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, FloatArray],
        tokenizer: Path,
        *,
        precision: Precision = "auto",
        threads: int | None = None,
    ) -> None:
        model = _with_heads(config, weights)
        self.pairs = PairEncoder(model, tokenizer, MAX_TOKENS, precision=precision, threads=threads)

    def mark(self, question: str, chunks: Sequence[Chunk]) -> list[Marked]:
        """The best place in each window of each chunk, the surest first; ties by the order of the chunks."""
        if not question.strip():
            return []
        shown = [(at, window, _before(chunk)) for at, chunk in enumerate(chunks) for window in windows(chunk.text)]
        texts = [before + chunks[at].text[window.start : window.end] for at, window, before in shown]
        found = []
        for (at, window, before), output in zip(shown, self.pairs.run(question, texts), strict=True):
            if (best := _best(output, len(before))) is not None:
                span, confidence = best
                found.append(Marked(at, Span(window.start + span.start, window.start + span.end), confidence))
        return sorted(found, key=lambda marked: -marked.confidence)


def _before(chunk: Chunk) -> str:
    parts = [part for part in (chunk.heading_path, chunk.header) if part]
    return "\n".join([*parts, ""])


def windows(text: str) -> list[Span]:
    """Whole sentences up to 50 words together; a text with table rows is one window, as rows need their header."""
    if re.search(r"^\|.*\|\s*$", text, re.MULTILINE):
        return [Span(0, len(text))]
    edges = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    found: list[Span] = []
    for start, end in itertools.pairwise(edges):
        if not text[start:end].strip():
            continue
        if found and len(text[found[-1].start : end].split()) <= _WORDS:
            found[-1] = Span(found[-1].start, end)
        else:
            found.append(Span(start, end))
    return found


def _best(output: PairOutput, before: int) -> tuple[Span, float] | None:
    """The likeliest span of the second text after its first `before` characters; None where nothing is left of it."""
    relevance, spans = output.rows
    kinds = output.encoding.sequence_ids
    offsets = output.encoding.offsets
    tokens = [at for at, kind in enumerate(kinds) if kind == 1 and offsets[at][0] >= before]
    if not tokens:
        return None
    seen = [0, *(at for at in range(len(kinds)) if output.encoding.type_ids[at] == 1)]
    starts, ends = (spans[:, side] - _log_sum(spans[seen, side]) for side in (0, 1))
    scores = starts[tokens][:, None] + ends[tokens][None, :]
    lengths = np.arange(len(tokens))[None, :] - np.arange(len(tokens))[:, None]
    scores = np.where((lengths >= 0) & (lengths < _LONGEST), scores, -np.inf)
    first, last = np.unravel_index(int(scores.argmax()), scores.shape)
    span = Span(offsets[tokens[first]][0] - before, offsets[tokens[last]][1] - before)
    # The geometric mean of both ends' probabilities, times that of the passage being the right one.
    sure = float(np.exp(scores[first, last] / 2) / (1 + np.exp(-relevance[0])))
    return span, sure


def _log_sum(values: Rows) -> float:
    most = values.max()
    return float(most + np.log(np.exp(values - most).sum()))


def _with_heads(config: Mapping[str, Any], weights: Mapping[str, FloatArray]) -> Model:
    """input_ids, attention_mask, token_type_ids [B, S] to relevance [B, 1] and span logits [B, S, 2]."""
    model = build_bert(config, weights, types=True)
    tokens = model.output(0).get_node().input_value(0)
    first = ops.gather(tokens, index(0), index(1))
    heads = [
        ops.add(ops.matmul(x, constant(weights[f"{name}.weight"]), False, True), constant(weights[f"{name}.bias"]))
        for name, x in (("relevance", first), ("span", tokens))
    ]
    return Model([ops.result(head) for head in heads], model.get_parameters(), "extractor")
