"""How a process ends when asked to: any thread may check for it, delay it, and register what to
clean up.

The command line sets the flag when a signal comes (see `acclimate.cli.signals`); without it nothing
here ever happens.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from acclimate.system.platforms import FolderLock, group_options, kill_group

_LOOK_S = 0.2  # between looks at the flag, while a process runs
_NEW_S = 60.0  # a folder that new may not be locked yet

_told = threading.Event()
_lock = threading.RLock()
_clearing: dict[int, Callable[[], None]] = {}
_held = 0


class Interrupted(KeyboardInterrupt):
    """This process was asked to end."""


def tell() -> None:
    """Tell every thread to end at its next safe point."""
    _told.set()


def forget() -> None:
    """Take it back, for a process that runs one command after another."""
    _told.clear()


def requested() -> bool:
    """Whether this process was asked to end."""
    return _told.is_set()


def check() -> None:
    """Raises Interrupted if this process was asked to end."""
    if _told.is_set():
        raise Interrupted


def interrupt() -> None:
    """From a signal handler: tell every thread, and raise Interrupted here unless `held` puts that
    off."""
    tell()
    if not _held:
        raise Interrupted


@contextmanager
def held() -> Iterator[None]:
    """Put off the interruption of the main thread to the end of the block; other threads are
    unaffected."""
    global _held
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _held += 1
    try:
        yield
    finally:
        _held -= 1
    if not _held:
        check()


@contextmanager
def clearing(clear: Callable[[], None]) -> Iterator[None]:
    """Have `clear` called should the process end inside the block without leaving it."""
    key = id(clear)
    with _lock:
        _clearing[key] = clear
    try:
        yield
    finally:
        with _lock:
            _clearing.pop(key, None)


def clear_away() -> None:
    """Call what `clearing` and `start` registered: the process ends now."""
    with _lock:
        due = list(_clearing.values())
        _clearing.clear()
    for clear in due:
        with suppress(Exception):
            clear()


def start(
    command: Sequence[str], folder: Path | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """Start a process that ends with ours, in a group of its own: a terminal's Ctrl-C reaches only
    us.

    `folder` goes with it, should our process end before `stop`; `options` are those of
    `subprocess.Popen`.
    """

    def clear() -> None:
        kill_group(process)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    with _lock:
        check()  # a thread that goes on a little longer starts nothing new
        process = subprocess.Popen(command, **group_options(), **options)
        _clearing[id(process)] = clear
    return process


def stop(process: subprocess.Popen[Any]) -> None:
    """Kill a process of `start` with all that it has started, and wait for it."""
    with _lock:
        _clearing.pop(id(process), None)
    kill_group(process)
    process.communicate()


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with what it says captured; `environment` is added to this
    process's.

    Raises Interrupted, after ending the program, if this process is asked to end meanwhile.
    """
    process = start(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **(environment or {})},
    )
    try:
        while True:
            try:
                out, err = process.communicate(timeout=_LOOK_S)
            except subprocess.TimeoutExpired:
                check()
                continue
            return subprocess.CompletedProcess(command, process.returncode, out, err)
    finally:
        stop(process)


@contextmanager
def scratch(folder: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder in `folder` that goes at the end of the block, of the process, or else
    with the next one.

    A process that was killed leaves its own behind; whoever makes the next one of this prefix
    removes it: the lock on a folder lasts as long as its process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{prefix}*"):
        _remove_abandoned(old)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    lock = FolderLock(made)
    try:
        lock.acquire()  # a file system without locks has none to give
        with clearing(lambda: shutil.rmtree(made, ignore_errors=True)):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        lock.release()


def _remove_abandoned(old: Path) -> None:
    try:
        if not old.is_dir() or time.time() - old.stat().st_mtime < _NEW_S:
            return
    except OSError:  # its process has just removed it
        return
    lock = FolderLock(old)
    if lock.acquire():  # else another process works there
        shutil.rmtree(old, ignore_errors=True)
        lock.release()


def hold_back() -> None:
    """Let signals wait until the program that is started in the place of this one handles them."""
    if hasattr(signal, "pthread_sigmask"):
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in names])
