"""LangChain's text splitters (extra `langchain`), with the places of their pieces found again, or
refused."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from acclimate.chunking.base import TokenSpans
from acclimate.chunking.cuts import Counter, make_chunk, strip
from acclimate.errors import DocumentError, MissingExtraError, SettingsError
from acclimate.types import Chunk, Document, Span


class LangChainChunker:
    """Pieces of the splitter class `splitter` of langchain_text_splitters, each an exact span.

    Sizes are in characters, as there: four for each token of `max_tokens` and `overlap`. Pieces
    over `max_tokens` are cut once more. Raises DocumentError where a splitter changed the text so
    that a piece stands nowhere in it.
    """

    def __init__(
        self, tokens: TokenSpans, max_tokens: int, overlap: int, splitter: str, tokenizer: str = ""
    ) -> None:
        self._tokens, self._max_tokens, self._name = tokens, max_tokens, splitter
        self._overlap = 4 * overlap
        try:
            module = import_module("langchain_text_splitters")
        except ImportError as error:
            raise MissingExtraError("[chunking] method = 'langchain'", extra="langchain") from error
        made = getattr(module, splitter, None)
        if not isinstance(made, type) or not hasattr(made, "split_text"):
            raise SettingsError(
                f"[chunking] splitter = {splitter!r} is not a splitter of langchain_text_splitters."
            )
        try:
            self._splitter: Any = made(chunk_size=4 * max_tokens, chunk_overlap=4 * overlap)
        except TypeError as error:
            reason = f"[chunking] splitter = {splitter!r} takes no chunk_size: {error}."
            raise SettingsError(
                reason, hint="Headings are followed by [chunking] method = 'structure'."
            ) from error
        self._fingerprint = f"langchain/1/{splitter}/{max_tokens}/{overlap}/{tokenizer}"

    @property
    def fingerprint(self) -> str:
        """See `Chunker`."""
        return self._fingerprint

    def split(self, document: Document) -> list[Chunk]:
        """See `Chunker`."""
        counter = Counter(self._tokens, document.text)
        chunks: dict[str, Chunk] = {}
        after = 0
        for piece in self._splitter.split_text(document.text):
            text = str(getattr(piece, "page_content", piece)).strip()
            start = document.text.find(text, after)
            if not text:
                continue
            if start < 0:
                raise DocumentError(
                    f"{document.path}: {self._name} changed the text: {text[:60]!r} stands "
                    f"nowhere after {after}.",
                    hint="Use another splitter, or [chunking] method = 'recursive'.",
                )
            after = max(start + 1, start + len(text) - self._overlap)
            for span in counter.within(
                strip(document.text, Span(start, start + len(text))), self._max_tokens
            ):
                chunk = make_chunk(document, span)
                chunks[chunk.id] = chunk
        return sorted(chunks.values(), key=lambda chunk: (chunk.start, chunk.end))
