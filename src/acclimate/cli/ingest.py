"""`acclimate ingest`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import IngestBar, download_bar
from acclimate.ingest import Count, IngestReport
from acclimate.project import Project
from acclimate.settings import FILE_NAME

_SHOWN = 10  # documents of which the counts are printed


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
    _echo_counts("hidden in the document", report.hidden)
    _echo_counts("without a value", report.unread)
    parts = [f"{report.added} added", f"{report.changed} changed", f"{report.removed} removed"]
    parts += [f"{report.unchanged} unchanged", f"{len(report.failures)} not read"]
    click.echo(f"{report.documents} documents in {report.chunks} chunks ({', '.join(parts)}) in {report.seconds:.1f} s")


def _echo_counts(what: str, counts: Sequence[Count]) -> None:
    """One line for each document, on stderr."""
    by_path: dict[str, list[str]] = {}
    for count in counts:
        by_path.setdefault(count.path, []).append(f"{count.count} {count.kind}{'s' if count.count > 1 else ''}")
    for path, parts in list(by_path.items())[:_SHOWN]:
        click.echo(f"{what}: {path}: {', '.join(parts)}", err=True)
    if len(by_path) > _SHOWN:
        click.echo(f"{what}: {len(by_path) - _SHOWN} more documents (all of them: --json)", err=True)


def _require_same(folder: Path, documents: Path) -> None:
    with Project.open(folder) as project:
        if documents.resolve() != project.documents.resolve():
            raise click.UsageError(
                f"this project's documents are {project.documents}, not {documents}. "
                f"Change [documents] path in {project.file}, or use another folder: --project DIR"
            )
