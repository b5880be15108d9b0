"""The nodes of the cluster that this process is connected to, and what an actor takes of one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is alive, with all that it has, whoever uses it."""

    id: str
    host: str
    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """CPUs (0: all of the node's) and GPUs of an actor; the `number`-th such part of its node."""

    cpus: int = 0
    gpus: float = 0.0
    number: int = 0


def shares(node: Node, wanted: Share, *, without_gpus: bool = False) -> list[Share]:
    """The actors that a node has room for; where GPUs are wanted, others only if `without_gpus`.
    Without a number of CPUs they share the node's."""
    with_gpus = int(node.gpus // wanted.gpus) if wanted.gpus else 0
    cpus = wanted.cpus or max(1, int(node.cpus) // max(1, with_gpus))
    count = int(node.cpus // cpus)
    if wanted.gpus and not without_gpus:
        count = min(count, with_gpus)
    return [
        Share(cpus, wanted.gpus if number < with_gpus else 0.0, number) for number in range(count)
    ]


def nodes() -> list[Node]:
    """The nodes that are alive."""
    import ray

    return [
        Node(
            str(one["NodeID"]),
            str(one["NodeManagerAddress"]),
            float(one["Resources"].get("CPU", 0)),
            float(one["Resources"].get("GPU", 0)),
        )
        for one in ray.nodes()
        if one["Alive"]
    ]
