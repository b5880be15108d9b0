"""A Ray cluster of several nodes, all of them on this machine and its loopback address, and what its
actors hold in tests: a function that makes it must be one that they can import."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from acclimate.cluster.place import UnfitError
from acclimate.settings import Settings
from acclimate.testing.embeddings import HashEmbedder
from acclimate.testing.models import ScriptedEngine
from acclimate.testing.states import STATE_S
from acclimate.types import Message
from acclimate.workflows.cluster_engine import Speaking
from acclimate.workflows.cluster_ingest import Reading, Wanted, require_documents
from acclimate.workspace.workspace import Workspace

T = TypeVar("T")

_TRIES = 6  # to start a node
_STORE_BYTES = 80 * 2**20  # shared memory of a node; Ray takes no less
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else it takes the machine's own address
    "AUTOSCALER_METRIC_PORT": "-1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # 15 by itself: on a busy machine it would hardly go on
}


class Desk:
    """What actors hold in tests of their own."""

    def double(self, number: int) -> int:
        """Twice the number."""
        return 2 * number

    def fail(self, error: Exception) -> None:
        """Raises what is given."""
        raise error

    def end(self) -> None:
        """End the actor, as for want of memory."""
        os._exit(1)

    def halt(self, begun: Path, number: int) -> int:
        """The first call waits until its actor is gone; another gives twice the number."""
        try:
            begun.touch(exist_ok=False)
        except FileExistsError:
            return 2 * number
        threading.Event().wait()
        raise AssertionError


def make_desk(cpus: int) -> Desk:
    """A desk on any node."""
    return Desk()


def make_desk_but_once(refused: Path, cpus: int) -> Desk:
    """A desk on every node but the one that asks first."""
    try:
        refused.touch(exist_ok=False)
    except FileExistsError:
        return Desk()
    raise UnfitError("the folder is not there.", hint="Mount it.")


def make_hash_reading(folder: Path, settings: Settings, wanted: Wanted, cpus: int) -> Reading:
    """What an actor of an ingest holds, with an embedder that takes no time."""
    workspace = Workspace(folder, settings, embedder=HashEmbedder())
    require_documents(workspace.documents)
    return Reading(workspace, wanted.parser, cpus)


def make_echo(cpus: int) -> Speaking:
    """A language model that says how many words it was asked in, and what they were."""
    return Speaking(ScriptedEngine(_echo, name="echo"))


def _echo(messages: Sequence[Message]) -> str:
    words = " ".join(message.content for message in messages).split()
    return f"{len(words)} words, which were {' '.join(words[:4])}"


def _started(start: Callable[[], T]) -> T:
    """What `start` gives, which starts processes of Ray. Ray gives a node's services 15 s to begin,
    too few on a busy machine: what came of a start that failed is killed, and it is tried again."""
    import psutil

    own = psutil.Process()
    for left in reversed(range(_TRIES)):
        before = set(own.children(recursive=True))
        try:
            return start()
        except Exception:
            for process in set(own.children(recursive=True)) - before:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if not left:
                raise
    raise AssertionError


class SimulatedCluster:
    """Nodes that can be added and killed; the first holds no actors."""

    def __init__(self, cluster: Any, cpus: int) -> None:
        self._cluster, self._cpus = cluster, cpus
        self.nodes: list[Any] = []

    @property
    def address(self) -> str:
        """As `[cluster] address` has it."""
        return str(self._cluster.address)

    def add(self) -> None:
        """Start a node."""
        options = {"num_cpus": self._cpus, "object_store_memory": _STORE_BYTES}
        self.nodes.append(_started(lambda: self._cluster.add_node(wait=False, **options)))
        self._cluster.wait_for_nodes(timeout=STATE_S)

    def kill(self, place: int) -> None:
        """Kill all processes of a node at once."""
        self._cluster.remove_node(self.nodes.pop(place), allow_graceful=False)


@contextmanager
def simulated_cluster(
    nodes: int, cpus: int = 1, *, token: bool = True
) -> Iterator[SimulatedCluster]:
    """A cluster of so many nodes with so many CPUs each, beside a head that takes no work unless it
    is alone.

    This process is not connected to it. Without a `token` anybody may be. Ray reads its environment
    when it is imported: import it nowhere before.
    """
    added = _ENVIRONMENT | {"RAY_AUTH_TOKEN": secrets.token_hex(16)}
    if not token:
        added |= {"RAY_AUTH_MODE": "disabled"}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        from ray.cluster_utils import Cluster

        head = {
            "num_cpus": 0 if nodes else cpus,
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
        }
        cluster = _started(lambda: Cluster(initialize_head=True, head_node_args=head))
        try:
            made = SimulatedCluster(cluster, cpus)
            for _ in range(nodes):
                made.add()
            yield made
        finally:
            cluster.shutdown()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
