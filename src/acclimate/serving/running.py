"""Comparisons that run beside the server, one at a time: started, watched, stopped, resumed.

Every answer is kept as it comes, so a comparison that was stopped, by a person or by a crash, goes
on where it was. Between two answers it waits while people wait for theirs.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_tb
from typing import Literal

from acclimate.errors import AcclimateError
from acclimate.evaluation.entry import ComparisonProgress, Estimate
from acclimate.serving.errors import ApiError

RunState = Literal["running", "stopping", "stopped", "done", "failed"]
_LOOK_S = 0.05  # between looks whether people wait for answers
_LONGEST_S = 10.0  # that they can hold up one answer of a comparison
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be compared; see `Project.compare`."""

    recipes: tuple[str, ...]
    models: tuple[str, ...] = ()
    split: str = "test"
    metric: str = "f1"
    limit: int | None = None
    minutes: float | None = None
    stop_early: bool = False


@dataclass(slots=True)
class Run:
    """A comparison as it is. `answers` are given and wanted, by entry; `seconds_left` is None until
    that is known; `report` is the name of the comparison that it became."""

    order: Order
    created: str
    state: RunState = "running"
    doing: str = ""
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds_left: float | None = None
    report: str = ""
    error: str = ""


Compare = Callable[[Order, ComparisonProgress], str]
"""Runs a comparison, and gives the name that it is kept under."""


class ComparisonRuns:
    """At most one comparison at a time, in a thread; what it is about is kept in `file`."""

    def __init__(self, compare: Compare, file: Path, waiting: Callable[[], bool]) -> None:
        self._compare, self._file, self._waiting = compare, file, waiting
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._run = self._kept()

    @property
    def run(self) -> Run | None:
        """The one that runs, or ran last; None where there was none."""
        return self._run

    def start(self, order: Order) -> Run:
        """Begin a comparison. Raises ApiError 409 while another one runs."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise ApiError(
                    409, "A comparison is running; stop it first, or wait.", "comparison_running"
                )
            created = datetime.now(UTC).isoformat(timespec="seconds")
            run = self._run = Run(order, created)
            self._stop.clear()
            self._keep(run)
            self._thread = threading.Thread(
                target=self._work, args=(run,), name="compare", daemon=True
            )
            self._thread.start()
        return run

    def resume(self) -> Run:
        """Go on with the one that was stopped, failed, or cut off. Raises ApiError 404 without
        one."""
        if self._run is None or self._run.state == "done":
            raise ApiError(404, "There is no comparison to go on with.", "comparison_not_found")
        return self.start(self._run.order)

    def stop(self) -> Run:
        """Ask the one that runs to end after the answer that is being written. Raises ApiError 404
        without one."""
        run = self._run
        if run is None or run.state not in ("running", "stopping"):
            raise ApiError(404, "No comparison is running.", "comparison_not_found")
        run.state = "stopping"
        self._stop.set()
        return run

    def close(self) -> None:
        """Stop; the next server can go on with it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _work(self, run: Run) -> None:
        try:
            run.report = self._compare(run.order, _Watch(run, self._stop, self._waiting))
            run.state = "done"
        except _StoppedError:
            run.state = "stopped"
        except AcclimateError as error:
            log.error("%s", error)
            run.error, run.state = f"{error} {error.hint or ''}".strip(), "failed"
        except Exception as error:
            log.error(
                "a comparison failed: %s at\n%s",
                type(error).__name__,
                "".join(format_tb(error.__traceback__)),
            )
            run.error, run.state = "The comparison failed; the server's log says why.", "failed"
        run.doing, run.seconds_left = "", None
        self._keep(run)

    def _keep(self, run: Run) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(asdict(run), ensure_ascii=False), encoding="utf-8")
        part.replace(self._file)

    def _kept(self) -> Run | None:
        """The one of the server before; cut off in the middle, it is one that was stopped."""
        try:
            row = json.loads(self._file.read_text(encoding="utf-8"))
            order = row.pop("order")
            order |= {name: tuple(order[name]) for name in ("recipes", "models")}
            answers = {name: (done, total) for name, (done, total) in row.pop("answers").items()}
            run = Run(Order(**order), **row, answers=answers)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if run.state in ("running", "stopping"):
            run.state, run.seconds_left = "stopped", None
        return run


class _StoppedError(BaseException):
    """Somebody stopped the comparison: no error of an answer."""


class _Watch:
    """Progress that goes into a run, and holds it up while people wait for answers."""

    def __init__(self, run: Run, stop: threading.Event, waiting: Callable[[], bool]) -> None:
        self._run, self._stop, self._waiting = run, stop, waiting
        self._each: dict[str, float] = {}  # seconds of an answer, by entry
        self._before: dict[str, int] = {}  # answers that were there already
        self._began = 0.0

    def preparing(self, recipe: str) -> None:
        """See `ComparisonProgress`."""
        self._run.doing = f"Loading {recipe}"
        self._pause()

    def estimated(self, estimate: Estimate) -> None:
        """See `ComparisonProgress`."""
        for name, left in estimate.answers.items():
            self._each[name] = estimate.seconds[name] / left if left else 0.0
            self._before[name] = estimate.questions - left
            self._run.answers[name] = (estimate.questions - left, estimate.questions)
        self._began = time.monotonic()
        self._run.seconds_left = sum(estimate.seconds.values())

    def answered(self, recipe: str, done: int, total: int) -> None:
        """See `ComparisonProgress`."""
        self._run.answers[recipe] = (max(done, self._run.answers.get(recipe, (0, 0))[0]), total)
        self._run.doing = f"Asking {recipe}"
        self._run.seconds_left = self._left()
        self._pause()

    def _left(self) -> float:
        """What is left by the estimate, corrected by how long what is done took."""
        planned, left = 0.0, 0.0
        for name, each in self._each.items():
            done, total = self._run.answers[name]
            planned += max(0, done - self._before[name]) * each
            left += (total - done) * each
        took = time.monotonic() - self._began
        return left * (took / planned if planned else 1.0)

    def _pause(self) -> None:
        until = time.monotonic() + _LONGEST_S
        while self._waiting() and not self._stop.is_set() and time.monotonic() < until:
            self._stop.wait(_LOOK_S)
        if self._stop.is_set():
            raise _StoppedError
