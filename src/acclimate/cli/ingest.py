"""`acclimate ingest`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from acclimate.cli.output import DocumentsPath, echo_json, json_option, project_option
from acclimate.cli.progress import IngestBar, download_bar
from acclimate.documents.walk import place_of
from acclimate.errors import ProjectError, legible
from acclimate.files.places import as_typed
from acclimate.indexes.claims import IngestStatus
from acclimate.indexes.same import NearCopy
from acclimate.ingest_report import Count, IngestReport
from acclimate.project import Project
from acclimate.settings import FILE_NAME
from acclimate.settings_library import DocumentsSettings
from acclimate.workspace.languages import language_gap

_SHOWN = 10  # documents of which the counts are printed

_MOST_COPIES = 10  # told one by one


@click.command()
@click.argument("documents", type=DocumentsPath(path_type=Path, file_okay=False), required=False)
@click.option(
    "--check-all", is_flag=True, help="Read every file, even where size and time are as before."
)
@click.option(
    "--allow-empty", is_flag=True, help="Accept that no document is left, and empty the library."
)
@click.option(
    "--worker",
    is_flag=True,
    help="Share the work with every other worker of the library, on any machine.",
)
@click.option("--status", is_flag=True, help="Print what all workers did and do, and end.")
@json_option
@project_option
def command(
    documents: Path | str | None,
    check_all: bool,
    allow_empty: bool,
    worker: bool,
    status: bool,
    as_json: bool,
    folder: Path,
) -> int:
    """Read the documents and bring the library up to date; only what changed is worked on.

    In a folder without a project, `acclimate ingest FOLDER` makes one for that FOLDER, a path or
    an address like s3://BUCKET/FOLDER. Exit code 1 where files could not be read and no document is
    in the library.

    With a record in PostgreSQL, any number of `acclimate ingest --worker`, started by any
    scheduler, share one ingest. One that dies loses its files to the others after a minute.
    """
    if status:
        with Project.open(folder) as project:
            found = project.ingest_status()
        echo_json(found) if as_json else echo_status(found)
        return 0
    if documents is not None and not (folder / FILE_NAME).exists():
        _require_documents(documents, allow_empty)
        Project.create(folder, documents).close()
        click.echo(f"Made {folder / FILE_NAME}.", err=True)
    elif documents is not None:
        _require_same(folder, documents)
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        report = run_ingest(project, check_all=check_all, allow_empty=allow_empty, worker=worker)
        gap = language_gap(project)
    if gap is not None:
        click.echo(f"note: {gap}. {gap.hint}", err=True)
    if as_json:
        echo_json(report)
    else:
        echo_report(report)
    return int(bool(report.failures) and not report.documents)


def run_ingest(
    project: Project, *, check_all: bool = False, allow_empty: bool = False, worker: bool = False
) -> IngestReport:
    """Ingest with a progress bar on stderr."""
    _ = project.embedder  # fetched before the bar begins
    run = project.work if worker else project.ingest
    with IngestBar() as bars:
        return run(check_all=check_all, allow_empty=allow_empty, progress=bars)


def echo_status(status: IngestStatus) -> None:
    """How far the workers of an ingest are; what could not be read on stderr."""
    for reason in status.failures.values():
        click.echo(f"not read: {legible(reason)}", err=True)
    run, counts = status.run, status.counts
    if run is None:
        click.echo("No worker has ingested yet.")
        return
    ready = run.files - counts.left
    how = "running" if run.open else "finished"
    click.echo(
        f"{how}, planned {run.planned}: {ready} of {run.files} files done, {counts.claimed} in "
        f"work, {len(status.failures)} not read"
    )
    for worker in status.workers:
        click.echo(
            f"{worker.id}  {worker.host}:{worker.process}  {worker.state}, seen "
            f"{worker.seen_s:.0f} s ago: {worker.done} done, {worker.failed} not read, "
            f"{worker.claimed} in work"
        )


def echo_report(report: IngestReport) -> None:
    """Print what an ingest did; failed files go to stderr."""
    for failure in report.failures:
        click.echo(f"not read: {failure.reason}", err=True)
    _echo_counts("hidden in the document", report.hidden)
    _echo_counts("without a value", report.unread)
    for copy in report.near_copies[:_MOST_COPIES]:
        click.echo(near_copy(copy), err=True)
    if (more := len(report.near_copies) - _MOST_COPIES) > 0:
        click.echo(f"and {more} more near copies: --json names them all", err=True)
    parts = [f"{report.added} added", f"{report.changed} changed", f"{report.removed} removed"]
    parts += [f"{report.unchanged} unchanged", f"{len(report.failures)} not read"]
    click.echo(
        f"{report.documents} documents in {report.chunks} chunks ({', '.join(parts)}) in "
        f"{report.seconds:.1f} s"
    )
    if not report.documents:
        why = "none of the files could be read" if report.failures else "there are no files"
        click.echo(f"The library holds no documents: {why}.", err=True)


def _require_documents(documents: Path | str, allow_empty: bool) -> None:
    """Raises ProjectError for a folder that is not there or holds nothing, before a project is made
    for it."""
    chosen = DocumentsSettings()
    hint = "Give the folder of your documents: acclimate ingest FOLDER"
    if isinstance(documents, str):
        from acclimate.documents.objects import open_place  # what it imports is an extra

        place = open_place(documents, {}, 0)
    elif documents.is_dir():
        place = place_of(documents)
    else:
        raise ProjectError(f"the folder {documents} does not exist.", hint=hint)
    found = place.walk(chosen.include, chosen.exclude)
    if not found.files and not found.unread and not allow_empty:
        raise ProjectError(f"there is no document in {documents}.", hint=hint)


def _echo_counts(what: str, counts: Sequence[Count]) -> None:
    """One line for each document, on stderr."""
    by_path: dict[str, list[str]] = {}
    for count in counts:
        by_path.setdefault(count.path, []).append(
            f"{count.count} {count.kind}{'s' if count.count > 1 else ''}"
        )
    for path, parts in list(by_path.items())[:_SHOWN]:
        click.echo(f"{what}: {path}: {', '.join(parts)}", err=True)
    if len(by_path) > _SHOWN:
        click.echo(
            f"{what}: {len(by_path) - _SHOWN} more documents (all of them: --json)", err=True
        )


def near_copy(copy: NearCopy) -> str:
    """One line about two documents with most of their text in common."""
    if copy.share >= 1:
        return f"the same text: {copy.path} and {copy.other}"
    newer = f", {copy.newer} is the newer one" if copy.newer else ""
    return f"near copies: {copy.path} and {copy.other} have about {copy.share:.0%} in common{newer}"


def _require_same(folder: Path, documents: Path | str) -> None:
    with Project.open(folder) as project:
        held = project.settings.documents.path
        if isinstance(documents, str) or isinstance(held, str):
            same = documents == held
        else:
            same = documents.resolve() == project.documents.resolve()
        if not same:
            raise click.UsageError(
                f"this project's documents are {project.documents_shown}, not {documents}. "
                f"Change [documents] path in {as_typed(str(project.file))}, or use another "
                f"folder: --project DIR"
            )
