"""One run at a time in one place: two would go on from each other's checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from acclimate.errors import EngineError


@contextmanager
def exclusive_run(place: Path) -> Iterator[bool]:
    """Hold `place`, a folder of tuned weights, from reading the data to putting the result there.

    Yields True in the process that holds it: the first of several that train together. Raises
    EngineError where another run holds it.
    """
    if os.environ.get("RANK", "0") != "0":
        yield False
        return
    lock = FileLock(place.with_name(f"{place.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise EngineError(
            f"another run trains {place.name}.",
            hint="Wait for it, or stop it; then run again.",
            retryable=True,
        ) from error
    try:
        yield True
    finally:
        lock.release()
