"""The quantised blocks of GGUF files, dequantised by PyTorch to the bit as `gguf` does it.

A row of weights is a row of blocks; a block holds 32 or 256 weights as small integers, with scales
and offsets. Products and sums are float32 and rounded one by one, so no fused multiply-add may be
used here: what is trained on is to the bit what is merged and served.

Letters: N blocks, B weights of a block, S its bytes.

Format: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

_AT_ONCE = (
    1 << 18
)  # weights: 1 MB in float32 stays in a core's cache from the first pass to the last


@dataclass(frozen=True, slots=True)
class BlockType:
    """A type of block: `weights` B in `size` S bytes; `unpack`: uint8 [N, S] → float32 [N, B]."""

    name: str
    weights: int
    size: int
    unpack: Callable[[torch.Tensor], torch.Tensor]


def dequantise(blocks: torch.Tensor, kind: BlockType, dtype: torch.dtype) -> torch.Tensor:
    """uint8 [rows, bytes] → [rows, columns] of `dtype`, some rows at a time: the float32 values
    never exist all at once."""
    rows, columns = len(blocks), blocks.shape[1] // kind.size * kind.weights
    result = torch.empty(rows, columns, dtype=dtype, device=blocks.device)
    step = max(1, _AT_ONCE // columns) if blocks.device.type == "cpu" else max(1, rows)
    for start in range(0, rows, step):
        part = blocks[start : start + step]
        values = kind.unpack(part.reshape(-1, kind.size))
        result[start : start + step] = values.view(len(part), columns)
    return result


def _half(blocks: torch.Tensor, at: int) -> torch.Tensor:
    """The half-precision number at byte `at` as float32 [N, 1]."""
    return blocks[:, at : at + 2].contiguous().view(torch.float16).float()


def _split(packed: torch.Tensor, bits: int) -> torch.Tensor:
    """uint8 [..., n] of 8 / bits numbers each, the lowest first → [..., 8 / bits, n]."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    return (packed[..., None, :] >> shifts[:, None]) & ((1 << bits) - 1)


def _single_bits(packed: torch.Tensor) -> torch.Tensor:
    """uint8 [N, n] → the bits of each byte in turn, the lowest first: [N, 8 n]."""
    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[..., None] >> shifts) & 1).flatten(1)


def _q4_0(x: torch.Tensor) -> torch.Tensor:
    q = _split(x[:, 2:], 4).flatten(1).to(torch.int8) - 8
    return q.float().mul_(_half(x, 0))


def _q4_1(x: torch.Tensor) -> torch.Tensor:
    return _split(x[:, 4:], 4).flatten(1).float().mul_(_half(x, 0)).add_(_half(x, 2))


def _q5_0(x: torch.Tensor) -> torch.Tensor:
    q = _split(x[:, 6:], 4).flatten(1) | (_single_bits(x[:, 2:6]) << 4)
    return (q.to(torch.int8) - 16).float().mul_(_half(x, 0))


def _q5_1(x: torch.Tensor) -> torch.Tensor:
    q = _split(x[:, 8:], 4).flatten(1) | (_single_bits(x[:, 4:8]) << 4)
    return q.float().mul_(_half(x, 0)).add_(_half(x, 2))


def _q8_0(x: torch.Tensor) -> torch.Tensor:
    return x[:, 2:].view(torch.int8).float().mul_(_half(x, 0))


def _q2_k(x: torch.Tensor) -> torch.Tensor:
    scales, packed = x[:, :16], x[:, 16:80]
    d = (_half(x, 80) * (scales & 15).float())[..., None]
    low = (_half(x, 82) * (scales >> 4).float())[..., None]
    q = _split(packed.reshape(-1, 2, 32), 2).reshape(-1, 16, 16)
    return q.float().mul_(d).sub_(low).flatten(1)


def _q3_k(x: torch.Tensor) -> torch.Tensor:
    high, packed, scales = x[:, :32], x[:, 32:96], x[:, 96:108]
    lower = _split(scales[:, :8], 4).flatten(1)
    upper = _split(scales[:, 8:], 2).flatten(1)
    d = _half(x, 108) * ((lower | (upper << 4)).to(torch.int8) - 32).float()
    q = _split(packed.reshape(-1, 2, 32), 2).reshape(-1, 16, 16).to(torch.int8)
    unset = (_split(high, 1) ^ 1).reshape(-1, 16, 16).to(torch.int8)
    return (q - unset * 4).float().mul_(d[..., None]).flatten(1)


def _scales_and_offsets(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the eight parts of a Q4_K or Q5_K block, each [N, 8, 1]."""
    packed = x[:, 4:16].reshape(-1, 3, 4)
    first, second, last = packed.unbind(1)
    scale = torch.cat([first & 63, (last & 15) | ((first >> 2) & 48)], dim=1)
    low = torch.cat([second & 63, (last >> 4) | ((second >> 2) & 48)], dim=1)
    return (_half(x, 0) * scale.float())[..., None], (_half(x, 2) * low.float())[..., None]


def _q4_k(x: torch.Tensor) -> torch.Tensor:
    d, low = _scales_and_offsets(x)
    q = _split(x[:, 16:].reshape(-1, 4, 32), 4).reshape(-1, 8, 32)
    return q.float().mul_(d).sub_(low).flatten(1)


def _q5_k(x: torch.Tensor) -> torch.Tensor:
    d, low = _scales_and_offsets(x)
    q = _split(x[:, 48:].reshape(-1, 4, 32), 4).reshape(-1, 8, 32)
    q |= _split(x[:, 16:48], 1) << 4
    return q.float().mul_(d).sub_(low).flatten(1)


def _q6_k(x: torch.Tensor) -> torch.Tensor:
    lower = _split(x[:, :128].reshape(-1, 2, 64), 4).reshape(-1, 8, 32)
    upper = _split(x[:, 128:192].reshape(-1, 2, 32), 2).reshape(-1, 8, 32)
    d = _half(x, 208) * x[:, 192:208].view(torch.int8).float()
    q = (lower | (upper << 4)).to(torch.int8) - 32
    return q.reshape(-1, 16, 16).float().mul_(d[..., None]).flatten(1)


def _f16(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view(torch.float16).float()


def _bf16(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view(torch.bfloat16).float()


def _f32(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view(torch.float32)


_ROWS = (
    BlockType("Q4_0", 32, 18, _q4_0),
    BlockType("Q4_1", 32, 20, _q4_1),
    BlockType("Q5_0", 32, 22, _q5_0),
    BlockType("Q5_1", 32, 24, _q5_1),
    BlockType("Q8_0", 32, 34, _q8_0),
    BlockType("Q2_K", 256, 84, _q2_k),
    BlockType("Q3_K", 256, 110, _q3_k),
    BlockType("Q4_K", 256, 144, _q4_k),
    BlockType("Q5_K", 256, 176, _q5_k),
    BlockType("Q6_K", 256, 210, _q6_k),
    BlockType("F16", 1, 2, _f16),
    BlockType("BF16", 1, 2, _bf16),
    BlockType("F32", 1, 4, _f32),
)
BLOCK_TYPES = {row.name: row for row in _ROWS}
"""By GGUF's name of the type."""
