"""`acclimate`: the command line. Each command is one file, imported only when it is used.

Data goes to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 100 a gate did not
hold, 130 interrupted.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from acclimate import __version__
from acclimate.cli.console import settle_streams, take_any_text, use_utf8_names
from acclimate.errors import AcclimateError

COMMANDS = {
    "init": "Make a project in this folder: a commented acclimate.toml.",
    "ingest": "Read the documents and bring the library up to date.",
    "ask": "Answer a question from the documents, with citations.",
    "chat": "Ask one question after another.",
    "questions": "Make, import, review and split the questions to compare on.",
    "optimise": "Choose instruction and examples by their score on your dev questions.",
    "tune": "Train an adapter on your questions.",
    "export": "Write a tuned adapter in the formats that other programs run.",
    "compare": "Run recipes over your questions and say which one works.",
    "serve": "Serve an OpenAI-compatible API and a web page.",
    "keys": "Make, list and remove the API keys of the server.",
    "models": "List, fetch and verify models.",
    "doctor": "Check machine, models and library, and print the repair.",
    "try": "See it work on the example documents.",
}


class _LazyGroup(click.Group):
    """Knows its commands by name and help line, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = "try_" if cmd_name == "try" else cmd_name  # `try` is a keyword
        command: click.Command = import_module(f"acclimate.cli.{module}").command
        return take_any_text(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="acclimate")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens, to stderr.")
def cli(verbose: bool) -> None:
    """Adapt an LLM to your documents, and see which way of adapting works.

    \b
    acclimate ingest FOLDER
    acclimate ask "What is the refund period?"
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    use_utf8_names()
    settle_streams()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code. Errors of ours become two lines on stderr, never a traceback."""
    try:
        result = cli.main(args=arguments, prog_name="acclimate", standalone_mode=False)
    except AcclimateError as error:
        click.echo(f"error: {error}", err=True)
        if error.hint:
            click.echo(f"repair: {error.hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Nothing is lost: run the same command again to go on.", err=True)
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away (`acclimate ask … | head`); closing stdout again at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        click.echo(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            click.echo("repair: Free disk space and run the same command again; nothing is lost.", err=True)
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and error.filename:
            click.echo("repair: Give yourself the right to it, or copy the project to where you have it.", err=True)
        return 1
    return result if isinstance(result, int) else 0
