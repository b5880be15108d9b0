"""What is known of a mirrored source: a journal beside its files, one JSON value a line.

A line is on the disk before the next step is taken, so a process that is killed at any moment leaves
a journal that the next one goes on with. Only the last line may be torn, and is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from acclimate.errors import SourceError
from acclimate.files import jsonlines

STATE_NAME = ".state.jsonl"
PART = ".part-"
"""Begins the names of files that are being written: hidden, and removed where they were left."""


@dataclass(frozen=True, slots=True)
class Item:
    """A mirrored document.

    `key` is the source's own name of it and `path` its file, below the source's folder; `url` is
    its address for people. `tag` and `modified` are its version as the source tells it ("" where it
    tells none). `size` and `mtime_ns` are of the file as it was written, `sha256` of its bytes ("":
    it is being written). `round` is the last listing that had it.
    """

    key: str
    path: str
    url: str = ""
    tag: str = ""
    modified: str = ""
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    round: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """A listing of the source: its number, when it began (seconds since 1970), whether it is to be
    gone on with, and the version of the whole source as it was then."""

    number: int = 0
    began: float = 0.0
    open: bool = False
    version: str = ""


class State:
    """The journal in `folder`. Raises SourceError for one that cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / STATE_NAME
        jsonlines.drop_torn(self._file)
        self.items, self.round = _read(self._file)
        self._opened: BinaryIO | None = None

    def put(self, items: Iterable[Item], *, safe: bool = True) -> None:
        """Note items, in place of what was known by their keys; `safe`: on the disk, not only
        written."""
        rows = []
        for item in items:
            self.items[item.key] = item
            rows.append(asdict(item))
        self._append(rows, safe)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget items."""
        gone = [key for key in keys if self.items.pop(key, None) is not None]
        self._append([{"gone": key} for key in gone], True)

    def note(self, now: Round) -> None:
        """Note how the listing stands."""
        self.round = now
        self._append([{"listing": asdict(now)}], True)

    def compact(self) -> None:
        """Write the journal anew, without what later lines replaced."""
        self.close()
        part = self._file.with_name(f"{PART}state")
        with part.open("wb") as out:
            for row in ({"listing": asdict(self.round)}, *map(asdict, self.items.values())):
                out.write(f"{jsonlines.dump(row)}\n".encode())
            out.flush()
            os.fsync(out.fileno())
        part.replace(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _append(self, rows: list[dict[str, Any]], safe: bool) -> None:
        if not rows:
            return
        if self._opened is None:
            self._opened = self._file.open("ab")
        self._opened.write("".join(f"{jsonlines.dump(row)}\n" for row in rows).encode())
        self._opened.flush()
        if safe:
            os.fsync(self._opened.fileno())


def read_items(folder: Path) -> list[Item]:
    """The items of the source in `folder`, as another process may be writing them; [] where there
    is no journal."""
    return list(_read(folder / STATE_NAME, torn=True)[0].values())


def last_listing(folder: Path) -> Round:
    """How the last listing of the source in `folder` stands."""
    return _read(folder / STATE_NAME, torn=True)[1]


def _read(file: Path, *, torn: bool = False) -> tuple[dict[str, Item], Round]:
    items: dict[str, Item] = {}
    listing = Round()
    if not file.exists():
        return items, listing
    known = {field.name for field in fields(Item)}
    text = jsonlines.read_text(file, SourceError)
    if torn:
        text = text[: text.rfind("\n") + 1]
    for line in jsonlines.lines(text):
        try:
            row = jsonlines.parse(line.text)
            if "gone" in row:
                items.pop(row["gone"], None)
            elif "listing" in row:
                listing = Round(**row["listing"])
            else:
                item = Item(**{key: value for key, value in row.items() if key in known})
                items[item.key] = item
        except (ValueError, TypeError) as error:
            raise SourceError(
                f"{file}, line {line.number}, is damaged: {error}.",
                hint=f"Remove the folder {file.parent}; the next sync mirrors it anew.",
            ) from error
    return items, listing
