"""Whether a sequence's tensors fit the memory that is free, so that checkpointing is chosen by it
and not by guess."""

from __future__ import annotations

from typing import Any

import psutil
import torch
from torch import nn

from acclimate.tuning.attention import KEPT
from acclimate.tuning.quantised import is_held

_SHARE = 0.5  # of the free memory: the estimate leaves out what is freed at once


def kept_bytes(config: Any, tokens: int, item: int) -> int:
    """What the layers keep for the way back of `tokens` tokens, in bytes; `item` bytes a number.

    For each token and layer: the inputs of two norms and of the projections behind them, queries,
    keys and values before and after the rotation, attention's result, gate, up and their product;
    and attention's probabilities as far as they are kept.
    """
    heads, keys = config.num_attention_heads, config.num_key_value_heads
    d = getattr(config, "head_dim", None) or config.hidden_size // heads
    numbers = 4 * config.hidden_size + 2 * (heads + 2 * keys) * d + heads * d
    numbers += 3 * config.intermediate_size
    probabilities = heads * tokens**2
    numbers = tokens * numbers + (probabilities if probabilities <= KEPT else 0)
    return int(config.num_hidden_layers * numbers * item)


def free_bytes(device: torch.device) -> int:
    """Memory that a process may still take: of the GPU, else of the machine."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + unused)


def weight_bytes(network: nn.Module) -> int:
    """Of parameters and buffers."""
    held = [*network.parameters(), *network.buffers()]
    return sum(one.numel() * one.element_size() for one in held)


class Checkpointing:
    """Chooses for each sequence whether layers are computed again on the way back.

    `asked` None: where the sequence would take more than half of what was free at the start, and
    always where the weights stay in their blocks, which is for saving memory.
    """

    def __init__(self, network: nn.Module, device: torch.device, asked: bool | None) -> None:
        self._asked = True if asked is None and is_held(network) else asked
        self._config: Any = network.config
        self._free = free_bytes(device)
        self._item = next(network.parameters()).element_size()

    def __call__(self, tokens: int) -> bool:
        """For a sequence of so many tokens."""
        if self._asked is not None:
            return self._asked
        return kept_bytes(self._config, tokens, self._item) > _SHARE * self._free
