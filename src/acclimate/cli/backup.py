"""`acclimate backup`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.output import UserPath, echo_json, json_option, project_option
from acclimate.project import Project


@click.command()
@click.argument("file", type=UserPath(path_type=Path, dir_okay=False))
@click.option(
    "--documents/--no-documents",
    default=True,
    help="Include the documents, where they lie in the project's folder (default: yes).",
)
@click.option("--replace", is_flag=True, help="Replace FILE where it exists.")
@json_option
@project_option
def command(file: Path, documents: bool, replace: bool, as_json: bool, folder: Path) -> None:
    """Write the project into FILE: settings, questions, library, adapters, comparisons, keys and
    documents, as they are at one moment. It may be served and ingested meanwhile.

    A name that ends in .gz is compressed. Models are not included, as they can be fetched again.
    """
    with Project.open(folder) as project:
        made = project.backup(file, documents=documents, replace=replace)
        place = project.documents_shown
    if as_json:
        echo_json(made)
        return
    size = f"{made.size / 1e6:.1f} MB"
    click.echo(f"{made.file}: {made.documents} documents in {made.chunks} chunks, {size}")
    if documents and not made.with_documents:
        click.echo(
            f"The files in {place} lie outside the project's folder and are not included.", err=True
        )
