"""Beside the scripts of .venv-peers that import it: what building, opening and searching an index takes."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WARM = 3  # first searches, which do not count
Search = Callable[[Any], list[int]]


def measure(
    build: Callable[[], tuple[Callable[[], Search], str | None]], asked: Sequence[Any], kind: str
) -> tuple[list[list[int]], str | None, dict[str, float]]:
    """What each search finds, the package, and seconds, milliseconds of a `kind` of search, and peak memory."""
    started = time.perf_counter()
    opened, package = build()
    built = time.perf_counter() - started
    started = time.perf_counter()
    search = opened()
    open_s = time.perf_counter() - started
    taken, found = [], []
    for one in asked:
        started = time.perf_counter()
        found.append(search(one))
        taken.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.quantile(taken[WARM:], [0.5, 0.95]).round(2).tolist()
    # Not what getrusage says: that begins with the peak of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    figures = {
        "build_s": round(built, 1),
        "open_s": round(open_s, 3),
        f"{kind}_ms_p50": p50,
        f"{kind}_ms_p95": p95,
    }
    return found, package, figures | {"peak_mb": round(int(peak[1]) / 1000) if peak else 0}
