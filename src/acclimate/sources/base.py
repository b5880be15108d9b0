"""What sources have in common: the protocol, the reports, how to wait and be stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from acclimate.documents.walk import Failure, matches
from acclimate.errors import SourceError
from acclimate.system import ending

FOLDER = "_sources"
"""Holds a folder for each source, below the documents."""
# By the ends of their names, what the parsers read; images need an extra, and are taken where
# `include` says so.
READABLE = tuple(
    ".pdf .docx .pptx .xlsx .xlsm .xls .ods .odt .odp .epub .rtf .msg .eml .html .htm .xhtml .md "
    ".markdown .txt .rst .csv .tsv .json .jsonl .ics".split()
)


class Stopped(Exception):  # noqa: N818
    """A mirroring was asked to stop; what it has is kept."""


class Pause:
    """Waits that end early, by Stopped, when `stop` is set, or by Interrupted with the process."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def check(self) -> None:
        """Raises Stopped or Interrupted if it is time to end."""
        ending.check()
        if self._stop.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Wait so long. Raises as `check` does."""
        left = seconds
        while left > 0:
            self.check()
            step = min(left, 0.5)
            self._stop.wait(step)
            left -= step
        self.check()


class SyncProgress(Protocol):
    """Called while sources are mirrored."""

    def document(self, source: str, path: str, done: int) -> None:
        """A document of a source is up to date; `done` counts them."""


class NoProgress:
    """Hears nothing."""

    def document(self, source: str, path: str, done: int) -> None:
        """See `SyncProgress`."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What came of one source.

    Counts are of documents: `skipped` were left out by kind, pattern, robots.txt or scope, `held`
    are gone at the source and kept here, because the listing was not complete or lost too much at
    once. `complete` says whether the source was listed to its end; `error` why not, or what else is
    wrong, and `hint` the repair.
    """

    name: str
    kind: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: int = 0
    held: int = 0
    failures: tuple[Failure, ...] = ()
    complete: bool = False
    error: str = ""
    hint: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What came of the sources that were mirrored, by name."""

    sources: tuple[SourceReport, ...]

    @property
    def failed(self) -> bool:
        """Whether something is wrong with a source as a whole."""
        return any(source.error for source in self.sources)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which paths of a source are taken."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def takes(self, path: str) -> bool:
        """Whether the document at `path`, as the source names it, is taken."""
        if any(part.startswith(".") for part in path.split("/")) or matches(path, self.exclude):
            return False
        if self.include:
            return matches(path, self.include)
        return path.casefold().endswith(READABLE)


Secret = Callable[[], str]
"""The password of a source, asked for when it is needed."""


def secret_of(variable: str) -> str:
    """The password in an environment variable; "" where none is named. Raises SourceError where the
    variable is not set."""
    if not variable:
        return ""
    value = os.environ.get(variable, "")
    if not value:
        raise SourceError(
            f"the environment variable {variable}, which holds the password, is not set.",
            hint=f"export {variable}=…",
        )
    if any(character in value for character in "\r\n\0"):
        raise SourceError(f"the password in {variable} holds a line end or a zero byte.")
    return value
