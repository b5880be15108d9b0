"""`acclimate sync`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.ingest import echo_report, run_ingest
from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import SyncBar, download_bar
from acclimate.files.places import as_typed
from acclimate.project import Project
from acclimate.sources.base import SourceReport

_SHOWN = 10  # failures of a source that are printed


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--accept-removals",
    is_flag=True,
    help="Remove what is gone at a source, even where that is most of it.",
)
@click.option("--no-ingest", is_flag=True, help="Only mirror; leave the library as it is.")
@json_option
@project_option
def command(
    names: tuple[str, ...], accept_removals: bool, no_ingest: bool, as_json: bool, folder: Path
) -> int:
    """Mirror the sources in acclimate.toml, or those named, into the documents folder, and ingest.

    Only what changed is fetched. It may be ended at any moment and called again. What is gone at a
    source is removed here once the source was listed to its end. Exit code 1 where a source could
    not be mirrored; the others are.
    """
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        with SyncBar() as bar:
            synced = project.sync(names, accept_removals=accept_removals, progress=bar)
        if not as_json:
            for source in synced.sources:
                echo_source(source)
        ingested, came = None, any(one.added or one.unchanged for one in synced.sources)
        if not no_ingest and (came or project.ingested):
            ingested = run_ingest(project, allow_empty=accept_removals)
    if as_json:
        echo_json({"sources": synced.sources, "ingest": ingested})
    elif ingested is not None:
        echo_report(ingested)
    return int(synced.failed)


def echo_source(source: SourceReport) -> None:
    """Print what came of a source; what failed goes to stderr."""
    for failure in source.failures[:_SHOWN]:
        click.echo(f"not mirrored: {source.name}: {failure.reason}", err=True)
    if (more := len(source.failures) - _SHOWN) > 0:
        click.echo(f"and {more} more of {source.name}: --json names them all", err=True)
    parts = [f"{source.added} added", f"{source.changed} changed", f"{source.removed} removed"]
    parts += [f"{source.unchanged} unchanged", f"{source.skipped} left out"]
    if source.held:
        parts.append(f"{source.held} kept")
    click.echo(f"{source.name} ({source.kind}): {', '.join(parts)} in {source.seconds:.1f} s")
    if source.error:
        click.echo(f"error: {source.name}: {as_typed(source.error)}", err=True)
    if source.hint:
        click.echo(f"repair: {as_typed(source.hint)}", err=True)
