"""Exact search, or by a graph (HNSW): which of them a server store uses, and how far it looks.

A graph leads to rows near a query and misses some; what it proposes is scored exactly. A filter
leaves of the proposed rows those that it allows, best first: the same that ranking only the allowed
ones gives, as it drops rows and moves none. Where too few are left, the allowed rows are compared
exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Literal

import numpy as np

from acclimate.indexes.base import Match
from acclimate.indexes.filters import Among

Search = Literal["auto", "exact", "approximate"]

_EXACT_BELOW = 20_000  # rows; from there on comparing all takes more than a search of the graph
CONNECTIVITY, WHEN_ADDED = 16, 128  # M and efConstruction, as the local graph has them
_LEAST = 200  # rows proposed, and so the paper's ef; of fewer, more than one hit in fifty is missed
_LEAST_LEFT = 40  # rows proposed that a filter is expected to leave, of ten asked for
_MOST = 10_000  # rows proposed; Elasticsearch and OpenSearch take no more
# One row that a graph proposes costs as much as this many that are compared by their keys.
# docs/decisions/retrieval.md has the measurements.
_KEYS_PER_PROPOSAL = 20


def graph_wanted(search: Search, rows: int) -> bool:
    """Whether an index of so many rows is to have a graph."""
    return search == "approximate" or (search == "auto" and rows >= _EXACT_BELOW)


def proposals(k: int, rows: int, among: Among | None = None) -> int | None:
    """How many of its `rows` a graph must propose for the `k` best among the allowed ones; None
    where to compare all that are allowed is less work."""
    allowed = rows if among is None else min(rows, len(among.keys))
    if k < 1 or not allowed:
        return None
    wanted = max(_LEAST, ceil(max(_LEAST_LEFT, 2 * k) * rows / allowed))
    costly = among is None or allowed > _KEYS_PER_PROPOSAL * wanted
    return wanted if costly and wanted < min(rows, _MOST) else None


def allowed_of(found: Iterable[Match], k: int, among: Among | None = None) -> list[Match] | None:
    """Of the rows proposed those that are allowed, best first, ties by lower key; None where they
    are fewer than `k`: then there may be others."""
    matches = list(found)
    if among is not None:
        held = among.holds(np.array([match.key for match in matches], np.int64))
        matches = [match for match, allowed in zip(matches, held, strict=True) if allowed]
    matches.sort(key=lambda match: (-match.score, match.key))
    return matches if len(matches) >= k else None
