"""`acclimate init`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.output import UserPath
from acclimate.project import Project


@click.command()
@click.argument(
    "documents", type=UserPath(path_type=Path, file_okay=False), default=Path("documents")
)
@click.option(
    "--project", "-p", "folder", type=UserPath(path_type=Path, file_okay=False), default=Path()
)
def command(documents: Path, folder: Path) -> None:
    """Make a project in this folder for the folder DOCUMENTS (default: documents).

    Writes acclimate.toml, in which every key stands with its meaning and default. Nothing is
    overwritten.
    """
    project = Project.create(folder, documents)
    there = project.documents.is_dir()
    before = (
        ""
        if there
        else f"put your files into {project.documents_shown}, which does not exist yet, and run "
    )
    click.echo(f"Wrote {project.file}. Next: {before}acclimate ingest", err=True)
