"""`acclimate init`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.output import DocumentsPath, UserPath
from acclimate.models.recommendation import measure_machine, recommend
from acclimate.project import Project
from acclimate.settings_file import set_key


@click.command()
@click.argument(
    "documents", type=DocumentsPath(path_type=Path, file_okay=False), default=Path("documents")
)
@click.option(
    "--project", "-p", "folder", type=UserPath(path_type=Path, file_okay=False), default=Path()
)
@click.option(
    "--model",
    help="Language model to use; auto: what `acclimate models recommend` says.",
)
@click.option(
    "--embedder",
    help="Embedder to search with; multilingual-e5-small-q4 for documents in other languages "
    "than English.",
)
def command(documents: Path | str, folder: Path, model: str | None, embedder: str | None) -> None:
    """Make a project in this folder for the folder DOCUMENTS (default: documents), a path or an
    address like s3://BUCKET/FOLDER.

    Writes acclimate.toml, in which every key stands with its meaning and default. Nothing is
    overwritten.
    """
    name = _recommended() if model == "auto" else model
    project = Project.create(folder, documents)
    if name:
        set_key(project.file, "model", "name", name)
    if embedder:
        set_key(project.file, "embedder", "model", embedder)
    there = project.place.local is None or project.place.local.is_dir()
    before = (
        ""
        if there
        else f"put your files into {project.documents_shown}, which does not exist yet, and run "
    )
    click.echo(f"Wrote {project.file}. Next: {before}acclimate ingest", err=True)


def _recommended() -> str:
    found = recommend(measure_machine())
    click.echo(f"Model: {found.name}, {found.reason}.", err=True)
    return found.name
