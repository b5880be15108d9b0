"""Writes the pages that are made from the code: docs/cli.md from the command line's own help texts, docs/settings.md from
the settings' own descriptions. `--check` compares instead."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click
from pydantic.fields import FieldInfo

from acclimate.cli.main import COMMANDS, cli
from acclimate.settings import sections
from acclimate.settings_file import shown
from acclimate.settings_sources import KINDS, source_keys

DOCS = Path(__file__).parents[1] / "docs"


def render_cli() -> str:
    """The text of docs/cli.md."""
    parts = [
        "# The command line",
        "Made by `scripts/docs` from the commands' own help; do not edit.",
    ]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None  # noqa: S101 - COMMANDS is the list that get_command reads
        parts += _section(f"acclimate {name}", command)
    return "\n\n".join(parts) + "\n"


def _section(path: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    found = [f"## {path}", f"```text\n{command.get_help(context)}\n```"]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            found += _section(f"{path} {name}", inner)
    return found


def render_settings() -> str:
    """The text of docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "The keys of `acclimate.toml`. Made by `scripts/docs` from the settings' own descriptions; do not edit.",
        "An environment variable overrides the file: `ACCLIMATE_MODEL__MAX_TOKENS=64` is `[model] max_tokens`.",
    ]
    for section, inner in sections().items():
        lines += ["", f"## [{section}]", "", (inner.__doc__ or "").strip(), ""]
        lines += _table(inner.model_fields)
    lines += [
        "",
        "## [sources.NAME]",
        "",
        "What `acclimate sync` mirrors into the documents folder: see",
    ]
    lines += ["[Sources](sources.md). NAME is yours; `type` says which keys there are."]
    for kind, keys in source_keys().items():
        said = (KINDS[kind].__doc__ or "").strip()
        lines += ["", f'### type = "{kind}"', "", said, "", *_table(keys)]
    return "\n".join(lines) + "\n"


def _table(keys: Mapping[str, FieldInfo]) -> list[str]:
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for key, field in keys.items():
        meaning = (field.description or "").replace("|", "\\|")
        default = "required" if field.is_required() else f"`{shown(field.default)}`"
        lines.append(f"| `{key}` | {default} | {meaning} |")
    return lines


def main() -> int:
    """Write or check; the exit code."""
    stale = []
    for name, render in (("cli.md", render_cli), ("settings.md", render_settings)):
        target, text = DOCS / name, render()
        if "--check" not in sys.argv:
            target.write_text(text, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        print(f"docs/{name} is out of date: run scripts/docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
