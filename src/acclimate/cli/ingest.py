"""`acclimate ingest`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import IngestBar, download_bar
from acclimate.indexes.same import NearCopy
from acclimate.ingest import IngestReport
from acclimate.project import Project
from acclimate.settings import FILE_NAME

_MOST_COPIES = 10  # told one by one


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
    with IngestBar() as bars:
        return project.ingest(check_all=check_all, allow_empty=allow_empty, progress=bars)


def echo_report(report: IngestReport) -> None:
    """What an ingest did; failed files on stderr."""
    for failure in report.failures:
        click.echo(f"not read: {failure.reason}", err=True)
    for copy in report.near_copies[:_MOST_COPIES]:
        click.echo(near_copy(copy), err=True)
    if (more := len(report.near_copies) - _MOST_COPIES) > 0:
        click.echo(f"and {more} more near copies: --json names them all", err=True)
    parts = [f"{report.added} added", f"{report.changed} changed", f"{report.removed} removed"]
    parts += [f"{report.unchanged} unchanged", f"{len(report.failures)} not read"]
    click.echo(f"{report.documents} documents in {report.chunks} chunks ({', '.join(parts)}) in {report.seconds:.1f} s")


def near_copy(copy: NearCopy) -> str:
    """One line about two documents with most of their text in common."""
    if copy.share >= 1:
        return f"the same text: {copy.path} and {copy.other}"
    newer = f", {copy.newer} is the newer one" if copy.newer else ""
    return f"near copies: {copy.path} and {copy.other} have about {copy.share:.0%} in common{newer}"


def _require_same(folder: Path, documents: Path) -> None:
    with Project.open(folder) as project:
        if documents.resolve() != project.documents.resolve():
            raise click.UsageError(
                f"this project's documents are {project.documents}, not {documents}. "
                f"Change [documents] path in {project.file}, or use another folder: --project DIR"
            )
