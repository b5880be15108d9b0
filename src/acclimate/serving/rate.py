"""How often something may happen in a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST_NAMES = 10_000


class Rate:
    """At most `per_minute` events of each name in a minute, refilled evenly (a token bucket)."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._now = per_minute, now
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> float:
        """Seconds until `name` has an event left; 0.0 where it has one now."""
        return max(0.0, 1.0 - self._level(name)) * 60.0 / self._per_minute

    def take(self, name: str) -> None:
        """Count an event."""
        if len(self._left) >= _MOST_NAMES and name not in self._left:
            self._left.pop(next(iter(self._left)))
        self._left[name] = (self._level(name) - 1.0, self._now())

    def _level(self, name: str) -> float:
        level, at = self._left.get(name, (float(self._per_minute), self._now()))
        return min(float(self._per_minute), level + (self._now() - at) * self._per_minute / 60.0)


def retry(wait: float) -> dict[str, str]:
    """The header that says after how many seconds to come again."""
    return {"Retry-After": str(int(wait) + 1)}
