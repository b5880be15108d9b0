"""Rich's console, and progress on stderr: bars on a terminal, a line at most elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from acclimate.models.store import OnBytes

_WIDE = 10_000  # columns


def plain_console(*, stderr: bool = False) -> Console:
    """A console that shows names as they are: "rag[k=8]" is no markup and "a:x:b" no emoji. What
    goes to no terminal is as wide as it is."""
    console = Console(stderr=stderr, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


@contextmanager
def download_bar() -> Iterator[OnBytes]:
    """A bar, shown only while something is downloaded."""
    console = plain_console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def on_bytes(name: str, done: int, total: int) -> None:
            if name not in tasks:
                if not console.is_terminal:
                    console.print(f"Fetching {name} …")
                tasks[name] = progress.add_task(name)
            progress.update(tasks[name], completed=done, total=total or None)

        yield on_bytes


class Bar:
    """A bar on stderr while a `with` statement runs, of rich's columns; silent where that is no
    terminal."""

    def __init__(self, *columns: ProgressColumn) -> None:
        self._console = plain_console(stderr=True)
        self._bar = Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class IngestBar(Bar):
    """A progress bar over files with the rate of chunks; implements `IngestProgress`."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("Ingesting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files · {task.fields[rate]} {task.fields[page]}", markup=False),
            TimeRemainingColumn(),
        )
        self._task = self._bar.add_task("files", total=None, rate="", page="")
        self._embedded = 0

    def files(self, done: int, total: int) -> None:
        """See `IngestProgress`."""
        self._bar.update(self._task, completed=done, total=total)

    def chunks(self, embedded: int) -> None:
        """See `IngestProgress`."""
        self._embedded += embedded
        elapsed = self._bar.tasks[0].elapsed or 0.0
        self._bar.update(self._task, rate=f"{self._embedded / max(elapsed, 0.1):.0f} chunks/s")

    def page(self, path: str, done: int, total: int) -> None:
        """See `IngestProgress`."""
        self._bar.update(
            self._task, page=f"· {path} page {done} of {total}" if done < total else ""
        )


class SyncBar(Bar):
    """How many documents of a source are up to date; implements `SyncProgress`."""

    def __init__(self) -> None:
        super().__init__(TextColumn("{task.description} {task.completed} documents", markup=False))
        self._task = self._bar.add_task("Mirroring", total=None)

    def document(self, source: str, path: str, done: int) -> None:
        """See `SyncProgress`."""
        self._bar.update(self._task, description=f"Mirroring {source}:", completed=done)
