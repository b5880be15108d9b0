"""`acclimate chat`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from acclimate.cli.output import AnswerStream, echo_sources, project_option, recipe_option, write_stdout
from acclimate.cli.progress import download_bar
from acclimate.errors import AcclimateError
from acclimate.project import Project


@click.command()
@recipe_option
@project_option
def command(recipe: str | None, folder: Path) -> None:
    """Ask one question after another; each is answered on its own. An empty line or Ctrl-D ends."""
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        project.warm(recipe)
        while question := _read_question():
            try:
                answer = project.answer(question, recipe=recipe, on_text=AnswerStream(write_stdout))
            except AcclimateError as error:
                if not error.retryable:
                    raise
                click.echo(f"error: {error}\nrepair: {error.hint}", err=True)
                continue
            echo_sources(answer)


def _read_question() -> str:
    """The next question; empty at the end. The prompt goes to stderr, and only where a person types."""
    if sys.stdin.isatty():
        click.echo("> ", nl=False, err=True)
    return sys.stdin.readline().strip()
