"""Ingests that run beside the server, one at a time, each with its progress."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import SimpleQueue
from traceback import format_tb
from typing import Literal

from acclimate.documents.places import Failure
from acclimate.errors import AcclimateError, LibraryError, ProjectError
from acclimate.ingest_report import IngestProgress, IngestReport

State = Literal["queued", "running", "done", "failed"]
Ingest = Callable[[IngestProgress, bool], IngestReport]
"""Runs one ingest; takes the progress to report to, and whether the library may end up empty."""

_KEPT = 100
_BUSY_S = 2.0  # between attempts, where an ingest of another process runs
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """One ingest. `pages` tells how far the files being read are: path to pages done and in all."""

    id: str
    created: str
    state: State = "queued"
    files_done: int = 0
    files_total: int = 0
    chunks: int = 0
    pages: dict[str, tuple[int, int]] = field(default_factory=dict)
    report: IngestReport | None = None
    error: str = ""
    may_empty: bool = False


class Jobs:
    """Runs ingests in a thread. `failures` are the files that the last one could not read."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._jobs: dict[str, Job] = {}
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.failures: tuple[Failure, ...] = ()
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)
        self._thread.start()

    def start(self, *, may_empty: bool = False) -> Job:
        """Ask for an ingest; one that waits already is the same."""
        with self._lock:
            waiting = next((job for job in self._jobs.values() if job.state == "queued"), None)
            if waiting is not None:
                waiting.may_empty |= may_empty
                return waiting
            job = Job(
                secrets.token_hex(8),
                datetime.now(UTC).isoformat(timespec="seconds"),
                may_empty=may_empty,
            )
            self._jobs[job.id] = job
            for old in list(self._jobs)[:-_KEPT]:
                del self._jobs[old]
        self._queue.put(job)
        return job

    def all(self) -> list[Job]:
        """The last jobs, the newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def get(self, number: str) -> Job | None:
        """A job by its id."""
        return self._jobs.get(number)

    @property
    def busy(self) -> bool:
        """Whether one runs or waits."""
        return any(job.state in ("queued", "running") for job in self.all())

    def close(self) -> None:
        """Stop; what an ingest has not done, the next one does."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None and not self._closing.is_set():
            with self._lock:
                job.state = "running"
            try:
                job.report = self._attempt(job)
                self.failures, job.state = job.report.failures, "done"
            except _ClosingError:
                job.error, job.state = (
                    "The server was stopped; the next ingest continues from here.",
                    "failed",
                )
            except AcclimateError as error:
                log.error("%s", error)
                known = (
                    "There is no document in the documents folder."
                    if isinstance(error, ProjectError)
                    else ""
                )
                job.error, job.state = (
                    known or "The ingest failed; the server's log says why.",
                    "failed",
                )
            except Exception as error:
                log.error(
                    "an ingest failed: %s at\n%s",
                    type(error).__name__,
                    "".join(format_tb(error.__traceback__)),
                )
                job.error, job.state = "The ingest failed; the server's log says why.", "failed"
            job.pages.clear()

    def _attempt(self, job: Job) -> IngestReport:
        while True:
            try:
                return self._ingest(_JobProgress(job, self._closing), job.may_empty)
            except LibraryError as error:
                if not error.retryable or self._closing.wait(_BUSY_S):
                    raise


class _ClosingError(BaseException):
    """The server ends: no error of the file that is being read."""


@dataclass(frozen=True, slots=True)
class _JobProgress:
    """Progress that goes into a job."""

    job: Job
    closing: threading.Event

    def files(self, done: int, total: int) -> None:
        """See `IngestProgress`."""
        self.job.files_done, self.job.files_total = done, total
        self._check()

    def chunks(self, embedded: int) -> None:
        """See `IngestProgress`."""
        self.job.chunks += embedded
        self._check()

    def page(self, path: str, done: int, total: int) -> None:
        """See `IngestProgress`."""
        self.job.pages[path] = (done, total)
        if done == total:
            self.job.pages.pop(path, None)

    def _check(self) -> None:
        if self.closing.is_set():
            raise _ClosingError


def wait_for(job: Job, seconds: float = 60.0) -> Job:
    """Wait until a job has ended. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while job.state in ("queued", "running"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the job {job.id} is still {job.state}")
        time.sleep(0.02)
    return job
