"""Turns at what only so many may do at once."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turns:
    """At most `most` are inside at once; who waits comes in in the order of coming. (A semaphore of
    the standard library lets whoever has just left in again before those who wait.)"""

    def __init__(self, most: int) -> None:
        self._lock, self._free = threading.Lock(), most
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = threading.Event()
            self._waiting.append(called)
        called.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place is handed over
            else:
                self._free += 1
