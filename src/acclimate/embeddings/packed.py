"""Encoders whose weights are packed in four bits, in the one file `e5-small-q4.bin`.

The file is plain data, little-endian: "E5S1" and a version; the sizes of a BERT encoder; a
SentencePiece vocabulary and a table of character replacements, which are skipped, as tokenizer.json
lies beside; a directory of tensors; the tensors, matrices as ggml's Q4_0 (blocks of 32 weights: a
float16 scale and sixteen bytes, whose low halves come first), all else float32. Matrices are
unpacked to float32 when they are loaded, so that the same graph runs as from safetensors.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.embeddings.weights import FloatArray
from acclimate.errors import ModelError

PACKED = "e5-small-q4.bin"
_MAGIC = b"E5S1"
_QK = 32  # weights in a block
_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", (_QK // 2,))])
_ROWS = 4096  # of a matrix, unpacked at a time
_MOST = 100_000  # entries that a directory may claim
_TABLES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tensor of the directory: `kind` 0 is float32, 1 is Q4_0; `offset` and `size` in bytes."""

    name: str
    kind: int
    offset: int
    size: int


class _Reader:
    """Numbers of a file, one after another."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize(form)
        return struct.unpack(form, self.bytes(size))

    def bytes(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self.at:
            raise ValueError(f"it ends at {len(self._data)}, within what is said at {self.at}")
        self.at += size
        return self._data[self.at - size : self.at].tobytes()

    def skip(self, size: int) -> None:
        if not 0 <= size <= len(self._data) - self.at:
            raise ValueError(f"it ends at {len(self._data)}, within what is said at {self.at}")
        self.at += size


def packed_config(file: Path) -> dict[str, Any]:
    """The sizes in the file's header, under the names of config.json. Raises ModelError where it is
    missing or damaged."""
    return _read(file)[0]


def read_packed(file: Path) -> dict[str, FloatArray]:
    """Every tensor as float32, named as in safetensors of BERT. Raises ModelError where the file is
    missing or damaged."""
    config, entries, data = _read(file)
    try:
        return {_named(one.name): _tensor(one, data, config) for one in entries}
    except (ValueError, KeyError) as error:
        raise _damaged(file, error) from error


def _read(file: Path) -> tuple[dict[str, Any], list[_Entry], NDArray[np.uint8]]:
    try:
        data = np.memmap(file, dtype=np.uint8, mode="r")
        reader = _Reader(data)
        if reader.bytes(4) != _MAGIC:
            raise ValueError(f"it does not begin with {_MAGIC.decode()}")
        _, hidden, layers, heads, wide, words, positions, types = reader.take("<8i")
        epsilon, block = reader.take("<fi")
        if block != _QK:
            raise ValueError(f"its blocks have {block} weights, not {_QK}")
        entries = _directory(reader)
    except FileNotFoundError as error:
        raise ModelError(
            f"{file} is missing.", hint="Fetch the model: acclimate models fetch"
        ) from error
    except (OSError, ValueError, struct.error) as error:
        raise _damaged(file, error) from error
    config = {
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": wide,
        "vocab_size": words,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": epsilon,
        "hidden_act": "gelu",
    }
    return config, entries, data


def _directory(reader: _Reader) -> list[_Entry]:
    """What stands after the vocabulary and the table of replacements."""
    (pieces,) = reader.take("<i")
    reader.skip(4 * 4)  # ids of special tokens
    (letters,) = reader.take("<Q")
    reader.skip(4 * (pieces + 1) + 4 * pieces + letters)
    _, replacements = reader.take("<iI")
    reader.skip(replacements)
    (count,) = reader.take("<i")
    if not 0 < count <= _MOST:
        raise ValueError(f"its directory claims {count} tensors")
    found = []
    for _ in range(count):
        (length,) = reader.take("<H")
        name = reader.bytes(length).decode("ascii")
        kind, _, offset, size = reader.take("<BIQQ")
        found.append(_Entry(name, kind, offset, size))
    return found


def _named(name: str) -> str:
    if name in _TABLES:
        return _TABLES[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{int(layer.removeprefix('l'))}.{_PARTS[part]}.{_KINDS[kind]}"


def _tensor(entry: _Entry, data: NDArray[np.uint8], config: Mapping[str, Any]) -> FloatArray:
    if not 0 <= entry.offset <= entry.offset + entry.size <= len(data):
        raise ValueError(f"{entry.name} lies at {entry.offset} of {len(data)} bytes")
    raw = data[entry.offset : entry.offset + entry.size]
    hidden = int(config["hidden_size"])
    if entry.kind == 1:
        columns = int(config["intermediate_size"]) if ".fo." in entry.name else hidden
        return _unpacked(raw.view(_BLOCK), columns)
    if entry.kind != 0:
        raise ValueError(f"{entry.name} is of the unknown kind {entry.kind}")
    flat = np.array(raw.view("<f4"), np.float32)
    return flat.reshape(-1, hidden) if entry.name in ("emb.pos", "emb.type") else flat


def _unpacked(blocks: NDArray[np.void], columns: int) -> FloatArray:
    """[rows, columns] of blocks in their order; ggml, `dequantize_row_q4_0`."""
    rows = blocks.reshape(-1, columns // _QK)
    full = np.empty((len(rows), columns // _QK, _QK), np.float32)
    for at in range(0, len(rows), _ROWS):  # in place: three times as fast as by whole arrays
        some, here = rows[at : at + _ROWS], full[at : at + _ROWS]
        here[..., : _QK // 2] = some["pairs"] & 15
        here[..., _QK // 2 :] = some["pairs"] >> 4
        here -= 8
        here *= some["scale"].astype(np.float32)[..., None]
    return full.reshape(len(rows), columns)


def _damaged(file: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{file} is no encoder packed in four bits: {error}.",
        hint="Fetch the model again: acclimate models fetch",
    )
