"""`acclimate keys`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.project import Project
from acclimate.serving.keys import SCOPES, Keys, keys_of


@click.group()
def command() -> None:
    """Make, list and remove the API keys of `acclimate serve`."""


@command.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(list(SCOPES)),
    multiple=True,
    default=("ask",),
    show_default=True,
    help="; ".join(f"{scope}: {meaning}" for scope, meaning in SCOPES.items())
    + ". May be repeated.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Access label that it sees beside open documents; '*': all.",
)
@project_option
def add_key(name: str, scopes: tuple[str, ...], labels: tuple[str, ...], folder: Path) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    click.echo(_keys(folder).add(name, scopes, labels))
    click.echo(
        "Keep it now; it cannot be shown again. It counts at once, without a restart.", err=True
    )


@command.command("list")
@json_option
@project_option
def list_keys(as_json: bool, folder: Path) -> None:
    """The keys by name, without the keys themselves."""
    keys = _keys(folder).all()
    if as_json:
        echo_json(
            [
                {name: value for name, value in asdict(key).items() if name != "sha256"}
                for key in keys
            ]
        )
        return
    for key in keys:
        labels = f"  labels {', '.join(key.labels)}" if key.labels else ""
        click.echo(f"{key.name:20} {', '.join(key.scopes):12} {key.created}{labels}")


@command.command("remove")
@click.argument("name")
@project_option
def remove_key(name: str, folder: Path) -> None:
    """Take a key away; it is refused from the next request on."""
    _keys(folder).remove(name)


def _keys(folder: Path) -> Keys:
    with Project.open(folder) as project:
        return keys_of(project.folder)
