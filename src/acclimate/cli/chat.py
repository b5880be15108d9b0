"""`acclimate chat`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from acclimate.cli.output import (
    AnswerStream,
    echo_sources,
    project_option,
    recipe_option,
    style_option,
    write_stdout,
)
from acclimate.cli.progress import download_bar
from acclimate.errors import AcclimateError
from acclimate.project import Project
from acclimate.prompting.conversation import Turn
from acclimate.types import Style


@click.command()
@recipe_option
@style_option
@project_option
def command(recipe: str | None, style: Style | None, folder: Path) -> None:
    """Ask one question after another; a question may point back: "And what does it cost?".

    /new forgets what was said; an empty line or Ctrl-D ends.
    """
    turns: list[Turn] = []
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        answerer = project.answerer(recipe, style=style)
        marked = answerer.finish is not None
        while question := _read_question():
            if question == "/new":
                turns = []
                continue
            try:
                stream = AnswerStream(write_stdout, checked=marked)
                answer = answerer.answer(question, stream, turns)
            except AcclimateError as error:
                if not error.retryable:
                    raise
                click.echo(f"error: {error}\nrepair: {error.hint}", err=True)
                continue
            echo_sources(answer, marked=marked)
            if answer.asked:
                click.echo(f"(understood as: {answer.asked})", err=True)
            turns.append(Turn(question, answer.text))


def _read_question() -> str:
    """The next question; empty at the end. The prompt goes to stderr, and only where a person
    types."""
    if sys.stdin.isatty():
        click.echo("> ", nl=False, err=True)
    return sys.stdin.readline().strip()
