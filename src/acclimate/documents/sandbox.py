"""Parses files in processes of their own, with limits: a hostile file costs itself only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from threading import Event, Lock, Timer
from typing import Any, TypeVar

from acclimate.documents.base import PageImage
from acclimate.documents.hidden import Hidden
from acclimate.documents.parsers import OnPage, OtherFormatError
from acclimate.documents.wire import unpack_document, unpack_page
from acclimate.errors import DocumentError, EngineError
from acclimate.system import ending
from acclimate.system.platforms import kill_group
from acclimate.types import Document

T = TypeVar("T")
Unpack = Callable[[dict[str, Any]], T]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: seconds, megabytes of memory, characters of text, megabytes of
    file."""

    seconds: float = 120.0
    memory_mb: int = 4096
    characters: int = 50_000_000
    file_mb: int = 1000


class Sandbox:
    """A parser whose files are read by up to `workers` processes; call it from as many threads.

    Processes start when they are needed, serve many files, and are replaced when one fails. Files
    go to `engine`, a key of ENGINES ("": our own readers), which `python` runs: the interpreter of
    another environment may hold it. `pictures` asks for those in the documents too; `hidden`: see
    `acclimate.documents.parsers.parse`.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        workers: int = 0,
        engine: str = "",
        python: str = "",
        pictures: bool = False,
        hidden: Hidden = "skip",
    ) -> None:
        self.limits = limits or Limits()
        self._command = [python or sys.executable, "-m", "acclimate.documents.worker"]
        self._engine, self._asked = engine, {"pictures": pictures, "hidden": hidden}
        self.workers = workers or os.cpu_count() or 1
        self._idle: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(self.workers):
            self._idle.put(None)
        self._all: set[_Worker] = set()
        self._lock = Lock()
        self._closed = False

    def __call__(self, file: Path, path: str, on_page: OnPage | None = None) -> Document:
        """Parse `file` as the document `path`.

        Raises DocumentError naming the file and the reason, OtherFormatError for a format that the
        engine does not read.
        """
        size = file.stat().st_size
        if size > self.limits.file_mb * 1_000_000:
            raise DocumentError(
                f"{path} has {size / 1e6:,.0f} MB; {self.limits.file_mb:,} are allowed.",
                hint="[documents] max_file_mb",
            )
        return self._ask(
            file, path, self._asked, lambda answer: unpack_document(answer["document"]), on_page
        )

    def show(self, file: Path, path: str, number: int, pixels: int, quote: str = "") -> PageImage:
        """See `acclimate.documents.render.render_page`."""
        show = {"number": number, "pixels": pixels, "quote": quote}
        return self._ask(
            file, path, {"show": show}, lambda answer: unpack_page(answer["picture"]), None
        )

    def _ask(
        self, file: Path, path: str, what: dict[str, Any], unpack: Unpack[T], on_page: OnPage | None
    ) -> T:
        worker = self._idle.get()
        try:
            if worker is None or not worker.alive:
                worker = self._start()
            return worker.ask(file, path, what, unpack, on_page)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes. Raises EngineError in threads that still wait for one."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.close()
            self._all.clear()

    def _start(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise EngineError("the parser was closed.")
            worker = _Worker(self.limits, self._command, self._engine)
            self._all = {other for other in self._all if other.alive} | {worker}
        return worker


class EngineSandbox:
    """Files of the formats that an engine reads go to it, all others to our own readers; else like
    `Sandbox`."""

    def __init__(
        self,
        limits: Limits,
        workers: int,
        engine: str,
        python: str,
        pictures: bool = False,
        hidden: Hidden = "skip",
    ) -> None:
        self._engine = Sandbox(limits, workers, engine, python)
        self._own = Sandbox(limits, workers, pictures=pictures, hidden=hidden)
        self.workers = self._own.workers

    def __call__(self, file: Path, path: str, on_page: OnPage | None = None) -> Document:
        """See `Sandbox`."""
        try:
            return self._engine(file, path, on_page)
        except OtherFormatError:
            return self._own(file, path, on_page)

    def close(self) -> None:
        """End the processes."""
        self._engine.close()
        self._own.close()


class _Worker:
    """One parsing process."""

    def __init__(self, limits: Limits, command: list[str], engine: str) -> None:
        self._limits = limits
        self._folder = tempfile.TemporaryDirectory(
            prefix="acclimate-parse-", ignore_cleanup_errors=True
        )
        memory, file_size = limits.memory_mb * 1_000_000, 2 * limits.file_mb * 1_000_000
        with ExitStack() as stack:
            stack.callback(self._folder.cleanup)
            self._process = self._run([*command, str(memory), str(file_size), engine])
            stack.pop_all()

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        own = {"TMPDIR": self._folder.name, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            return ending.start(command, Path(self._folder.name), env=os.environ | own, **pipes)
        except OSError as error:
            raise EngineError(
                f"the parsing process {command[0]} cannot be started: {error.strerror or error}.",
                hint="Check [documents] engine_python, and the memory that is left.",
            ) from error

    @property
    def alive(self) -> bool:
        """Whether it can take a file."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, whatever it does."""
        ending.stop(self._process)
        self._folder.cleanup()

    def ask(
        self, file: Path, path: str, what: dict[str, Any], unpack: Unpack[T], on_page: OnPage | None
    ) -> T:
        """The answer to one request, unpacked. Ends the process where the file broke a limit or
        it."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            asked = {"file": str(file.resolve()), "path": path, "seconds": self._limits.seconds}
            stdin.write(json.dumps(asked | what).encode() + b"\n")
            stdin.flush()
            answer = self._answer(path, on_page)
            if "other" in answer:
                raise OtherFormatError(f"{path} is not a format of this engine.")
            if "error" in answer:
                raise DocumentError(answer["error"], hint=answer.get("hint") or "")
            return unpack(answer)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.close()
            raise DocumentError(
                f"{path} broke its parser ({type(error).__name__}).",
                hint="Leave it out or save it again.",
            ) from error
        except _LimitError as error:
            self.close()
            raise DocumentError(f"{path} {error}.", hint=error.hint) from None

    def _answer(self, path: str, on_page: OnPage | None) -> dict[str, Any]:
        """The next answer. Raises _LimitError where the file broke a limit."""
        late = Event()

        def end() -> None:
            late.set()
            kill_group(self._process)

        # Windows cannot wait for a pipe with a limit of time, so the reading ends with the process.
        timer = Timer(self._limits.seconds, end)
        timer.daemon = True
        timer.start()
        try:
            answer = self._read(path, on_page)
        finally:
            timer.cancel()
            timer.join()
            if late.is_set():
                took = f"took longer than {self._limits.seconds:g} s to parse"
                raise _LimitError(took, "[documents] parse_seconds")
        return answer

    def _read(self, path: str, on_page: OnPage | None) -> dict[str, Any]:
        buffer = bytearray()
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - a pipe was asked for
        while True:
            piece = os.read(stdout.fileno(), 1 << 20)
            if not piece:
                code = self._process.wait()
                reason = (
                    "more memory than is allowed, or a fault" if code in (-9, -6, 1) else "a fault"
                )
                raise _LimitError(
                    f"ended its parser (exit code {code}: {reason})", "[documents] parse_memory_mb"
                )
            buffer += piece
            too_long = f"has more than {self._limits.characters:,} characters"
            if len(buffer) > 8 * self._limits.characters:
                raise _LimitError(too_long, "[documents] max_characters")
            while (end := buffer.find(b"\n")) >= 0:
                message: dict[str, Any] = json.loads(buffer[:end])
                del buffer[: end + 1]
                if "page" not in message:
                    if len(message.get("document", {}).get("text", "")) > self._limits.characters:
                        raise _LimitError(too_long, "[documents] max_characters")
                    return message
                if on_page is not None:
                    on_page(message["page"], message["pages"])


class _LimitError(Exception):
    """A file broke a limit; `hint` names the setting."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
