"""Who is logged in: sessions of browsers, in memory. A restart ends them all, which costs people
one more click at their provider, and leaves nothing on disk that could be stolen."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from acclimate.serving.keys import Caller

_MOST = 10_000
_MOST_OF_ONE = 20  # browsers of one person


@dataclass(slots=True)
class _Session:
    caller: Caller
    began: float
    seen: float


class Sessions:
    """Sessions that end after `idle_s` without a request, and `whole_s` after they began, whichever
    comes first; in seconds. Safe to use from several threads."""

    def __init__(
        self, idle_s: float, whole_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle_s, self._whole_s, self._now = idle_s, whole_s, now
        self._lock = threading.Lock()
        # By the hash of the token, the one that was longest unused first.
        self._held: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, caller: Caller) -> str:
        """Log somebody in; the token is a secret of that browser. The oldest sessions of a person,
        and of all, end where there are too many."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            now = self._now()
            own = [name for name, one in self._held.items() if one.caller.id == caller.id]
            for name in own[: max(0, len(own) - _MOST_OF_ONE + 1)]:
                del self._held[name]
            while len(self._held) >= _MOST:
                self._held.popitem(last=False)
            self._held[_hash(token)] = _Session(caller, now, now)
        return token

    def find(self, token: str) -> Caller | None:
        """Who holds `token`; None where nobody does (any more)."""
        name = _hash(token)
        with self._lock:
            session, now = self._held.get(name), self._now()
            if session is None:
                return None
            if now - session.seen > self._idle_s or now - session.began > self._whole_s:
                del self._held[name]
                return None
            session.seen = now
            self._held.move_to_end(name)
            return session.caller

    def end(self, token: str) -> None:
        """Log out; nothing happens where there is no such session."""
        with self._lock:
            self._held.pop(_hash(token), None)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
