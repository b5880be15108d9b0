"""Joins a Ray cluster, or starts one on this machine for as long as a command runs.

Ray's own defaults tell its makers of every cluster and listen on every address, so what it reads
from the environment is set before it is imported: no usage statistics, a token, and for a cluster
of this machine alone the loopback address.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any

from acclimate.cluster.nodes import Share, nodes
from acclimate.cluster.place import Make
from acclimate.cluster.pool import Pool
from acclimate.errors import EngineError, MissingExtraError, SettingsError
from acclimate.settings_cluster import ClusterSettings
from acclimate.system.platforms import usable_cpus

log = logging.getLogger(__name__)

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # docs of Ray, "Usage Stats Collection"
    "RAY_AUTH_MODE": "token",  # docs of Ray, "Token authentication", from 2.52 on
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of a change to come
}
_ALONE = {
    # Ray takes loopback for its address where it is told that clusters are not supported, as on
    # macOS.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "AUTOSCALER_METRIC_PORT": "-1",
    "RAY_worker_niceness": "0",  # 15 by itself, but what actors do here is this command's own work
}
_CONNECT_S = 3.0
_STORE_BYTES = 256 * 2**20  # shared memory of a cluster of this machine, for documents on their way


@contextmanager
def joined(settings: ClusterSettings) -> Iterator[None]:
    """Connected to the cluster that `settings` name until the end of the block.

    A connection that this process has already is used, and left. Raises MissingExtraError without
    Ray, SettingsError for an address or a token that is wrong, and EngineError where no cluster
    answers.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("[cluster] engine = 'ray'", "ray")
    if settings.address.startswith("ray://"):
        raise SettingsError(
            f"'cluster.address' = '{settings.address}': Ray's client cannot carry what actors hold.",
            hint='Run this on a machine of the cluster, with address = "auto" or "HOST:6379".',
        )
    environment = dict(_QUIET)
    if not settings.address:
        environment |= _ALONE | {"RAY_AUTH_TOKEN": secrets.token_hex(16)}
    added = {name: value for name, value in environment.items() if name not in os.environ}
    os.environ.update(added)
    try:
        import ray

        if ray.is_initialized():
            yield
            return
        with _own_signals():
            _connect(ray, settings)
        try:
            yield
        finally:
            ray.shutdown()
    finally:
        for name in added:  # another cluster may have another token
            os.environ.pop(name, None)


@contextmanager
def open_pool(
    settings: ClusterSettings, make: Make, *, depth: int = 0, without_gpus: bool = False
) -> Iterator[Pool]:
    """Actors of the cluster that `settings` name, each with what `make` makes; see `Pool` and
    `joined`."""
    share = Share(settings.cpus, settings.gpus)
    with (
        joined(settings),
        Pool(make, share, nodes=nodes, depth=depth, without_gpus=without_gpus) as pool,
    ):
        yield pool


def _connect(ray: Any, settings: ClusterSettings) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not settings.address:
        options |= {
            "num_cpus": usable_cpus(),
            "include_dashboard": settings.dashboard,
            "object_store_memory": _STORE_BYTES,
        }
    try:
        ray.init(settings.address or "local", **options)
    except Exception as error:  # Ray raises plain ones too
        refused = isinstance(error, ray.exceptions.AuthenticationError)
        if refused or (isinstance(error, ConnectionError) and _listens(settings.address)):
            raise SettingsError(
                f"the Ray cluster at '{settings.address}' refuses this machine: it wants another "
                "token, or is no cluster.",
                hint="Copy the cluster's ~/.ray/auth_token here, or set RAY_AUTH_TOKEN; to join one "
                "that asks for none: RAY_AUTH_MODE=disabled.",
            ) from error
        where = (
            f"no Ray cluster at '{settings.address}'" if settings.address else "Ray cannot start"
        )
        said = str(error).strip().splitlines()
        raise EngineError(
            f"{where}: {said[0].rstrip('.') if said else type(error).__name__}.",
            hint="Check [cluster] address and its port; `ray status` there tells how the cluster "
            "is.",
            retryable=True,
        ) from error


def _listens(address: str) -> bool:
    """Whether anything takes connections at HOST:PORT."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return False
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S)):
            return True
    except OSError:
        return False


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handling of signals, for which Ray puts in its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
