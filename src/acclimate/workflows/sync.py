"""Mirroring of `[sources]` into the documents folder: once, or each as often as its section says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from acclimate.errors import AcclimateError, SettingsError, SourceError, nearest
from acclimate.settings_sources import SourceSettings
from acclimate.sources.base import (
    FOLDER,
    Pause,
    SourceReport,
    Stopped,
    SyncProgress,
    SyncReport,
)
from acclimate.sources.kinds import RESUMES, Place, mirror_source
from acclimate.sources.mirror import Limits, Mirror
from acclimate.sources.state import last_listing
from acclimate.system.ending import Interrupted
from acclimate.workspace.workspace import Workspace

_MB = 1_000_000
_LOOK_S = 60.0  # longest time between looks at which sources are due
_LEAVE_S = 5.0  # for a request that is under way when the watching ends


def sync_sources(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    accept_removals: bool = False,
    stop: threading.Event | None = None,
    progress: SyncProgress | None = None,
) -> SyncReport:
    """Mirror the sources of these names, or all; what is wrong with one is in its report, and costs
    only it.

    `accept_removals` takes away what is gone at a source even where that is most of it. Raises
    SettingsError for a name that is none.
    """
    known = workspace.settings.sources
    if not known:
        raise SettingsError(
            f"{workspace.layout.settings} names no source.",
            hint="Write a section [sources.NAME]; docs/sources.md shows how.",
        )
    for name in names:
        if name not in known:
            raise SettingsError(f"there is no source '{name}'.", hint=nearest(name, known))
    pause = Pause(stop)
    return SyncReport(
        tuple(
            _one(workspace, name, known[name], pause, progress, accept_removals)
            for name in dict.fromkeys(names or known)
        )
    )


def _one(
    workspace: Workspace,
    name: str,
    chosen: SourceSettings,
    pause: Pause,
    progress: SyncProgress | None,
    accept: bool,
) -> SourceReport:
    started = time.perf_counter()
    limits = Limits(chosen.max_files, chosen.max_file_mb * _MB, chosen.max_total_mb * _MB)
    place = Place(workspace.folder, workspace.layout.sources / name)
    try:
        with Mirror(
            name,
            workspace.documents / FOLDER / name,
            limits,
            pause=pause,
            progress=progress,
            accept=accept,
            resumes=chosen.type in RESUMES,
        ) as mirror:
            error = _mirrored(chosen, mirror, place)
            return mirror.report(chosen.type, error, time.perf_counter() - started)
    except Stopped:
        seconds = time.perf_counter() - started
        return SourceReport(name, chosen.type, error="stopped", seconds=seconds)
    except (AcclimateError, OSError) as error:
        hint = getattr(error, "hint", "")
        seconds = time.perf_counter() - started
        return SourceReport(name, chosen.type, error=str(error), hint=hint, seconds=seconds)


def _mirrored(chosen: SourceSettings, mirror: Mirror, place: Place) -> AcclimateError | None:
    try:
        mirror_source(chosen, mirror, place)
    except AcclimateError as error:
        mirror.end()
        return error
    except OSError as error:
        mirror.end()
        return SourceError(f"'{mirror.name}' cannot be mirrored: {error}.")
    return None


class Syncing:
    """Mirrors each source when it is due, in a thread, from `start` to `close`.

    `hear` is called with every report. A source is due when `every_minutes` have passed since its
    last listing began, also that of another process or of an earlier run.
    """

    def __init__(self, workspace: Workspace, hear: Callable[[SourceReport], None]) -> None:
        self._workspace, self._hear = workspace, hear
        self._stop = threading.Event()
        self._tried: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, where there is a source to mirror."""
        if any(one.every_minutes for one in self._workspace.settings.sources.values()):
            self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End; a document that is being fetched is fetched anew next time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                wait = _LOOK_S
                for name, chosen in self._workspace.settings.sources.items():
                    if not chosen.every_minutes:
                        continue
                    if self._due_in(name, chosen) <= 0:
                        self._tried[name] = time.time()
                        report = sync_sources(self._workspace, [name], stop=self._stop)
                        if not self._stop.is_set():
                            self._hear(report.sources[0])
                    wait = min(wait, self._due_in(name, chosen))
                self._stop.wait(max(wait, 0.05))
        except Interrupted:
            return

    def _due_in(self, name: str, chosen: SourceSettings) -> float:
        """Seconds until a source is due."""
        if name not in self._tried:
            self._tried[name] = _last(self._workspace.documents / FOLDER / name)
        return self._tried[name] + 60 * chosen.every_minutes - time.time()


def _last(folder: Path) -> float:
    """When the last listing began that ended; 0 where none did."""
    try:
        listing = last_listing(folder)
    except (SourceError, OSError):
        return 0.0
    return 0.0 if listing.open else min(listing.began, time.time())
