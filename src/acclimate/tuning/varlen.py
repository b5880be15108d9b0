"""Attention of a packed sequence in one call on a GPU, instead of one for each of its spans.

FlashAttention's variable-length kernel takes queries and keys of many sequences end to end. Each
span is one: its keys are those that all of it sees, gathered before its own, and with the causal
mask aligned at the end a span's first query sees them all and its own token.

Source: Dao, FlashAttention-2, arXiv 2307.08691; the mask's alignment is that of its version 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise

import torch

from acclimate.tuning.spans import Spans

Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, "Lengths"], torch.Tensor]
"""q [T, n, d], k and v [S, g, d] of sequences end to end → [T, n, d]."""
_AMPERE = 8  # compute capability from which the kernel runs
_WIDEST = 256  # of a head


@dataclass(frozen=True, slots=True)
class Lengths:
    """Where each sequence's queries and keys begin, the end included, as int32; and the longest of
    both. `keys` says which key stands where."""

    keys: torch.Tensor
    starts_q: torch.Tensor
    starts_k: torch.Tensor
    most_q: int
    most_k: int


@lru_cache(maxsize=16)  # the same sequence comes again in every layer
def lengths(spans: Spans, virtual: int, device: torch.device) -> Lengths:
    """Of a packed sequence behind `virtual` tokens."""
    keys, starts_q, starts_k = [], [0], [0]
    for start, end, seen in spans.each(virtual):
        keys += [torch.arange(seen), torch.arange(virtual + start, virtual + end)]
        starts_q.append(starts_q[-1] + end - start)
        starts_k.append(starts_k[-1] + seen + end - start)
    return Lengths(
        torch.cat(keys).to(device),
        torch.tensor(starts_q, dtype=torch.int32, device=device),
        torch.tensor(starts_k, dtype=torch.int32, device=device),
        max(end - start for start, end in pairwise(starts_q)),
        max(end - start for start, end in pairwise(starts_k)),
    )


def in_one_call(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, spans: Spans, kernel: Kernel
) -> torch.Tensor:
    """`attend` by one call of `kernel`. q: [L, n, d]; k, v: [p + L, g, d] → [L, n · d]."""
    found = lengths(spans, len(k) - len(q), q.device)
    return kernel(q, k[found.keys], v[found.keys], found).flatten(1)


def flash(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, found: Lengths) -> torch.Tensor:
    """PyTorch's kernel. Not run on a GPU yet: `scripts/gpu-check` holds it to the loop."""
    from torch.nn.attention.varlen import varlen_attn

    result: torch.Tensor = varlen_attn(  # type: ignore[assignment]  # no other values are asked for
        q, k, v, found.starts_q, found.starts_k, found.most_q, found.most_k,
        window_size=(-1, 0), enable_gqa=True,
    )  # fmt: skip
    return result


@lru_cache(maxsize=4)
def has_kernel(device: torch.device) -> bool:
    """Whether the device and this PyTorch have the kernel."""
    if device.type != "cuda" or find_spec("torch.nn.attention.varlen") is None:
        return False
    return torch.cuda.get_device_capability(device)[0] >= _AMPERE


def fits_kernel(q: torch.Tensor) -> bool:
    """Whether the kernel takes these queries: half precision, and heads that are not too wide."""
    half = q.dtype in (torch.float16, torch.bfloat16)
    return half and q.shape[-1] <= _WIDEST and has_kernel(q.device)
