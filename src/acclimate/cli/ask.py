"""`acclimate ask`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from acclimate.cli.output import (
    AnswerStream,
    echo_abstention,
    echo_json,
    echo_sources,
    json_option,
    project_option,
    recipe_option,
    summary,
    write_stdout,
)
from acclimate.cli.progress import download_bar
from acclimate.errors import SettingsError
from acclimate.indexes.filters import Filter
from acclimate.project import Project
from acclimate.prompting.recipes import PARTS

_NAME = {"NAME": "wear the adapter that `acclimate tune` made under this name"}
_PARTS = "\n".join(f"  {name:<17} {meaning}" for name, meaning in (PARTS | _NAME).items())


@click.command(epilog=f"\b\nA recipe is parts joined by +, like rag or lora+rag:\n{_PARTS}")
@click.argument("question", required=False)
@recipe_option
@click.option(
    "--where",
    "where",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only documents like path=handbook/* or date>=2025.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Only documents that are open to all or have this label.",
)
@click.option(
    "--schema",
    "schema_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Answer in JSON by the JSON Schema in this file.",
)
@click.option("--show-prompt", is_flag=True, help="Print the prompt as sent, to stderr.")
@click.option(
    "--reasoning",
    "--show-reasoning",
    "show_reasoning",
    is_flag=True,
    help="Print what the model wrote before its answer, to stderr.",
)
@json_option
@project_option
def command(
    question: str | None,
    recipe: str | None,
    where: tuple[str, ...],
    labels: tuple[str, ...],
    schema_file: Path | None,
    show_prompt: bool,
    show_reasoning: bool,
    as_json: bool,
    folder: Path,
) -> None:
    """Answer QUESTION (or what comes on stdin) from the documents, with citations."""
    if question is None and not sys.stdin.isatty():
        question = sys.stdin.read()
    if not question or not question.strip():
        raise click.UsageError('Give a question: acclimate ask "What is the refund period?"')
    wanted = Filter.parse(where, labels or None)
    schema = _read_schema(schema_file) if schema_file else None
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        answer = project.answer(
            question,
            recipe=recipe,
            where=wanted,
            schema=schema,
            on_text=None if as_json or schema else AnswerStream(write_stdout),
        )
    if show_prompt:
        for message in answer.prompt.messages:
            click.echo(f"--- {message.role}\n{message.content}", err=True)
    if show_reasoning:
        click.echo(f"--- reasoning\n{answer.reasoning or '(none)'}", err=True)
    if as_json:
        echo_json(answer)
    elif schema:
        click.echo(answer.text)
        echo_abstention(answer)
    else:
        echo_sources(answer)
    if not as_json:
        click.echo(
            " · ".join(f"{name} {value}" for name, value in summary(answer).items()), err=True
        )


def _read_schema(file: Path) -> dict[str, Any]:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingsError(f"{file} is not JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise SettingsError(f"{file} holds no JSON Schema, which is an object.")
    return schema
