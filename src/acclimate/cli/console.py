"""Consoles that are not UTF-8: what they cannot show is replaced, and what comes from them is read
all the same."""

from __future__ import annotations

import codecs
import io
import locale
import os
import sys
from typing import Any

import click

_REPLACE, _ASCII = "acclimate-replace", "acclimate-ascii"
# Signs of our own output, so that places and quotes can still be read.
_PLAIN = {
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "·": "*",
    "›": ">",
    "×": "x",
}


def use_utf8_names() -> None:
    """Start this program again where Python would not read the names of files as UTF-8, which
    nearly all are.

    That is the locale C without Python's own remedy, and locales like de_DE.ISO-8859-1. The
    console's encoding stays.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        console = getattr(sys.stdout, "encoding", None) or "utf-8"
        os.environ |= {"PYTHONUTF8": "1", "PYTHONIOENCODING": console}
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- ourselves


def settle_streams() -> None:
    """Let standard output and error take any text, and standard input any bytes, whatever the
    locale is."""
    codecs.register_error(_REPLACE, _replaced)
    codecs.register(_find_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # click takes a stream of the encoding "ascii" for set wrongly, and writes UTF-8 to it.
            stream.reconfigure(
                encoding=_ASCII if _is_ascii(stream.encoding) else stream.encoding, errors=_REPLACE
            )
    if isinstance(sys.stdin, io.TextIOWrapper):
        # UTF-8 holds all of ASCII.
        encoding = "utf-8" if _is_ascii(sys.stdin.encoding) else sys.stdin.encoding
        sys.stdin.reconfigure(encoding=encoding, errors="replace")


def can_show(text: str) -> bool:
    """Whether standard output takes every character of `text` as it is."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def repair(text: str) -> str:
    """Text from the command line that is not UTF-8: read as the locale's, and what is not that
    either is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode(locale.getencoding(), "replace")
    return text


class _Text(click.types.StringParamType):
    """Text that is no path: paths must keep their bytes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return repair(super().convert(value, param, ctx))


def take_any_text(command: click.Command) -> click.Command:
    """`command`, and those below it, with the text of its arguments and options repaired."""
    for param in command.params:
        if type(param.type) is click.types.StringParamType:
            param.type = _Text()
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        take_any_text(below)
    return command


def _is_ascii(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "ascii"


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII.replace("-", "_"):
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=_ASCII,
        encode=plain.encode,
        decode=plain.decode,
        incrementalencoder=plain.incrementalencoder,
        incrementaldecoder=plain.incrementaldecoder,
        streamwriter=plain.streamwriter,
        streamreader=plain.streamreader,
    )


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(
        _PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]
    ), error.end
