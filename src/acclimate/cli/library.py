"""`acclimate library`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.project import Project


@click.group()
def command() -> None:
    """Move the library between the file beside the project and PostgreSQL, or fill it from elsewhere."""


@command.command()
@click.option(
    "--to",
    type=click.Choice(["local", "postgres"]),
    required=True,
    help="local: the file beside the project; postgres: the server that [store] names.",
)
@json_option
@project_option
def move(to: Literal["local", "postgres"], as_json: bool, folder: Path) -> None:
    """Copy the library from the other place, compare every row, and mark the old one as moved.

    Interrupted, the same command goes on. The indexes stay as they are.
    """
    with Project.open(folder) as project:
        with click.progressbar(length=1, label="Documents", file=sys.stderr) as bar:

            def hear(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            moved = project.move_library(to, hear)
        chosen, file = project.settings.store.record, project.file
    if as_json:
        echo_json(moved)
    else:
        click.echo(
            f"{moved.documents} documents, {moved.chunks} chunks and {moved.vectors} vectors are "
            f"there, equal to what they were (SHA-256 {moved.sha256[:16]})."
        )
    if chosen != to:
        click.echo(f'Now set [store] record = "{to}" in {file}.', err=True)


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@json_option
@project_option
def import_(path: Path, as_json: bool, folder: Path) -> None:
    """Write the documents that another program keeps in PATH into the documents folder.

    PATH is LlamaIndex's storage folder, a JSON file of LangChain's documents or of its
    InMemoryVectorStore, or what Haystack's InMemoryDocumentStore saved. Their texts and metadata
    are taken, their vectors are not. Nothing is overwritten. Where the original files are still
    there, ingest these instead: they have pages, tables and headings.
    """
    with Project.open(folder) as project:
        done = project.import_documents(path)
    if as_json:
        return echo_json(done)
    fresh = len(done.paths) - done.known
    click.echo(
        f"{fresh} documents written." + (f" {done.known} were there already." if done.known else "")
    )
    click.echo("Next: acclimate ingest", err=True)
    return None
