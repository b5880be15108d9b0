"""What a GGUF file says about its model: tokenizer, chat template, context window.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gguf
import numpy as np
from gguf import GGUFValueType
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

from acclimate.errors import ModelError

_CONTROL = 3  # tokenizer.ggml.token_type of special tokens
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
_WORDS += r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN_WORDS = _WORDS.replace(r"\p{N}{1,3}", r"\p{N}")

# How text is cut before byte-pair merging, by `tokenizer.ggml.pre`; ByteLevel then maps bytes to
# characters.
_PRE_TOKENIZERS: dict[str, Callable[[], list[PreTokenizer]]] = {
    "smollm": lambda: [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ],
    "gpt-2": lambda: [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    "llama-bpe": lambda: _split(_WORDS),
    "qwen2": lambda: _split(_QWEN_WORDS),
}
TOKENIZERS = frozenset(_PRE_TOKENIZERS)
"""The values of `tokenizer.ggml.pre` that `read_tokenizer` knows."""
_SIZES = {
    0: 1,
    1: 1,
    2: 2,
    3: 2,
    4: 4,
    5: 4,
    6: 4,
    7: 1,
    10: 8,
    11: 8,
    12: 8,
}  # bytes by GGUF's type of a value
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 20  # bytes of a text that is looked at


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A language model's own facts.

    `context_tokens` is the window it was trained for; `stop_ids` are the tokens that end an answer;
    `bos` is put before every prompt where the model wants it ("" where not); `chat_template` is
    Jinja.
    """

    name: str
    architecture: str
    context_tokens: int
    chat_template: str
    bos: str
    stop_ids: tuple[int, ...]


class GGUFFile(gguf.GGUFReader):
    """The package's reader, which makes eight views of the mapped file for each word of a
    vocabulary: here arrays are read at once. It gives the same fields and tensors.

    Raises ValueError, or IndexError, where the file is damaged.
    """

    def _get_field_parts(
        self, orig_offs: int, raw_type: int
    ) -> tuple[int, list[NDArray[Any]], list[int], list[GGUFValueType]]:
        if raw_type != GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        of, count = self._get(orig_offs, np.uint32), self._get(orig_offs + 4, np.uint64)
        kind, start = GGUFValueType(of[0]), orig_offs + 12
        if kind == GGUFValueType.STRING:
            size, values = self._strings(start, int(count[0]))
            places = range(3, 2 + len(values), 2)  # behind each length
        elif kind in self.gguf_scalar_to_np:
            array = np.asarray(self._get(start, self.gguf_scalar_to_np[kind], int(count[0])))
            size, values = array.nbytes, list(array.reshape(-1, 1))
            places = range(2, 2 + len(values))
        else:  # arrays in an array
            return super()._get_field_parts(orig_offs, raw_type)
        if len(places) != count[0]:
            raise ValueError(f"it ends within the array at byte {orig_offs}")
        types = [GGUFValueType.ARRAY, *([kind] if values else [])]
        return 12 + size, [of, count, *values], list(places), types

    def _strings(self, start: int, count: int) -> tuple[int, list[NDArray[Any]]]:
        """Their bytes in all, and the length and the bytes of each; fewer where the file ends."""
        mapped = np.asarray(self.data)  # slices of a memmap cost ten times as much
        number = np.dtype(np.uint64).newbyteorder(self.byte_order)
        parts: list[NDArray[Any]] = []
        at = start
        for _ in range(count):
            length = mapped[at : at + 8].view(number)
            end = at + 8 + int(length[0])
            if end > len(mapped):
                break
            parts += (length, mapped[at + 8 : end])
            at = end
        return at - start, parts


def read_info(file: Path) -> ModelInfo:
    """Facts of the model in `file`. Raises ModelError where the file is damaged or lacks a chat
    template."""
    fields = _Fields(file)
    architecture = fields.text("general.architecture")
    template = fields.text("tokenizer.chat_template", "")
    if not template:
        raise ModelError(
            f"{file.name} has no chat template, so it is no chat model.",
            hint="Use an '-Instruct' or '-chat' model.",
        )
    tokens = fields.texts("tokenizer.ggml.tokens")
    ends = {
        fields.number("tokenizer.ggml.eos_token_id"),
        fields.number("tokenizer.ggml.eot_token_id", -1),
    }
    ends |= {
        index
        for index, token in enumerate(tokens)
        if token in ("<|im_end|>", "<|eot_id|>", "<|endoftext|>")
    }
    bos = (
        tokens[fields.number("tokenizer.ggml.bos_token_id")]
        if fields.flag("tokenizer.ggml.add_bos_token")
        else ""
    )
    return ModelInfo(
        name=fields.text("general.name", file.stem),
        architecture=architecture,
        context_tokens=fields.number(f"{architecture}.context_length"),
        chat_template=template,
        bos=bos,
        stop_ids=tuple(sorted(ends - {-1})),
    )


