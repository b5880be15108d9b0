"""A frozen base that no single GPU can hold, spread over all processes: each layer is put together
when it is computed, and taken apart again.

Only what is frozen is spread. What is trained stays whole in every process, and its gradients are
added up as ever (`parallel.py`). Embeddings, the last norm and the head stay whole, too.

Source: Zhao et al., FSDP, arXiv 2304.11277; PyTorch's `fully_shard`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from acclimate.errors import SettingsError
from acclimate.tuning.fitting import free_bytes, weight_bytes
from acclimate.tuning.lora import layers
from acclimate.tuning.network import SHARDED, run_layer
from acclimate.tuning.parallel import World

_SHARE = 0.7  # of a GPU's free memory that weights may take; the rest is for sequences


def needs_sharding(network: nn.Module, world: World) -> bool:
    """Whether the weights are too large for one of several GPUs; not where they are on it."""
    there = next(network.parameters()).device.type == "cuda"
    if world.size == 1 or world.device.type != "cuda" or there:
        return False
    return weight_bytes(network) > _SHARE * free_bytes(world.device)


def shard(network: nn.Module, world: World, trained: Sequence[nn.Parameter]) -> None:
    """Spread the frozen weights of the layers over the processes; the rest goes to `world.device`.

    From then on the network is computed by `hidden_states` alone, by all processes together.
    Raises SettingsError where weights of the layers themselves are trained.
    """
    body: Any = network.model
    mine = {id(parameter) for parameter in trained}
    for layer in body.layers:
        frozen = [one for one in layer.parameters() if id(one) not in mine]
        if not frozen:
            raise SettingsError(
                "a network whose weights are all trained cannot be spread over GPUs.",
                hint="Train an adapter: acclimate tune lora",
            )
    mesh = init_device_mesh(world.device.type, (world.size,))
    for layer in body.layers:
        setattr(layer, "forward", partial(run_layer, layer))  # noqa: B010 -- mypy forbids the plain way
        own = {one for one in layer.parameters() if id(one) in mine}
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=own)
        setattr(layer, SHARDED, True)
    for parameter in trained:
        parameter.data = parameter.data.to(world.device)
    for _, beside in layers(network):
        if beside.start is not None:
            beside.start = (beside.start[0].to(world.device), beside.start[1].to(world.device))
    for name, part in network.named_modules():
        if not name.startswith("model.layers") and not list(part.children()):
            part.to(world.device)
