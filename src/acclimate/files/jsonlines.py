"""JSON Lines: one JSON value a line, UTF-8. Every such file of the package is read and written
here.

Only a line feed ends a line. `str.splitlines` also cuts at U+0085, U+2028 and U+2029, which may
stand in a JSON string as they are (RFC 8259, section 7); those are read whole, and written escaped,
as other programs cut there. A byte order mark, carriage returns before line feeds and empty lines
are passed over. One row of a file that cannot be read is an error with file and line number.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from acclimate.errors import AcclimateError, SettingsError

# Line ends outside ASCII, and halves of characters, which UTF-8 cannot hold.
_ESCAPED = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


class Line(NamedTuple):
    """A line that is not empty, without its end; the first line of a file has the number 1."""

    number: int
    text: str


class KeyTwiceError(ValueError):
    """A key comes twice in one object: either value would be a guess."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key '{key}' comes twice")
        self.key = key


def lines(text: str) -> Iterator[Line]:
    """The lines of a text that hold something."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if line.strip():
            yield Line(number, line.removesuffix("\r"))


def parse(text: str) -> Any:
    """A JSON value. Raises ValueError with the column for what is none, KeyTwiceError for a key
    that comes twice."""
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not JSON: too many brackets inside each other") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these pairs. Raises KeyTwiceError. For `json.loads(…,
    object_pairs_hook=once)`."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise KeyTwiceError(next(name for name in names if names.count(name) > 1))
    return made


def read_text(file: Path, error: type[AcclimateError] = SettingsError) -> str:
    """A file's text without a byte order mark. Raises `error` where it cannot be read, is not
    UTF-8, or holds a zero byte."""
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise error(
            f"{file} cannot be read: {fault.strerror}.", hint="Give a file that is there."
        ) from fault
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise error(f"{file} is UTF-16.", hint=_to_utf8(file, "UTF-16"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise error(
            f"{file}, line {line}: the byte 0x{content[fault.start]:02x} is not UTF-8.",
            hint=f"If Excel or Windows wrote it: {_to_utf8(file, 'WINDOWS-1252')}",
        ) from fault
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(
            f"{file}, line {line}: a zero byte; it is no text.", hint="Give a text file in UTF-8."
        )
    return text


def read_rows(file: Path, error: type[AcclimateError] = SettingsError) -> list[tuple[int, Any]]:
    """The values of a file with their line numbers; [] where the file is not there. Raises `error`
    with the line."""
    if not file.exists():
        return []
    rows = []
    for line in lines(read_text(file, error)):
        try:
            rows.append((line.number, parse(line.text)))
        except ValueError as fault:
            raise error(
                f"{file}, line {line.number}: {fault}.", hint="Correct the line, or remove it."
            ) from fault
    return rows


def drop_torn(file: Path) -> None:
    """Cut off a last line without its end, which a stop in the middle of writing leaves."""
    if file.exists() and not (content := file.read_bytes()).endswith(b"\n"):
        with file.open("r+b") as opened:
            opened.truncate(content.rfind(b"\n") + 1)


def dump(value: object) -> str:
    """A value as one line, without its end."""
    return _ESCAPED.sub(
        lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False)
    )


def append(file: Path, value: object) -> None:
    """Add a row; it is on the disk when this returns. A last line that lacks its end gets it
    first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as opened:
        begin = b""
        if opened.tell():
            opened.seek(-1, os.SEEK_END)
            begin = b"" if opened.read(1) == b"\n" else b"\n"
        opened.write(begin + dump(value).encode() + b"\n")
        opened.flush()
        os.fsync(opened.fileno())


def write(file: Path, values: Iterable[object]) -> None:
    """Put rows in place of what the file held, whole or not at all; its permissions stay."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{dump(value)}\n" for value in values)
    with tempfile.NamedTemporaryFile("wb", dir=file.parent, delete=False) as part:
        part.write(text.encode())
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
    Path(part.name).replace(file)


def _to_utf8(file: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 '{file}' > '{file.stem}-utf8{file.suffix}'"
