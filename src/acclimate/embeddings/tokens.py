"""A model's own tokenizer (Hugging Face tokenizer.json), for embedding and for chunking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from acclimate.embeddings.windows import cut
from acclimate.errors import ModelError
from acclimate.types import Span


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, with special tokens, of each text or of its windows; `texts` says whose, in the
    order of the texts."""

    ids: list[list[int]]
    texts: list[int]


class TextTokenizer:
    """Texts to ids and spans. Safe to call from several threads: its settings never change after
    the start."""

    def __init__(self, file: Path, max_tokens: int) -> None:
        self._file, self._max_tokens = file, max_tokens
        self._cutting = load_tokenizer(file)
        # Files carry the padding and truncation of whoever saved them; all-MiniLM-L6-v2's cuts at
        # 128 tokens.
        self._cutting.no_padding()
        self._cutting.enable_truncation(max_tokens)

    def encode(self, texts: Sequence[str], prefix: str = "") -> Encoded:
        """Ids of each text after `prefix`, in windows of at most `max_tokens`, special tokens and
        prefix in each."""
        found = Encoded([], [])
        for at, encoding in enumerate(
            self._cutting.encode_batch_fast([prefix + text for text in texts])
        ):
            ids = [encoding.ids] if not encoding.overflowing else self._windows(texts[at], prefix)
            found.ids.extend(ids)
            found.texts.extend([at] * len(ids))
        return found

    def _windows(self, text: str, prefix: str) -> list[list[int]]:
        room = (
            self._max_tokens
            - self._whole.num_special_tokens_to_add(False)
            - len(self.spans(prefix))
        )
        windows = [prefix + window for window in cut(text, self.spans(text), max(1, room))]
        return [encoding.ids for encoding in self._cutting.encode_batch_fast(windows)]

    def spans(self, text: str) -> list[Span]:
        """Character span of each token of the whole text, without special tokens."""
        return [
            Span(start, end)
            for start, end in self._whole.encode(text, add_special_tokens=False).offsets
        ]

    @cached_property
    def _whole(self) -> Tokenizer:
        whole = load_tokenizer(self._file)
        whole.no_padding()
        whole.no_truncation()
        return whole


def load_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer in a file, as it was saved. Raises ModelError where it is missing or
    damaged."""
    if not file.is_file():
        raise ModelError(f"{file} is missing.", hint="Fetch the model: acclimate models fetch")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the binding raises bare Exception
        raise ModelError(
            f"{file} is damaged: {error}.", hint="Fetch the model again: acclimate models fetch"
        ) from error
