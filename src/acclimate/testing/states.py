"""Waiting for states in tests: as long as it takes on a slow, busy machine, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable

STATE_S = 300.0
"""Seconds after which a state is no longer waited for: far more than any machine needs."""


def wait_until(reached: Callable[[], object], what: str) -> None:
    """Wait until `reached` gives something true. Raises TimeoutError that names `what` did not
    come."""
    until = time.monotonic() + STATE_S
    while not reached():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come in {STATE_S:.0f} s")
        time.sleep(0.01)
