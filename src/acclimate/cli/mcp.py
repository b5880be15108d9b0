"""`acclimate mcp`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from acclimate.cli.output import project_option
from acclimate.cli.progress import download_bar
from acclimate.errors import MissingExtraError
from acclimate.project import Project


@click.command()
@project_option
def command(folder: Path) -> None:
    """Serve the project to a program on this machine, which starts this command, by the Model
    Context Protocol over stdin and stdout.

    Tools to search, ask and read; nothing is changed. With ACCLIMATE_API_KEY in the environment
    (see `acclimate keys`) only what that key may see is served, else every document.
    """
    try:
        from acclimate.serving.mcp_stdio import serve_stdio, whose  # an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("acclimate mcp", "mcp") from error
    from acclimate.serving.keys import keys_of
    from acclimate.serving.service import Service

    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        project.require_ingested()
        who = whose(keys_of(project.folder), project.settings.serve.requests_per_minute)
        if sys.stdin.isatty():
            click.echo("Waiting for a client of MCP on stdin; Ctrl-C ends.", err=True)
        service = Service(project)
        serve_stdio(service, who)
