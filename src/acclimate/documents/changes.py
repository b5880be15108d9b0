"""Waits until the files of a folder change: by file events, and by looks at the whole folder. On
object storage there are looks only.

Events only wake: whether something changed, a look decides. So an event that is dropped, that a
network folder never sends, or that comes twice does no harm.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from watchfiles._rust_notify import RustNotify

from acclimate.documents.places import FRESH_S, Failure, Place
from acclimate.documents.walk import place_of
from acclimate.errors import ProjectError

_QUIET_MS, _MOST_MS = 500, 5000  # a burst of changes ends with so long a silence, or after so long
log = logging.getLogger(__name__)


class Stop(Protocol):
    """A stop signal, like `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to end now."""

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, so many seconds at most; whether it is set."""


@dataclass(frozen=True, slots=True)
class Look:
    """The files of a folder as they were at one moment: size, and times of change in nanoseconds
    or what else tells versions apart, by path; and what could not be read. `fresh`: one was
    written less than FRESH_S ago."""

    files: Mapping[str, tuple[int, ...]]
    unread: tuple[Failure, ...]
    fresh: bool

    def differs(self, other: Look) -> bool:
        """Whether a file was added, removed or changed, or can be read now."""
        return (self.files, self.unread) != (other.files, other.unread)


def look(root: Path | Place, include: Sequence[str], exclude: Sequence[str]) -> Look:
    """The files under `root` that match. Raises ProjectError where it is no folder or cannot be
    listed."""
    found, files, fresh = place_of(root).walk(include, exclude), dict[str, tuple[int, ...]](), False
    for path, file in found.files.items():
        try:
            seen = file.seen()
        except OSError:  # it has just gone
            continue
        files[path] = seen.numbers
        fresh = fresh or seen.fresh
    return Look(files, found.unread, fresh)


class Events:
    """File events of the folder `root`, where the system has them. None: it is elsewhere, and sends
    none.

    Where the system has none, or no more of them, a line of the log says so and only looks are left.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._notify: RustNotify | None = None
        self._watched: tuple[int, int] | None = None

    def wait(self, seconds: float, stop: Stop) -> None:
        """Wait for a change of a file that is not hidden, and for silence after it; so many
        seconds at most, and no longer than until `stop`."""
        self._open()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not stop.is_set():
            if self._notify is None:
                stop.wait(left)
                return
            changes = self._notify.watch(_MOST_MS, _QUIET_MS, max(1, int(left * 1000)), stop)
            if changes == "signal" or (
                not isinstance(changes, str) and any(self._counts(path) for _, path in changes)
            ):
                return

    def close(self) -> None:
        """Listen no more."""
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def _open(self) -> None:
        """Listen to the folder that is there now: it may have been removed and made again, or
        mounted."""
        if self._root is None:
            return
        try:
            stat = self._root.stat()
        except OSError:
            self.close()
            self._watched = None
            return
        if (stat.st_dev, stat.st_ino) == self._watched:
            return
        self.close()
        self._watched = stat.st_dev, stat.st_ino
        try:
            self._notify = RustNotify([str(self._root)], False, False, 300, True, True)
        except (OSError, RuntimeError) as error:
            log.warning(
                "%s sends no file events (%s): changes are found by looks only", self._root, error
            )

    def _counts(self, path: str) -> bool:
        parts = Path(os.path.relpath(path, self._root or os.curdir)).parts
        return not any(part.startswith(".") and part != os.pardir for part in parts)


def follow(
    root: Path | Place,
    include: Sequence[str],
    exclude: Sequence[str],
    bring_up: Callable[[], bool],
    *,
    seconds: float,
    stop: Stop,
) -> None:
    """Call `bring_up` now, and again whenever files under `root` have changed, until `stop`.

    `bring_up` gives whether it worked; where it did not, it is called again after `seconds` or at
    the next change. The whole folder is looked at every `seconds`.
    """
    events = Events(place_of(root).local)
    try:
        while not stop.is_set():
            seen = _looked(root, include, exclude)
            worked = bring_up()
            while not stop.is_set():
                now = _looked(root, include, exclude)
                if seen is None or now is None:  # there is no folder to look at
                    events.wait(seconds, stop)
                    break
                if now.differs(seen):
                    stop.wait(_QUIET_MS / 1000 if now.fresh else 0)
                    break
                events.wait(FRESH_S if worked and seen.fresh else seconds, stop)
                if seen.fresh or not worked:
                    break
    finally:
        events.close()


def _looked(root: Path | Place, include: Sequence[str], exclude: Sequence[str]) -> Look | None:
    try:
        return look(root, include, exclude)
    except ProjectError:
        return None
