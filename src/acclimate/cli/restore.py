"""`acclimate restore`."""

from __future__ import annotations

from pathlib import Path

import click

from acclimate.cli.output import UserPath, echo_json, json_option
from acclimate.workflows.restore import restore


@click.command()
@click.argument("file", type=UserPath(path_type=Path, dir_okay=False))
@click.argument("folder", type=UserPath(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--replace",
    is_flag=True,
    help="Remove what is in FOLDER of the project's files and documents, and put the backup's there.",
)
@json_option
def command(file: Path, folder: Path, replace: bool, as_json: bool) -> None:
    """Put the project in the backup FILE into FOLDER (default: this one).

    The whole file is checked first. End a server of that folder before.
    """
    manifest = restore(file, folder, replace=replace)
    if as_json:
        echo_json({name: getattr(manifest, name) for name in _TOLD})
        return
    click.echo(
        f"{folder}: {manifest.documents} documents in {manifest.chunks} chunks, as of "
        f"{manifest.created}"
    )
    if not manifest.with_documents:
        click.echo("The backup holds no document files; those must be in their place.", err=True)


_TOLD = ("format", "acclimate", "created", "documents", "chunks", "with_documents")
