"""The library in step with a documents folder: an ingest whenever files change."""

from __future__ import annotations

import threading
from collections.abc import Callable

from acclimate.documents.changes import follow
from acclimate.errors import AcclimateError, LibraryError
from acclimate.ingest_report import IngestProgress, IngestReport
from acclimate.sources.base import SourceReport
from acclimate.system import ending
from acclimate.workflows.ingest import ingest_documents
from acclimate.workflows.sync import Syncing
from acclimate.workspace.workspace import Workspace

_BUSY_S = 2.0  # between attempts, where another ingest runs

OnIngest = Callable[[IngestReport | SourceReport | AcclimateError | OSError], None]
"""Called with the result of each ingest, and of each mirroring of a source."""


class Stopping:
    """A request to stop: `event` is set, or this process is asked to end."""

    def __init__(self, event: threading.Event | None = None) -> None:
        self._event = event or threading.Event()

    def is_set(self) -> bool:
        """Whether to end now."""
        return self._event.is_set() or ending.requested()

    def wait(self, seconds: float) -> bool:
        """Wait for the event, so many seconds at most; whether to end."""
        self._event.wait(seconds)
        return self.is_set()


def watch_documents(
    workspace: Workspace,
    hear: OnIngest,
    *,
    stop: threading.Event | None = None,
    progress: IngestProgress | None = None,
) -> None:
    """Ingest now, and again whenever files below the documents folder change, until `stop` is set;
    meanwhile mirror each of `[sources]` when it is due.

    `hear` is called with the result of each ingest and mirroring, never twice at once. Without
    sources an error of the first ingest is raised; other errors are passed to `hear`, and the next
    change, or `[documents] watch_seconds`, brings another attempt. An ingest of another process is
    waited for.
    """
    sources = workspace.settings.sources
    stopping, first = Stopping(stop), not sources  # the first documents may still be on their way
    hear = _one_at_a_time(hear)
    if sources:
        workspace.documents.mkdir(parents=True, exist_ok=True)

    def bring_up() -> bool:
        nonlocal first
        try:
            report = _ingest(workspace, stopping, hear, progress)
        except (AcclimateError, OSError) as error:
            if first:
                raise
            hear(error)
            return False
        first = False
        if report is not None:
            hear(report)
        return True

    chosen = workspace.settings.documents
    syncing = Syncing(workspace, hear)
    syncing.start()
    try:
        follow(
            workspace.documents,
            chosen.include,
            chosen.exclude,
            bring_up,
            seconds=chosen.watch_seconds,
            stop=stopping,
        )
    finally:
        syncing.close()
    ending.check()


def _one_at_a_time(hear: OnIngest) -> OnIngest:
    lock = threading.Lock()

    def passed_on(heard: IngestReport | SourceReport | AcclimateError | OSError) -> None:
        with lock:
            hear(heard)

    return passed_on


def _ingest(
    workspace: Workspace, stopping: Stopping, hear: OnIngest, progress: IngestProgress | None
) -> IngestReport | None:
    """The report of an ingest over files of its own; None where it was stopped while it waited for
    another ingest, or for room on a full disk, which `hear` is told once."""
    kind, told = type(workspace), ""
    while not stopping.is_set():
        own = kind(workspace.folder, workspace.settings, embedder=workspace.embedder)
        try:
            with own:
                return ingest_documents(own, progress=progress)
        except LibraryError as error:
            if not error.retryable:
                raise
            if str(error) != told:
                told = str(error)
                hear(error)
            stopping.wait(_BUSY_S)
    return None
