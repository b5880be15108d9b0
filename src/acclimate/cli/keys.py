"""`acclimate keys`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from click.core import ParameterSource

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.project import Project
from acclimate.serving.keys import SCOPES, Keys, Widget, keys_of
from acclimate.serving.widgets import make_widget

_WIDGETS_ONLY = {
    "origins": "--origin",
    "per_minute": "--per-minute",
    "per_address": "--per-address",
}


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
@click.option(
    "--widget",
    is_flag=True,
    help="A public key for the widget in web pages: it only asks, from these pages.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="With --widget: scheme, host and port of a page that it stands in, like "
    "https://intranet.example. May be repeated.",
)
@click.option(
    "--per-minute",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="With --widget: questions of all its users, in a minute.",
)
@click.option(
    "--per-address",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="With --widget: questions of one client address, in a minute.",
)
@project_option
@click.pass_context
def add_key(
    ctx: click.Context,
    name: str,
    scopes: tuple[str, ...],
    labels: tuple[str, ...],
    widget: bool,
    origins: tuple[str, ...],
    per_minute: int,
    per_address: int,
    folder: Path,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    _check_options(ctx, widget=widget)
    if widget:
        _add_widget(name, labels, origins, per_minute, per_address, folder)
        return
    click.echo(_keys(folder).add(name, scopes, labels))
    click.echo(
        "Keep it now; it cannot be shown again. It counts at once, without a restart.", err=True
    )


def _add_widget(
    name: str,
    labels: Sequence[str],
    origins: Sequence[str],
    per_minute: int,
    per_address: int,
    folder: Path,
) -> None:
    with Project.open(folder) as project:
        held = make_widget(origins, per_minute, per_address, project.settings)
        token = keys_of(project.folder).add_widget(name, held, labels)
        server = project.settings.login.address or "https://SERVER"
    click.echo(token)
    click.echo(
        "It is public: whoever reads the page has it. In the page:\n"
        f'<script src="{server}/widget.js" data-key="{token}" defer></script>',
        err=True,
    )


def _check_options(ctx: click.Context, *, widget: bool) -> None:
    """Raises UsageError for options that would be ignored."""
    given = {
        name for name in ctx.params if ctx.get_parameter_source(name) != ParameterSource.DEFAULT
    }
    if widget and "scopes" in given:
        raise click.UsageError("--scope is not for widgets: their keys only ask.")
    for name, option in _WIDGETS_ONLY.items():
        if name in given and not widget:
            raise click.UsageError(f"{option} needs --widget.")


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
        click.echo(
            f"{key.name:20} {', '.join(key.scopes):12} {key.created}{labels}{_pages(key.widget)}"
        )


@command.command("remove")
@click.argument("name")
@project_option
def remove_key(name: str, folder: Path) -> None:
    """Take a key away; it is refused from the next request on."""
    _keys(folder).remove(name)


def _pages(widget: Widget | None) -> str:
    if widget is None:
        return ""
    rates = f"{widget.per_minute} a minute, {widget.per_address} of an address"
    return f"  for {', '.join(widget.origins)} ({rates})"


def _keys(folder: Path) -> Keys:
    with Project.open(folder) as project:
        return keys_of(project.folder)
