"""Reading by marking: a cross-encoder says where in a passage the answer to a question stands, or
that it does not.

Devlin et al. 2018, arXiv 1810.04805, sections 4.2 and 4.3: a start and an end logit for every
token; the first token stands for "no answer here". A passage is read window by window, in lengths
that the encoder was trained on, twice: how sure it is of a place is the mean over both cuts
(docs/decisions, The extractor).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from openvino import Core, Model
from openvino import opset15 as ops

from acclimate.embeddings.bert import IDS, MASK, TYPES, build_bert
from acclimate.embeddings.nodes import constant, index
from acclimate.embeddings.openvino import Precision
from acclimate.embeddings.pairs import PairEncoder, PairOutput, Rows
from acclimate.embeddings.spec import position_offset
from acclimate.embeddings.weights import FloatArray
from acclimate.errors import ModelError
from acclimate.text.folding import Traced, plain
from acclimate.text.locating import find_all
from acclimate.types import Chunk, Span

MAX_TOKENS = 288
_LONGEST = 30  # tokens of an answer, as in the paper
_START, _END = "start_logits", "end_logits"
_QA_HEAD = "qa_outputs"  # of Transformers' models for question answering
_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class Marked:
    """The answer's place in the text of passage `passage` (counted from 0), and how sure the
    encoder is, 0 to 1."""

    passage: int
    span: Span
    confidence: float


class Extractor:
    """Marks answers in chunks. `weights` are an encoder's, with the heads `span` [2, H] and
    `relevance` [1, H], or with the one head `qa_outputs` [2, H] of a question-answering model.

    In the place of weights, the file of an ONNX export with the outputs start_logits and end_logits
    [B, S]. Each chunk is read once in windows of each length of `words`. Raises ModelError for weights
    without such a head.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, FloatArray] | Path,
        tokenizer: Path,
        words: Sequence[int] = (90,),
        *,
        precision: Precision = "auto",
        threads: int | None = None,
    ) -> None:
        self._words = tuple(words)
        model = _read_onnx(weights) if isinstance(weights, Path) else _with_heads(config, weights)
        reads = int(config.get("max_position_embeddings", MAX_TOKENS)) - position_offset(
            dict(config)
        )
        limit = min(MAX_TOKENS, reads)
        self.pairs = PairEncoder(model, tokenizer, limit, precision=precision, threads=threads)

    def cut(self, words: Sequence[int]) -> Extractor:
        """The same encoder, with chunks read in windows of other lengths."""
        other = copy(self)
        other._words = tuple(words)
        return other

    def best_spans(self, question: str, chunks: Sequence[Chunk]) -> list[Marked]:
        """The likeliest place of each window of each chunk, the surest first; ties by the order of
        the chunks."""
        return self.best_and_matching_spans(question, chunks, "")[0]

    def relevance(self, question: str, texts: Sequence[str]) -> Rows:
        """[n] logits of each text holding the answer to the question; [0] for none."""
        outputs = self.pairs.run(question, texts)
        return np.array([_relevance(output) for output in outputs], np.float32)

    def best_and_matching_spans(
        self, question: str, chunks: Sequence[Chunk], answer: str
    ) -> tuple[list[Marked], list[Marked]]:
        """What `best_spans` finds, and all places that hold `answer` word for word, in any case."""
        if not question.strip():
            return [], []
        heads = [plain(_before(chunk)) for chunk in chunks]
        shown = [
            (at, window)
            for at, chunk in enumerate(chunks)
            for window in readings(chunk.text, self._words)
        ]
        folded = [plain.trace(chunks[at].text[window.start : window.end]) for at, window in shown]
        texts = [heads[at] + one.text for (at, _), one in zip(shown, folded, strict=True)]
        read: list[list[_Places]] = [[] for _ in chunks]
        outputs = self.pairs.run(plain(question), texts)
        for (at, window), one, output in zip(shown, folded, outputs, strict=True):
            read[at].append(_Places(output, len(heads[at]), window, one))
        best: list[Marked] = []
        same: list[Marked] = []
        for at, (chunk, places) in enumerate(zip(chunks, read, strict=True)):
            likeliest = dict.fromkeys(one.best() for one in places if one.tokens)
            said = list(find_all(answer, chunk.text))
            best += _marked(at, likeliest, places)
            same += _marked(at, said, places)
        return _surest_first(best), _surest_first(same)


def _before(chunk: Chunk) -> str:
    parts = [part for part in (chunk.heading_path, chunk.header) if part]
    return "\n".join([*parts, ""])


def readings(text: str, words: Sequence[int]) -> list[Span]:
    """The windows of all cuts, each once."""
    return list(dict.fromkeys(window for most in words for window in windows(text, most)))


def windows(text: str, words: int) -> list[Span]:
    """Whole sentences up to so many words together; a text with table rows is one window, as rows
    need their header."""
    if re.search(r"^\|.*\|\s*$", text, re.MULTILINE):
        return [Span(0, len(text))]
    edges = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    found: list[Span] = []
    for start, end in itertools.pairwise(edges):
        if not text[start:end].strip():
            continue
        if found and len(text[found[-1].start : end].split()) <= words:
            found[-1] = Span(found[-1].start, end)
        else:
            found.append(Span(start, end))
    return found


def _marked(passage: int, spans: Iterable[Span], read: Sequence[_Places]) -> list[Marked]:
    """The places that stand whole in some window, with the geometric mean of how sure each such
    window is."""
    found = []
    for span in spans:
        logs = [sure for one in read if (sure := one.sure(span)) is not None]
        if logs:
            found.append(Marked(passage, span, float(np.exp(np.mean(logs)))))
    return found


