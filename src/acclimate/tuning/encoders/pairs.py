"""Question–passage pairs as an encoder reads them, with what it shall learn of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from acclimate.types import Span

IGNORED = -100
"""Of a label: nothing is learnt. PyTorch's own default for cross-entropy."""


@dataclass(frozen=True, slots=True)
class TextPair:
    """A question with a passage (`before`, its heading path, then `text`).

    `relevant` is what the relevance logit shall say. `span` is the answer's place in `text`; None
    with `reads` means that the passage does not hold the answer, and without `reads` no span is
    learnt.
    """

    question: str
    before: str
    text: str
    relevant: bool
    span: Span | None = None
    reads: bool = True


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and types [S] of a pair, and the tokens at which its answer starts and ends: 0 (no
    answer here: the first token) or IGNORED."""

    ids: list[int]
    types: list[int]
    start: int
    end: int
    relevant: float


@dataclass(frozen=True, slots=True)
class PairBatch:
    """B pairs padded to S tokens: ids, types, mask [B, S]; starts, ends, relevant [B]."""

    ids: torch.Tensor
    types: torch.Tensor
    mask: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    relevant: torch.Tensor


def encode_pair(tokenizer: Tokenizer, pair: TextPair) -> Encoded:
    """Tokens of a pair; an answer that was cut off counts as no span to learn."""
    before = f"{pair.before}\n" if pair.before else ""
    encoding = tokenizer.encode(pair.question, before + pair.text)
    start = end = 0 if pair.reads else IGNORED
    if pair.reads and pair.span is not None:
        first, last = len(before) + pair.span.start, len(before) + pair.span.end
        inside = [
            at
            for at, (kind, (left, right)) in enumerate(
                zip(encoding.sequence_ids, encoding.offsets, strict=True)
            )
            if kind == 1 and left < last and right > first
        ]
        start, end = (inside[0], inside[-1]) if inside else (IGNORED, IGNORED)
    return Encoded(encoding.ids, encoding.type_ids, start, end, float(pair.relevant))


def padded(rows: Sequence[Sequence[int]], filler: int = 0) -> torch.Tensor:
    """[rows, longest row], filled up on the right."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows])


def collate(rows: Sequence[Encoded]) -> PairBatch:
    """Pairs padded on the right to the longest."""
    return PairBatch(
        ids=padded([row.ids for row in rows]),
        types=padded([row.types for row in rows]),
        mask=padded([[1] * len(row.ids) for row in rows]),
        starts=torch.tensor([row.start for row in rows]),
        ends=torch.tensor([row.end for row in rows]),
        relevant=torch.tensor([row.relevant for row in rows]),
    )


def batches(rows: Iterable[Encoded], size: int) -> list[PairBatch]:
    """Batches of `size` pairs of like length."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    return [collate(ordered[at : at + size]) for at in range(0, len(ordered), size)]
