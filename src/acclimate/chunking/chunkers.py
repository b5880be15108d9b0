"""The chunkers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from acclimate.chunking.base import Chunker, TokenSpans
from acclimate.chunking.structure import FixedChunker, StructureChunker

Method = Literal["structure", "fixed"]

_CHUNKERS: dict[Method, Callable[[TokenSpans, int, int, str], Chunker]] = {
    "structure": lambda tokens, size, _overlap, name: StructureChunker(tokens, size, name),
    "fixed": FixedChunker,
}


def make_chunker(
    method: Method, tokens: TokenSpans, max_tokens: int, overlap_tokens: int = 0, tokenizer: str = ""
) -> Chunker:
    """The chunker `method`; `tokenizer` names what `tokens` is, so that another one changes the fingerprint."""
    return _CHUNKERS[method](tokens, max_tokens, overlap_tokens, tokenizer)
