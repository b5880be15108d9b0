"""Ingests of a server whenever files of its documents folder change, and mirroring of its sources."""

from __future__ import annotations

import logging
import threading

from acclimate.documents.changes import follow
from acclimate.project import Project
from acclimate.serving.jobs import Jobs
from acclimate.sources.base import SourceReport
from acclimate.workflows.sync import Syncing

log = logging.getLogger(__name__)
_LOOK_S = 0.1  # between looks whether a job has ended


class Watcher:
    """Watches from now on, in a thread; what it finds runs as a job like any other."""

    def __init__(self, project: Project, jobs: Jobs) -> None:
        self._project, self._jobs = project, jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        if project.settings.sources:  # for the first of them there may be no folder yet
            project.documents.mkdir(parents=True, exist_ok=True)
        self._syncing = Syncing(project, _log_report)
        self._syncing.start()
        self._thread.start()

    def close(self) -> None:
        """Watch no longer; a job that runs is left to `Jobs`."""
        self._stop.set()
        self._syncing.close()
        self._thread.join()

    def _watch(self) -> None:
        chosen = self._project.settings.documents
        follow(
            self._project.documents,
            chosen.include,
            chosen.exclude,
            self._ingest,
            seconds=chosen.watch_seconds,
            stop=self._stop,
        )

    def _ingest(self) -> bool:
        """Whether an ingest went through; the log says why where it did not."""
        job = self._jobs.start()
        while job.state in ("queued", "running"):
            if self._stop.wait(_LOOK_S):
                return True
        return job.state == "done"


def _log_report(report: SourceReport) -> None:
    if report.error:
        log.warning("source %s: %s", report.name, report.error)
    elif report.added or report.changed or report.removed:
        counts = report.name, report.added, report.changed, report.removed
        log.info("source %s: %d added, %d changed, %d removed", *counts)