def _surest_first(found: Sequence[Marked]) -> list[Marked]:
    return sorted(found, key=lambda marked: -marked.confidence)


class _Places:
    """How sure the encoder is of each place in a window, which it saw `folded`, after `before`
    characters."""

    def __init__(self, output: PairOutput, before: int, window: Span, folded: Traced) -> None:
        spans = output.rows[-1]
        kinds, offsets = output.encoding.sequence_ids, output.encoding.offsets
        self._window = window
        # Token by token its place in the passage; what stands before the window is no answer.
        self._at = {
            token: (
                folded.starts[start - before] + window.start,
                folded.ends[end - 1 - before] + window.start,
            )
            for token, (kind, (start, end)) in enumerate(zip(kinds, offsets, strict=True))
            if kind == 1 and before <= start < end
        }
        self.tokens = list(self._at)
        seen = _seen(output)
        self._starts, self._ends = (spans[:, side] - _log_sum(spans[seen, side]) for side in (0, 1))
        # A model with one head says by the first token alone that the answer is elsewhere.
        joint = len(output.rows) == 2
        self._relevant = -float(np.logaddexp(0, -_relevance(output))) if joint else 0.0

    def best(self) -> Span:
        """The likeliest place."""
        scores = self._starts[self.tokens][:, None] + self._ends[self.tokens][None, :]
        lengths = np.arange(len(self.tokens))[None, :] - np.arange(len(self.tokens))[:, None]
        scores = np.where((lengths >= 0) & (lengths < _LONGEST), scores, -np.inf)
        first, last = np.unravel_index(int(scores.argmax()), scores.shape)
        return Span(self._at[self.tokens[first]][0], self._at[self.tokens[last]][1])

    def sure(self, span: Span) -> float | None:
        """The logarithm of how sure it is of this place, by whole tokens; None where the window has
        not all of it."""
        if not self._window.start <= span.start < span.end <= self._window.end:
            return None
        inside = [
            at for at, (start, end) in self._at.items() if start < span.end and end > span.start
        ]
        if not inside:
            return None
        # The mean of both ends' log-probabilities, and that of the window being the right one.
        return float((self._starts[inside[0]] + self._ends[inside[-1]]) / 2 + self._relevant)


def _seen(output: PairOutput) -> list[int]:
    """The tokens that the probabilities of a place are shared among: the first, and the passage's
    with what closes it."""
    encoding = output.encoding
    kinds = zip(encoding.sequence_ids, encoding.type_ids, strict=True)
    return [0, *(at for at, (kind, type_id) in enumerate(kinds) if kind == 1 or type_id == 1)]


def _relevance(output: PairOutput) -> float:
    """The logit of the text holding the answer."""
    if len(output.rows) == 2:
        return float(output.rows[0][0])
    seen, spans = _seen(output), output.rows[0]
    absent = sum(float(spans[0, side]) - _log_sum(spans[seen, side]) for side in (0, 1)) / 2
    return float(np.log(-np.expm1(min(absent, -1e-6))) - absent)


def _log_sum(values: Rows) -> float:
    most = values.max()
    return float(most + np.log(np.exp(values - most).sum()))


def _with_heads(config: Mapping[str, Any], weights: Mapping[str, FloatArray]) -> Model:
    """input_ids, attention_mask, token_type_ids [B, S] to span logits [B, S, 2], after relevance
    [B, 1] where there is a head for it."""
    model = build_bert(config, weights, types=True)
    tokens = model.output(0).get_node().input_value(0)
    if f"{_QA_HEAD}.weight" in weights:
        heads = [(_QA_HEAD, tokens)]
    elif "span.weight" in weights:
        heads = [("relevance", ops.gather(tokens, index(0), index(1))), ("span", tokens)]
    else:
        raise ModelError(
            f"the model ({config.get('model_type')}) has no question-answering head: there is no "
            f"'{_QA_HEAD}.weight' among its tensors.",
            hint="Name one that was trained on SQuAD or the like, such as "
            "deepset/roberta-base-squad2.",
        )
    results = [
        ops.add(
            ops.matmul(x, constant(weights[f"{name}.weight"]), False, True),
            constant(weights[f"{name}.bias"]),
        )
        for name, x in heads
    ]
    return Model([ops.result(one) for one in results], model.get_parameters(), "extractor")


def _read_onnx(file: Path) -> Model:
    """The same of an export for question answering."""
    try:
        model = Core().read_model(file)
    except RuntimeError as error:
        raise ModelError(
            f"{file} cannot be read: {error}.", hint="Fetch the model again."
        ) from error
    outputs = {name: node for node in model.outputs for name in node.get_names()}
    inputs = {node.get_friendly_name() for node in model.get_parameters()}
    if not {IDS, MASK} <= inputs <= {IDS, MASK, TYPES} or not {_START, _END} <= set(outputs):
        raise ModelError(
            f"{file} has the inputs {sorted(inputs)} and the outputs {sorted(outputs)}; {IDS}, "
            f"{MASK}, {_START} and {_END} are needed.",
            hint="Export the model for question answering.",
        )
    sides = [outputs[name].get_node().input_value(0) for name in (_START, _END)]
    spans = ops.concat([ops.unsqueeze(side, index(2)) for side in sides], 2)
    return Model([ops.result(spans)], model.get_parameters(), "extractor")
