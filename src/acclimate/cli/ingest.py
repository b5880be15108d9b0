"""`acclimate ingest`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from acclimate.cli.models import download_bar
from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.ingest import IngestReport
from acclimate.project import Project
from acclimate.settings import FILE_NAME


@click.command()
@click.argument("documents", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--check-all", is_flag=True, help="Read every file, even where size and time are as before.")
@click.option("--allow-empty", is_flag=True, help="Accept that no document is left, and empty the library.")
@json_option
@project_option
def command(documents: Path | None, check_all: bool, allow_empty: bool, as_json: bool, folder: Path) -> None:
    """Read the documents and bring the library up to date; only what changed is worked on.

    In a folder without a project, `acclimate ingest FOLDER` makes one for that FOLDER.
    """
    if documents is not None and not (folder / FILE_NAME).exists():
        Project.create(folder, documents).close()
        click.echo(f"Made {folder / FILE_NAME}.", err=True)
    elif documents is not None:
        _require_same(folder, documents)
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        report = run_ingest(project, check_all=check_all, allow_empty=allow_empty)
    if as_json:
        echo_json(report)
    else:
        echo_report(report)


def run_ingest(project: Project, *, check_all: bool = False, allow_empty: bool = False) -> IngestReport:
    """Ingest with a progress bar on stderr."""
    _ = project.embedder  # fetched before the bar begins
    with _Bars() as bars:
        return project.ingest(check_all=check_all, allow_empty=allow_empty, progress=bars)


def echo_report(report: IngestReport) -> None:
    """What an ingest did; failed files on stderr."""
    for failure in report.failures:
        click.echo(f"not read: {failure.reason}", err=True)
    parts = [f"{report.added} added", f"{report.changed} changed", f"{report.removed} removed"]
    parts += [f"{report.unchanged} unchanged", f"{len(report.failures)} not read"]
    click.echo(f"{report.documents} documents in {report.chunks} chunks ({', '.join(parts)}) in {report.seconds:.1f} s")


def _require_same(folder: Path, documents: Path) -> None:
    with Project.open(folder) as project:
        if documents.resolve() != project.documents.resolve():
            raise click.UsageError(
                f"this project's documents are {project.documents}, not {documents}. "
                f"Change [documents] path in {project.file}, or use another folder: --project DIR"
            )


class _Bars:
    """A bar of files and the rate of chunks, on stderr where that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("Ingesting"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files · {task.fields[rate]}"),
        )
        self._bar = Bar(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("files", total=None, rate="")
        self._embedded = 0

    def __enter__(self) -> _Bars:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def files(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)

    def chunks(self, embedded: int) -> None:
        self._embedded += embedded
        elapsed = self._bar.tasks[0].elapsed or 0.0
        self._bar.update(self._task, rate=f"{self._embedded / max(elapsed, 0.1):.0f} chunks/s")