def read_texts(file: Path, keys: Collection[str]) -> dict[str, str]:
    """Text fields of a file, without the rest: takes no time where they stand near its beginning,
    as they do.

    Raises ModelError where the file is no GGUF file or ends too early.
    """
    found: dict[str, str] = {}
    try:
        with file.open("rb") as opened:
            magic, _version, _tensors, fields = struct.unpack("<4sIQQ", opened.read(24))
            if magic != b"GGUF":
                raise ModelError(f"{file.name} is no GGUF file.", hint="acclimate models verify")
            for _ in range(fields):
                key = _text(opened)
                (kind,) = struct.unpack("<I", opened.read(4))
                if key in keys and kind == _STRING:
                    found[key] = _text(opened)
                    if len(found) == len(keys):
                        break
                else:
                    _skip(opened, kind)
    except (OSError, struct.error, KeyError, ValueError) as error:
        raise ModelError(
            f"{file} is not a readable GGUF file: {error}.", hint="acclimate models verify"
        ) from error
    return found


def _text(opened: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", opened.read(8))
    if length > _LONGEST:
        raise ValueError(f"a text of {length} bytes")
    return opened.read(length).decode(errors="replace")


def _skip(opened: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _text(opened)
    elif kind == _ARRAY:
        of, count = struct.unpack("<IQ", opened.read(12))
        if of in _SIZES:
            opened.seek(_SIZES[of] * count, 1)
            return
        for _ in range(count):
            _skip(opened, of)
    else:
        opened.seek(_SIZES[kind], 1)


def read_tokenizer(file: Path) -> Tokenizer:
    """The model's byte-level BPE tokenizer, token for token. Raises ModelError for another kind."""
    fields = _Fields(file)
    kind, pre = fields.text("tokenizer.ggml.model"), fields.text("tokenizer.ggml.pre", "gpt-2")
    if kind != "gpt2" or pre not in _PRE_TOKENIZERS:
        raise ModelError(
            f"{file.name} has a '{kind}' tokenizer with pre-tokenizer '{pre}', which is not "
            f"supported.",
            hint=f"Supported: gpt2 with {', '.join(_PRE_TOKENIZERS)}. Others: serve them and use "
            f"engine 'openai'.",
        )
    tokens = fields.texts("tokenizer.ggml.tokens")
    merges = [_pair(merge) for merge in fields.texts("tokenizer.ggml.merges")]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(_PRE_TOKENIZERS[pre]())
    tokenizer.decoder = decoders.ByteLevel()
    types = fields.numbers("tokenizer.ggml.token_type")
    special = [token for token, kind_ in zip(tokens, types, strict=True) if kind_ == _CONTROL]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in special]
    )
    return tokenizer


def _split(pattern: str) -> list[PreTokenizer]:
    return [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]


def _pair(merge: str) -> tuple[str, str]:
    left, right = merge.split(" ")
    return left, right


class _Fields:
    """Typed look-ups in a GGUF file's metadata."""

    def __init__(self, file: Path) -> None:
        try:
            self._reader = GGUFFile(file)
        except (ValueError, OSError, IndexError) as error:
            raise ModelError(
                f"{file} is not a readable GGUF file: {error}.", hint="acclimate models verify"
            ) from error
        self._file = file

    def _get(self, key: str, default: object) -> Any:
        field = self._reader.get_field(key)
        if field is None and default is None:
            raise ModelError(
                f"{self._file.name} lacks the field '{key}'.", hint="Use a complete GGUF file."
            )
        return default if field is None else field.contents()

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._get(key, default))

    def number(self, key: str, default: int | None = None) -> int:
        return int(self._get(key, default))

    def flag(self, key: str) -> bool:
        return bool(self._get(key, False))

    def texts(self, key: str) -> list[str]:
        field = self._reader.get_field(key)
        if field is None:
            raise ModelError(
                f"{self._file.name} lacks the field '{key}'.", hint="Use a complete GGUF file."
            )
        return [bytes(field.parts[index]).decode() for index in field.data]

    def numbers(self, key: str) -> list[int]:
        return [int(value) for value in self._get(key, None)]
