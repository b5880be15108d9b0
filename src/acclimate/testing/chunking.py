"""The contract that every `Chunker` must keep."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from acclimate.chunking.base import Chunker, TokenSpans
from acclimate.types import Document, Span


def word_spans(text: str) -> list[Span]:
    """Words and single punctuation marks as tokens: a tokenizer without a model."""
    return [Span(match.start(), match.end()) for match in re.finditer(r"\w+|[^\w\s]", text)]


def no_embedder(texts: Sequence[str]) -> Any:
    """For chunkers that need no vectors."""
    raise AssertionError(f"this chunker embeds {len(texts)} texts")


def check_chunks(chunker: Chunker, document: Document, tokens: TokenSpans, max_tokens: int) -> None:
    """Hold a chunker's work on one document to the contract; raises AssertionError with the rule
    that it breaks."""
    chunks = chunker.split(document)
    for chunk in chunks:
        _require(document.text[chunk.start : chunk.end] == chunk.text, "a chunk is an exact span")
        _require(chunk.text.strip() == chunk.text != "", "a chunk is neither blank nor padded")
        _require(
            len(tokens(chunk.shown)) <= max_tokens or chunk.end - chunk.start == 1,
            "no chunk is over the limit",
        )
        _require(chunk.document == document.path, "a chunk names its document")
    _require(
        [c.start for c in chunks] == sorted(c.start for c in chunks), "chunks are in reading order"
    )
    _require(len({chunk.id for chunk in chunks}) == len(chunks), "ids are unique in a document")
    _require(
        [chunk.id for chunk in chunker.split(document)] == [chunk.id for chunk in chunks],
        "ids are stable",
    )
    covered = bytearray(len(document.text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    for element in document.elements:
        inside = range(element.start, element.end)
        lost = any(not covered[at] and not document.text[at].isspace() for at in inside)
        _require(
            not lost or element.kind in ("header", "footer"), "every element's text is in a chunk"
        )


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(f"the chunker breaks a rule: {rule}.")
