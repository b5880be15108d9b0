"""How often something may happen in a minute: counted here, or for all servers of a library."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from acclimate.indexes.shared import Shared

_MOST_NAMES = 10_000


class Counter(Protocol):
    """At most so many events of each name in a minute, refilled evenly (a token bucket)."""

    def wait(self, name: str) -> float:
        """Seconds until `name` has an event left; 0.0 where it has one now."""

    def take(self, name: str) -> None:
        """Count an event."""


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


@dataclass(frozen=True, slots=True)
class SharedRate:
    """The same for all servers of a library together; `kind` keeps names of different kinds
    apart."""

    shared: Shared
    kind: str
    per_minute: int

    def wait(self, name: str) -> float:
        """Seconds until `name` has an event left; 0.0 where it has one now."""
        return self.shared.wait(f"{self.kind} {name}", self.per_minute)

    def take(self, name: str) -> None:
        """Count an event."""
        self.shared.take(f"{self.kind} {name}", self.per_minute)


def counter(shared: Shared | None, kind: str, per_minute: int) -> Counter:
    """What counts events of a kind: here, or where servers share a library."""
    return Rate(per_minute) if shared is None else SharedRate(shared, kind, per_minute)


def retry(wait: float) -> dict[str, str]:
    """The header that says after how many seconds to come again."""
    return {"Retry-After": str(int(wait) + 1)}
