"""Signals that end a command: the first in an orderly way, the second at once.

The main thread may be inside C++ when a signal comes, where Python's own handlers must wait. So the
number also goes down a socket to a thread that waits for nothing else: it ends the process where
the main thread does not get to it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

from acclimate.system import ending

PATIENCE_S = 10.0  # what the main thread may take to end after the first signal
_THREADS_S = 0.5  # what other threads may take after that
_QUIET_S = 1.0  # an ending that takes longer is told
_SHOW_CURSOR = "\x1b[?25h"  # a progress bar may have hidden it
_WORDS = {
    "SIGINT": "Interrupted",
    "SIGTERM": "Told to end",
    "SIGHUP": "The terminal is gone",  # not on Windows
    "SIGBREAK": "Interrupted",  # Windows only
}
_NAMES = {
    int(getattr(signal, name)): words for name, words in _WORDS.items() if hasattr(signal, name)
}
_OVER = 0  # down the socket: nothing is left to watch


class Signals:
    """Handles SIGINT, SIGTERM and SIGHUP for a whole program, except those that were ignored
    before.

    The first raises `Interrupted` in the main thread; where that does not end it within `patience`
    seconds, and at the second signal, the process ends with 128 plus the signal's number. `kept`
    tells the user what is kept by then.
    """

    def __init__(self) -> None:
        self.number = 0  # of the first signal that came
        self.patience = PATIENCE_S
        self.kept = ""
        self._raised = self._reported = False

    def __enter__(self) -> Self:
        _keep_own_streams()
        self._read, self._write = socket.socketpair()  # Windows waits for no pipe
        self._write.setblocking(False)
        # Ignored: by `nohup`, or where a plain shell has started us in the background.
        self._handled = [one for one in _NAMES if signal.getsignal(one) is not signal.SIG_IGN]
        for number in self._handled:
            signal.signal(number, self._handle)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()
        sys.unraisablehook = _unraisable
        threading.excepthook = _in_thread
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _NAMES)  # see `hold_back`
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in self._handled:
            # What is left of the program ends without a traceback.
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._write.send(b"\0")
        self._thread.join()
        self._read.close()
        self._write.close()

    @property
    def signal_name(self) -> str:
        """What the first signal was, in words."""
        return _NAMES.get(self.number, _NAMES[signal.SIGINT])

    @property
    def code(self) -> int:
        """The exit code of a program that this signal ended, as shells give it."""
        return 128 + (self.number or signal.SIGINT)

    def report(self) -> None:
        """Say what came and what is kept; called in the main thread, once it has left
        everything."""
        self._reported = True
        self._say(f"{self.signal_name}. {self.kept}".rstrip())

    def finish(self, code: int) -> None:
        """End the program with `code` where a signal has ended it and threads are left.

        One that loads a model is left in C++, which aborts where the interpreter goes away under
        it.
        """
        if not self.number or not self._left():
            return
        ending.tell()
        until = time.monotonic() + _THREADS_S
        for thread in self._left():
            thread.join(max(0.0, until - time.monotonic()))
        if self._left():
            self._end(code)

    def _left(self) -> list[threading.Thread]:
        ours = (threading.main_thread(), self._thread)
        return [thread for thread in threading.enumerate() if thread not in ours]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if not self._raised:
            self._raised = True
            ending.interrupt()

    def _watch(self) -> None:
        first = self._next(None)
        if not first:
            return
        self.number = self.number or first
        until = time.monotonic() + self.patience
        again = self._next(_QUIET_S)
        if again is None:
            if not self._reported:
                self._say(f"{self.signal_name}; stopping. The same again stops at once.")
            again = self._next(until - time.monotonic())
        if again != _OVER:
            if not self._reported:
                self._say(f"{self.signal_name}; stopped at once. {self.kept}".rstrip())
            self._end(self.code)

    def _next(self, seconds: float | None) -> int | None:
        """The next signal's number, _OVER at the end of the program, None after so many seconds."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._read], [], [], left)[0]:
                return None
            number = self._read.recv(1)[0]
            if number == _OVER or number in self._handled:
                return number

    def _say(self, line: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            show = _SHOW_CURSOR if sys.stderr.isatty() else ""
            os.write(sys.stderr.fileno(), f"{show}{line}\n".encode())

    def _end(self, code: int) -> None:
        """End the process here and now, from any thread; only what was registered is cleared
        away."""
        ending.clear_away()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def _keep_own_streams() -> None:
    """Give Python's streams descriptors of their own: while a model loads, 1 and 2 are turned away
    for C++'s notes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
            own = os.dup(stream.fileno())
            # Windows would write a file or a pipe in a code page that lacks half of what is
            # printed.
            encoding = stream.encoding if stream.isatty() or sys.platform != "win32" else "utf-8"
            kept = os.fdopen(own, "w", encoding=encoding, errors=stream.errors)
            kept.reconfigure(
                line_buffering=stream.line_buffering, write_through=stream.write_through
            )
            setattr(sys, name, kept)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    if not isinstance(
        found.exc_value, ending.Interrupted
    ):  # it came in a finaliser: the watching thread sees to it
        sys.__unraisablehook__(found)


def _in_thread(found: threading.ExceptHookArgs) -> None:
    if not isinstance(found.exc_value, ending.Interrupted):
        threading.__excepthook__(found)
