"""The section of `acclimate.toml` about where long work is computed: each key with its unit, its
default and what it means."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from acclimate.settings_library import Section


class ClusterSettings(Section):
    """Where `ingest`, `compare` and `tune` compute."""

    engine: Literal["local", "ray"] = Field(
        default="local",
        description="local: in this process; ray: in actors on the nodes of a Ray cluster (extra "
        "ray), see docs/cluster.md",
    )
    address: str = Field(
        default="",
        description='of the Ray cluster, like "HOST:6379", or "auto" for the one that this machine '
        "is part of; empty: one on this machine alone, as long as the command runs",
    )
    cpus: int = Field(
        default=0,
        ge=0,
        description="CPUs of an actor; 0: a node's, so that each node has one actor",
    )
    gpus: float = Field(
        default=0.0,
        ge=0,
        description="GPUs of an actor; above 0, only nodes that have them embed, answer and train, "
        "while all read files",
    )
    dashboard: bool = Field(
        default=False,
        description="whether a cluster that is started here has Ray's dashboard (needs "
        "ray[default])",
    )
