"""Where the documents are: a folder of this machine, or one on object storage, and its files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# A file that was written so lately may be written once more without a trace: file systems count
# time in steps of up to two seconds.
FRESH_S = 2.0
AT_ONCE = 16
"""Requests to a storage at a time: each waits for the network, not for a core."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tells one version of a file from the others: its size in bytes, and a mark. That is the time
    of its last change in nanoseconds, or a negative number made of its ETag; 0: nothing tells."""

    size: int
    mark: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a file tells: numbers that differ after a change, and whether it was changed
    less than FRESH_S ago."""

    numbers: tuple[int, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class AtHand:
    """A file's content on this machine, and the stamp of exactly that content."""

    file: Path
    stamp: Stamp


class File(Protocol):
    """A file among the documents, wherever it is. Its methods raise OSError where it has gone."""

    def stamp(self) -> Stamp | None:
        """Its stamp as it is now, or was when it was listed; None where nothing tells."""

    def seen(self) -> Seen:
        """What a look at it tells."""

    def at_hand(self) -> AbstractContextManager[AtHand]:
        """Its content as a file of this machine, for as long as the context lasts. Raises
        DocumentError where it may not be fetched."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or folder that could not be read, and why; control characters and broken bytes of its
    name are escaped."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a folder by POSIX path, in order.

    `unread` are those that cannot be read. `kept` are paths of files of which that may pass, and of
    folders that cannot be listed, with "/" at their end: what is known of them stays.
    """

    files: Mapping[str, File]
    unread: tuple[Failure, ...] = ()
    kept: tuple[str, ...] = ()

    def keeps(self, path: str) -> bool:
        """Whether a document that is not among the files may still be there."""
        return any(path == one or (one.endswith("/") and path.startswith(one)) for one in self.kept)


class Place(Protocol):
    """Where the documents are. Its methods raise ProjectError where that is not there, or cannot
    be reached or listed."""

    @property
    def local(self) -> Path | None:
        """The folder on this machine; None where the documents are elsewhere."""

    @property
    def shown(self) -> str:
        """How messages name it."""

    def walk(self, include: Sequence[str], exclude: Sequence[str]) -> Found:
        """The files that match; hidden ones are left out."""

    def file(self, path: str) -> File:
        """The file at a path, which need not be there."""

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Those of these paths at which there is nothing, in order."""

    def require(self, *, allow_empty: bool) -> None:
        """Raises ProjectError where the place is not there, or, unless `allow_empty`, seems to hold
        nothing."""


def is_fresh(time_ns: int) -> bool:
    """Whether a file's time of change is too near to now to show a further change of it."""
    return abs(time.time_ns() - time_ns) < FRESH_S * 1e9
