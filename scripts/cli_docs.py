"""Writes docs/cli.md from the command line's own help texts; `--check` compares instead."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from acclimate.cli.main import COMMANDS, cli

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"


def render() -> str:
    """The page's text."""
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


def main() -> int:
    """Write or check; the exit code."""
    text = render()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            print("docs/cli.md is out of date: run scripts/docs", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
