"""`acclimate`: the command line. Each command is one file, imported only when it is used.

Data goes to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
100 a gate did not hold, 128 plus its number for a signal (130 interrupted, 143 told to end).
"""

from __future__ import annotations

import errno
import logging
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from acclimate._version import __version__
from acclimate.cli.console import settle_streams, take_any_text, use_utf8_names
from acclimate.cli.signals import Signals
from acclimate.errors import AcclimateError, legible, nearest
from acclimate.system import ending

COMMANDS = {
    "init": "Make a project in this folder: a commented acclimate.toml.",
    "ingest": "Read the documents and bring the library up to date.",
    "sync": "Mirror web pages, WebDAV, git, mailboxes and exports into the documents.",
    "watch": "Ingest now, and again whenever files change.",
    "ask": "Answer a question from the documents, with citations.",
    "chat": "Ask one question after another.",
    "questions": "Make, import, review and split the questions to compare on.",
    "feedback": "Say whether answers are right; make questions and training pairs of it.",
    "optimise": "Choose instruction and examples by their score on your dev questions.",
    "tune": "Train an adapter on your questions.",
    "export": "Write a tuned adapter in the formats that other programs run.",
    "compare": "Run recipes over your questions and say which one works.",
    "serve": "Serve an OpenAI-compatible API and a web page.",
    "mcp": "Serve the project to a program on this machine, by MCP over stdio.",
    "keys": "Make, list and remove the API keys of the server.",
    "library": "Move the library between the file beside the project and PostgreSQL.",
    "backup": "Write the project into one file, also while it is served.",
    "restore": "Put a project from a backup into a folder.",
    "models": "List, fetch and verify models.",
    "doctor": "Check machine, models and library, and print the repair.",
    "try": "See it work on the example documents.",
}
# What there is after a command was ended, for the commands of which that is worth a word.
_KEPT = {
    "ingest": "The documents that were read are in the library.",
    "sync": "The documents that came are in the documents folder.",
    "watch": "The documents that were read are in the library.",
    "ask": "Nothing was changed.",
    "chat": "A chat is not kept.",
    "questions": "The questions that were written are kept.",
    "feedback": "What was said so far is kept.",
    "optimise": "The answers given so far are kept.",
    "tune": "The newest checkpoint is kept.",
    "export": "No half export is left.",
    "compare": "The answers given so far are kept.",
    "serve": "Nothing is lost.",
    "mcp": "Nothing is lost.",
    "library": "What was copied is kept.",
    "backup": "No half backup is left.",
    "restore": "Nothing was changed.",
    "models": "What was fetched is kept.",
    "try": "What was done so far is kept.",
}
_GOES_ON = (
    "ingest",
    "sync",
    "watch",
    "library",
    "questions",
    "optimise",
    "tune",
    "export",
    "compare",
    "models",
    "try",
)


class _LazyGroup(click.Group):
    """Knows its commands by name and help line, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command '{legible(args[0])}'. {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

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
    with Signals() as signals:
        code = run(arguments, signals)
        signals.finish(code)
    sys.exit(code)


def run(arguments: Sequence[str] | None = None, signals: Signals | None = None) -> int:
    """Run the command line; its exit code. Errors of ours become two lines on stderr, never a
    traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if signals is not None:
        signals.kept = what_is_kept(given)
    try:
        result = cli.main(args=given, prog_name="acclimate", standalone_mode=False, obj=signals)
    except BaseException as error:
        code = _interrupted(error, given, signals) or _failed(error)
        if not code:
            raise
        return code
    return result if isinstance(result, int) else 0


def _interrupted(error: BaseException, given: Sequence[str], signals: Signals | None) -> int:
    """The exit code of a command that was interrupted; 0 where the error means something else."""
    # Whatever else is raised after a signal came of it, such as an import that was cut short.
    if not ending.requested() and not isinstance(error, KeyboardInterrupt | click.Abort):
        return 0
    if signals is None:
        click.echo(f"Interrupted. {what_is_kept(given)}", err=True)
        return 128 + signal.SIGINT
    signals.report()
    return signals.code


def _failed(error: BaseException) -> int:
    """Print an error that users may meet and return its exit code; 0 for any other error."""
    match error:
        case AcclimateError():
            from acclimate.files.places import as_typed  # not needed for --help

            click.echo(f"error: {as_typed(str(error))}", err=True)
            if error.hint:
                click.echo(f"repair: {as_typed(error.hint)}", err=True)
            return error.exit_code
        case click.ClickException():
            error.show()
            return error.exit_code
        case BrokenPipeError():
            # The reader of a pipe went away (`acclimate ask … | head`); closing stdout again at
            # exit would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        case OSError():
            place = legible(os.fsdecode(error.filename)) if error.filename else ""
            click.echo(f"error: {error.strerror or error}: {place}".rstrip(": "), err=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                click.echo(
                    "repair: Free disk space and run the same command again; nothing is lost.",
                    err=True,
                )
            elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and error.filename:
                hint = "Give yourself the right to it, or copy the project to where you have it."
                click.echo(f"repair: {hint}", err=True)
            return 1
    return 0


def what_is_kept(given: Sequence[str]) -> str:
    """The line for a command that was interrupted: what it leaves behind, and how to resume."""
    name = next((one for one in given if one in COMMANDS), "")
    kept = _KEPT.get(name, "")
    again = f"To go on: {shlex.join(['acclimate', *given])}" if name in _GOES_ON else ""
    return " ".join(part for part in (kept, again) if part)
