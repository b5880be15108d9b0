"""Shared by all commands: JSON and answer output, the project option, progress bars."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from acclimate.cli.console import can_show
from acclimate.errors import legible
from acclimate.prompting.citations import CitationStripper
from acclimate.prompting.recipes import find_recipe
from acclimate.settings_library import path_or_address
from acclimate.types import Answer, Usage


class UserPath(click.Path):
    """A path in which "~" is the user's home, also where the shell leaves it, as in
    --project=~/x."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.Path`."""
        if isinstance(value, str):
            # Path's own raises for a user who does not exist.
            value = os.path.expanduser(value)  # noqa: PTH111
        return super().convert(value, param, ctx)


class DocumentsPath(UserPath):
    """The folder of documents: a path, or the text of an address like s3://BUCKET/FOLDER."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.Path`."""
        address = isinstance(value, str) and isinstance(path_or_address(value), str)
        return value if address else super().convert(value, param, ctx)


project_option = click.option(
    "--project",
    "-p",
    "folder",
    type=UserPath(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Project folder (default: this one, or the nearest above it).",
)
recipe_option = click.option(
    "--recipe",
    "-r",
    callback=lambda _context, _option, name: name and find_recipe(name).name,
    help="How to answer, like rag or lora+rag (default: from acclimate.toml).",
)
style_option = click.option(
    "--style",
    type=click.Choice(["short", "full"]),
    help="The exact words, or sentences, a list or steps, each with its source (default: from the "
    "recipe or acclimate.toml).",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text."
)


def echo_json(value: object) -> None:
    """Print a dataclass, or anything JSON knows, as one JSON object."""
    echo_json_text(json.dumps(_plain(value), ensure_ascii=False))


def echo_json_text(text: str) -> None:
    """Print text that is JSON already; as ASCII with escapes where the console lacks some of its
    characters."""
    click.echo(text if can_show(text) else json.dumps(json.loads(text)))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


class AnswerStream:
    """Prints a raw answer as it comes: without its citation marks, unless they are `checked`, as
    those of a full answer are."""

    def __init__(self, write: Callable[[str], None], *, checked: bool = False) -> None:
        self._write, self._stripper = write, CitationStripper()
        self._checked = checked

    def __call__(self, piece: str) -> bool:
        """Take the next piece."""
        self._write(piece if self._checked else self._stripper(piece))
        return True


def write_stdout(text: str) -> None:
    """Print without a newline, at once."""
    click.echo(text, nl=False)


def echo_sources(answer: Answer, *, marked: bool = False) -> None:
    """End a streamed answer: its checked marks where it was not printed with them (`marked`), then
    where each points, one place a line with its words below; for an abstention, why, on stderr."""
    numbers = dict.fromkeys(citation.number for citation in answer.citations)
    marks = "" if marked else "".join(f" [{number}]" for number in numbers)
    click.echo(f"{marks}\n" if numbers else "")
    if answer.working:
        click.echo(f"{answer.working}\n")
    for citation in answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        headings = f" · {' › '.join(citation.headings)}" if citation.headings else ""
        name = f"[{citation.number}] {legible(citation.document)}{page}"
        place = f"{name}, characters {citation.start}–{citation.end}{headings}"
        click.echo(click.style(place, bold=True))
        click.echo(f"    “{' '.join(citation.quote.split())}”")
        if citation.url:
            click.echo(f"    {legible(citation.url)}")
        if citation.also:
            click.echo(f"    also in: {_some(citation.also)}")
        if not (citation.verbatim or answer.working):
            click.echo("    (closest sentence; the answer is not quoted verbatim)")
    for span in answer.unsupported:
        click.echo(f"(No passage supports: “{answer.text[span.start : span.end]}”)", err=True)
    echo_abstention(answer)


def echo_abstention(answer: Answer) -> None:
    """Why an answer abstains, and what to do about it, to stderr."""
    shown = answer.usage.passages_shown
    read = (
        "1 passage was found and read; no answer was found in it."
        if shown == 1
        else (f"{shown} passages were found and read; no answer was found in them.")
    )
    told = {
        "empty_library": "repair: put files into the documents folder and run: acclimate ingest",
        "no_document_left": "repair: loosen --where or --label",
        "nothing_found": "(The search found no passage.)",
        "not_answered": f"({read})" if shown else "",
    }
    if line := told.get(answer.abstention):
        click.echo(line, err=True)


def _some(paths: Sequence[str], most: int = 5) -> str:
    """Paths, and how many more there are."""
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more


def summary(answer: Answer) -> dict[str, Any]:
    """One line of figures about an answer, for stderr."""
    return {
        "recipe": answer.recipe,
        "model": answer.model,
        "first token": f"{answer.timings.first_token_s:.2f} s",
        "total": f"{answer.timings.total_s:.2f} s",
        "prompt": f"{answer.usage.prompt_tokens} tokens",
        "passages": answer.usage.passages_shown,
        **({"overflow": _overflow(answer.usage)} if answer.usage.overflow else {}),
        **({"links removed": answer.links_removed} if answer.links_removed else {}),
        **({"because": answer.decision} if answer.decision else {}),
    }


def _overflow(usage: Usage) -> str:
    match usage.overflow:
        case "compress":
            return f"compress ({usage.passages_cut} passages shortened)"
        case "map-reduce":
            return f"map-reduce ({usage.calls} calls)"
    return f"{usage.overflow} ({usage.passages_dropped} passages dropped)"
