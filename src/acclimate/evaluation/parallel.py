"""Several answers at once, and patience with a server that is busy."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TypeVar

from acclimate.errors import AcclimateError
from acclimate.system import ending

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 6
_FIRST_S, _LONGEST_S = 1.0, 300.0
_LOOK_S = 0.2  # between looks whether the process was told to end


def in_parallel(
    work: Callable[[T], R], items: Sequence[T], workers: int
) -> Iterator[list[tuple[int, R]]]:
    """The results with their items' places, in batches of what came since the batch before; one
    after another where `workers` is 1.

    Items not begun when the caller stops, or when the process is asked to end, are not done. Raises
    what `work` raises.
    """
    if min(workers, len(items)) < 2:
        for place, item in enumerate(items):
            yield [(place, work(item))]
        return
    pool = ThreadPoolExecutor(min(workers, len(items)), thread_name_prefix="answer")
    try:
        places = {pool.submit(work, item): place for place, item in enumerate(items)}
        left = set(places)
        while left:
            done, left = wait_for(left, return_when=FIRST_COMPLETED)
            yield [(places[future], future.result()) for future in done]
    finally:
        pool.shutdown(wait=not ending.requested(), cancel_futures=True)


def wait(seconds: float) -> None:
    """Wait. Raises Interrupted if the process is asked to end meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ending.check()
        time.sleep(min(left, _LOOK_S))


class Patience:
    """Asks again what failed for now (`AcclimateError.retryable`), each time after twice as long.

    Where the server says how long to wait (`AcclimateError.wait_s`), all callers wait that long
    together; more than five minutes nobody waits. Once a call has failed to the last try, others
    get one try only, until one succeeds: a server that is gone is not waited for at every question.
    """

    def __init__(self, tries: int = _TRIES, pause: Callable[[float], None] = wait) -> None:
        self._tries, self._pause = tries, pause
        self._lock = threading.Lock()
        self._until, self._gone = 0.0, False

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` gives. Raises its last error."""
        attempt = 0
        while True:
            if (left := self._until - time.monotonic()) > 0:
                self._pause(left)
            try:
                result = call()
            except AcclimateError as error:
                attempt += 1
                told = error.wait_s
                if not error.retryable or self._gone or (told or 0.0) > _LONGEST_S:
                    raise
                if attempt == self._tries:
                    self._gone = True
                    raise
                self._back_off(attempt, told)
            else:
                self._gone = False
                return result

    def _back_off(self, attempt: int, told: float | None) -> None:
        if told is None:
            # Up to half as long again, so that callers do not all come back in one moment.
            self._pause(_FIRST_S * 2 ** (attempt - 1) * random.uniform(1.0, 1.5))  # noqa: S311
            return
        with self._lock:
            self._until = max(self._until, time.monotonic() + told)
