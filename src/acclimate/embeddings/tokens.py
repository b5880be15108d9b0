"""A model's own tokenizer (Hugging Face tokenizer.json), for embedding and for chunking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from acclimate.errors import ModelError
from acclimate.types import Span


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of each text, with special tokens, and how many of the texts were cut to the limit."""

    ids: list[list[int]]
    cut: int


class TextTokenizer:
    """Texts to ids and spans. Safe to call from several threads: its settings never change after the start."""

    def __init__(self, file: Path, max_tokens: int) -> None:
        self._file = file
        self._cutting = load_tokenizer(file)
        # Files carry the padding and truncation of whoever saved them; all-MiniLM-L6-v2's cuts at 128 tokens.
        self._cutting.no_padding()
        self._cutting.enable_truncation(max_tokens)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text, at most `max_tokens` of them, the closing special token kept."""
        encodings = self._cutting.encode_batch_fast(list(texts))
        return Encoded([encoding.ids for encoding in encodings], sum(bool(e.overflowing) for e in encodings))

    def spans(self, text: str) -> list[Span]:
        """Character span of each token of the whole text, without special tokens."""
        return [Span(start, end) for start, end in self._whole.encode(text, add_special_tokens=False).offsets]

    @cached_property
    def _whole(self) -> Tokenizer:
        whole = load_tokenizer(self._file)
        whole.no_padding()
        whole.no_truncation()
        return whole


def load_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer in a file, as it was saved. Raises ModelError where it is missing or damaged."""
    if not file.is_file():
        raise ModelError(f"{file} is missing.", hint="Fetch the model: acclimate models fetch")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the binding raises bare Exception
        raise ModelError(
            f"{file} is damaged: {error}.", hint="Fetch the model again: acclimate models fetch"
        ) from error
