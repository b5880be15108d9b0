"""Ingests of a server whenever files of its documents folder change."""

from __future__ import annotations

import threading

from acclimate.documents.changes import follow
from acclimate.project import Project
from acclimate.serving.jobs import Jobs

_LOOK_S = 0.1  # between looks whether a job has ended


class Watcher:
    """Watches from now on, in a thread; what it finds runs as a job like any other."""

    def __init__(self, project: Project, jobs: Jobs) -> None:
        self._project, self._jobs = project, jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer; a job that runs is left to `Jobs`."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        chosen = self._project.settings.documents
        follow(
            self._project.place,
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
