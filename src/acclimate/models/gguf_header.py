"""A GGUF file's numbers and the places of its tensors, without its lists of words: `gguf`'s own
reader makes objects of all of these, which takes a gigabyte for 150,000 words.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import gguf

from acclimate.errors import ModelError

_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 24  # bytes of a text
_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor's blocks stand: `rows` of equally many bytes from `offset` on; `kind` is
    GGUF's name of the type."""

    name: str
    kind: str
    rows: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """Single values by key (lists are left out), and the tensors by name."""

    fields: dict[str, str | float | int | bool]
    tensors: dict[str, TensorPlace]

    def number(self, key: str, default: float | None = None) -> float:
        """A number. Raises ModelError where it is not there and has no default."""
        value = self.fields.get(key, default)
        if isinstance(value, str) or value is None:
            raise ModelError(f"the file lacks the field '{key}'.", hint="Use a complete GGUF file.")
        return value


def read_header(file: Path) -> Header:
    """Raises ModelError where the file is no GGUF file or ends too early."""
    try:
        with file.open("rb") as opened:
            magic, _version, tensors, fields = struct.unpack("<4sIQQ", opened.read(24))
            if magic != b"GGUF":
                raise ModelError(f"{file.name} is no GGUF file.", hint="acclimate models verify")
            found: dict[str, str | float | int | bool] = {}
            for _ in range(fields):
                key = _text(opened)
                value = _value(opened, *struct.unpack("<I", opened.read(4)))
                if value is not None:
                    found[key] = value
            places = [_place(opened) for _ in range(tensors)]
            alignment = int(found.get("general.alignment", _ALIGNMENT))
            start = -(-opened.tell() // alignment) * alignment
    except (OSError, struct.error, KeyError, ValueError) as error:
        raise ModelError(
            f"{file} is not a readable GGUF file: {error}.", hint="acclimate models verify"
        ) from error
    moved = [
        TensorPlace(one.name, one.kind, one.rows, start + one.offset, one.size) for one in places
    ]
    if any(one.offset + one.size > file.stat().st_size for one in moved):
        raise ModelError(f"{file} ends too early.", hint="acclimate models verify")
    return Header(found, {one.name: one for one in moved})


def _text(opened: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", opened.read(8))
    if length > _LONGEST:
        raise ValueError(f"a text of {length} bytes")
    return opened.read(length).decode(errors="replace")


def _value(opened: BinaryIO, kind: int) -> str | float | int | bool | None:
    """A single value; a list is passed over."""
    if kind == _STRING:
        return _text(opened)
    if kind == _ARRAY:
        of, count = struct.unpack("<IQ", opened.read(12))
        if of in _NUMBERS:
            opened.seek(struct.calcsize(f"<{_NUMBERS[of]}") * count, 1)
            return None
        for _ in range(count):
            _value(opened, of)
        return None
    form = f"<{_NUMBERS[kind]}"
    value: float | int | bool = struct.unpack(form, opened.read(struct.calcsize(form)))[0]
    return value


def _place(opened: BinaryIO) -> TensorPlace:
    name = _text(opened)
    (dimensions,) = struct.unpack("<I", opened.read(4))
    shape = struct.unpack(f"<{dimensions}Q", opened.read(8 * dimensions))
    number, offset = struct.unpack("<IQ", opened.read(12))
    kind = gguf.GGMLQuantizationType(number)
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    rows = 1
    for one in shape[1:]:
        rows *= one
    return TensorPlace(name, kind.name, rows, offset, shape[0] // weights * size * rows)
