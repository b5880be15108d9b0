"""Several processes that train one model, as `torchrun` starts them: each takes its share of a
step's sequences.

The parameters that are trained are few, so their gradients are added up in one exchange a step
(gloo between CPUs, NCCL between GPUs), and all processes stay equal. One process needs none of
this.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """This process among `size`; `device` is its own."""

    rank: int
    size: int
    device: torch.device

    def share(self, items: Sequence[T], costs: Sequence[float]) -> list[T]:
        """This process's part of `items`, as many as each other's: the dearest go first, each to
        the process with the least to do, since all wait for the last at the end of a step."""
        order = sorted(range(len(items)), key=lambda item: -costs[item])
        given: list[list[int]] = [[] for _ in range(self.size)]
        for start in range(0, len(order), self.size):
            given.sort(key=lambda own: sum(costs[item] for item in own))
            for own, item in zip(given, order[start : start + self.size], strict=False):
                own.append(item)
        return [items[item] for item in sorted(given[self.rank])]

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, part in zip(
            tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True
        ):
            tensor.copy_(part.view_as(tensor))

    def agree(self, value: float) -> float:
        """The first process's value, in all of them."""
        if self.size == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(held, 0)
        return held.item()


def own_device() -> torch.device:
    """This process's GPU where the machine has any, else the CPU."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % gpus)
        if gpus
        else torch.device("cpu")
    )


def join() -> World:
    """The processes that `torchrun` started, else this one alone; on GPUs where there are any."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = own_device()
    if size > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return World(rank, size, device)
