"""Reading by marking: a cross-encoder says where in a passage the answer to a question stands, or that it does not.

Devlin et al. 2018, arXiv 1810.04805, sections 4.2 and 4.3: a start and an end logit for every token; the first token
stands for "no answer here". A passage is read window by window, in lengths that the encoder was trained on.
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
_WORDS = 90  # of a window
_LONGEST = 30  # tokens of an answer, as in the paper
_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class Marked:
    """The answer's place in the text of passage `passage` (counted from 0), and how sure the encoder is, 0 to 1."""

    passage: int
    span: Span
    confidence: float

    def moved(self, passage: int, by: int) -> Marked:
        """The same place, counted from elsewhere."""
        return Marked(passage, Span(self.span.start + by, self.span.end + by), self.confidence)


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
        return self.weigh(question, chunks, "")[0]

    def relevance(self, question: str, texts: Sequence[str]) -> Rows:
        """[n] logits of each text holding the answer to the question; [0] for none."""
        return np.array([output.rows[0][0] for output in self.pairs.run(question, texts)], np.float32)

    def weigh(self, question: str, chunks: Sequence[Chunk], answer: str) -> tuple[list[Marked], list[Marked]]:
        """What `mark` finds, and each window's surest place that holds `answer` word for word, in any case."""
        if not question.strip():
            return [], []
        shown = [(at, window, _before(chunk)) for at, chunk in enumerate(chunks) for window in windows(chunk.text)]
        texts = [before + chunks[at].text[window.start : window.end] for at, window, before in shown]
        best: list[Marked] = []
        same: list[Marked] = []
        for (at, window, before), text, output in zip(shown, texts, self.pairs.run(question, texts), strict=True):
            places = _Places(output, len(before))
            if places.tokens:
                best.append(places.best().moved(at, window.start - len(before)))
            found = [places.of(Span(*m.span())) for m in re.finditer(re.escape(answer), text, re.I)] if answer else []
            if held := [place for place in found if place is not None]:
                place = max(held, key=lambda marked: marked.confidence)
                same.append(place.moved(at, window.start - len(before)))
        return _surest_first(best), _surest_first(same)


def _before(chunk: Chunk) -> str:
    parts = [part for part in (chunk.heading_path, chunk.header) if part]
    return "\n".join([*parts, ""])


def windows(text: str) -> list[Span]:
    """Whole sentences up to 90 words together; a text with table rows is one window, as rows need their header."""
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


def _surest_first(found: Sequence[Marked]) -> list[Marked]:
    return sorted(found, key=lambda marked: -marked.confidence)


class _Places:
    """How sure the encoder is of each place in the second text of a pair, after its first `before` characters."""

    def __init__(self, output: PairOutput, before: int) -> None:
        relevance, spans = output.rows
        kinds, self._offsets = output.encoding.sequence_ids, output.encoding.offsets
        self.tokens = [at for at, kind in enumerate(kinds) if kind == 1 and self._offsets[at][0] >= before]
        seen = [0, *(at for at in range(len(kinds)) if output.encoding.type_ids[at] == 1)]
        self._starts, self._ends = (spans[:, side] - _log_sum(spans[seen, side]) for side in (0, 1))
        self._relevant = 1 / (1 + np.exp(-relevance[0]))

    def best(self) -> Marked:
        """The likeliest place."""
        scores = self._starts[self.tokens][:, None] + self._ends[self.tokens][None, :]
        lengths = np.arange(len(self.tokens))[None, :] - np.arange(len(self.tokens))[:, None]
        scores = np.where((lengths >= 0) & (lengths < _LONGEST), scores, -np.inf)
        first, last = np.unravel_index(int(scores.argmax()), scores.shape)
        return self._marked(self.tokens[first], self.tokens[last])

    def of(self, span: Span) -> Marked | None:
        """These characters of the text, by whole tokens; None where it has none of them."""
        inside = [at for at in self.tokens if self._offsets[at][0] < span.end and self._offsets[at][1] > span.start]
        return self._marked(inside[0], inside[-1]) if inside else None

    def _marked(self, first: int, last: int) -> Marked:
        # The geometric mean of both ends' probabilities, times that of the passage being the right one.
        sure = float(np.exp((self._starts[first] + self._ends[last]) / 2) * self._relevant)
        return Marked(0, Span(self._offsets[first][0], self._offsets[last][1]), sure)


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
