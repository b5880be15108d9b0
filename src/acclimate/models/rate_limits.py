"""How long a server asks its callers to wait, by the headers of its answers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_LIMITED = ("requests", "tokens")
_LONGEST_S = 60.0  # what a call waits before it; for more the server is left to refuse


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait after a refusal; None where the server does not say.

    `retry-after-ms`, `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), else when
    the limit that is used up starts anew.
    """
    if (told := _number(headers.get("retry-after-ms", ""))) is not None:
        return told / 1000
    value = headers.get("retry-after", "")
    if (told := _number(value)) is not None:
        return told
    if value and (date := _date(value)) is not None:
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    return used_up(headers)


def used_up(headers: Mapping[str, str]) -> float | None:
    """Seconds until more is allowed, where `x-ratelimit-remaining-requests` or `-tokens` is 0; None
    where something is left, or the server does not say."""
    waits = [
        wait
        for what in _LIMITED
        if _number(headers.get(f"x-ratelimit-remaining-{what}", "")) == 0
        and (wait := _duration(headers.get(f"x-ratelimit-reset-{what}", ""))) is not None
    ]
    return max(waits, default=None)


class Gate:
    """Lets calls through when the server said that it allows more; for several threads."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._lock, self._until, self._pause = threading.Lock(), 0.0, pause

    def wait(self) -> None:
        """Wait until the server allows more, a minute at most."""
        if (left := self._until - time.monotonic()) > 0:
            self._pause(left)

    def note(self, headers: Mapping[str, str]) -> None:
        """Take note of a reply's headers."""
        seconds = used_up(headers)
        if seconds:
            with self._lock:
                self._until = max(self._until, time.monotonic() + min(seconds, _LONGEST_S))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _duration(text: str) -> float | None:
    """Seconds of `1.5`, `20ms`, `6m0s` or `1h2m3s`."""
    if (seconds := _number(text)) is not None:
        return seconds
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    hours, minutes, whole, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
