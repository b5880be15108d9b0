"""The files of an export: of a folder, or of a zip that is unpacked with its promises checked.

Nothing is unpacked to a name that the zip gives: members are read one by one, each never past the size
that it declares, and the mirror makes the names. Links, encrypted members and bombs are refused.
"""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from acclimate.errors import SourceError

_MOST_MEMBERS = 200_000
_MAX_RATIO = 200  # unpacked over packed
_FREE = 1_000_000  # bytes that may unpack at any ratio
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Exported:
    """A file of an export: its path there, its size, and what reads its bytes."""

    path: str
    size: int
    open: Callable[[], AbstractContextManager[Iterator[bytes]]]


def exported(place: Path, most_bytes: int) -> Iterator[Exported]:
    """The files of an export; zips that lie in a zip, as Notion makes them, are opened too.

    `most_bytes` bounds all of them together. Raises SourceError for what is no export, is damaged,
    or promises more.
    """
    if place.is_dir():
        yield from _of_folder(place)
    elif place.is_file():
        with place.open("rb") as opened:
            yield from _of_zip(opened, place.name, most_bytes, inner=True)
    else:
        raise SourceError(f"there is no export in {place}.", hint="Check path.")


def version_of(place: Path) -> str:
    """What changes when a zip is replaced; "" for a folder, whose files tell."""
    if not place.is_file():
        return ""
    about = place.stat()
    return f"{about.st_size} {about.st_mtime_ns}"


def _of_folder(place: Path) -> Iterator[Exported]:
    for folder, folders, names in os.walk(place, onerror=_unlisted):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_symlink() or not file.is_file():
                continue
            path = file.relative_to(place).as_posix()
            yield Exported(path, file.stat().st_size, _file_reader(file))


def _unlisted(error: OSError) -> None:
    raise SourceError(f"{error.filename} cannot be listed: {error.strerror}.")


def _file_reader(file: Path) -> Callable[[], AbstractContextManager[Iterator[bytes]]]:
    @contextmanager
    def reading() -> Iterator[Iterator[bytes]]:
        with file.open("rb") as opened:
            yield iter(lambda: opened.read(_PIECE), b"")

    return reading


def _of_zip(opened: IO[bytes], name: str, most_bytes: int, *, inner: bool) -> Iterator[Exported]:
    try:
        with zipfile.ZipFile(opened) as archive:
            for info in _checked(archive, name, most_bytes):
                if inner and info.filename.casefold().endswith(".zip"):
                    yield from _nested(archive, info, most_bytes)
                else:
                    yield Exported(info.filename, info.file_size, _member_reader(archive, info))
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise SourceError(f"{name} is a damaged zip ({error}).", hint="Export it again.") from error


def _checked(archive: zipfile.ZipFile, name: str, most_bytes: int) -> list[zipfile.ZipInfo]:
    """The files of a zip whose declared sizes are believable."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    size = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if len(members) > _MOST_MEMBERS or size > most_bytes:
        raise SourceError(
            f"{name} holds {len(members):,} files of {size:,} bytes, more than {most_bytes:,}.",
            hint="Raise max_total_mb if you trust it.",
        )
    if size > max(_FREE, _MAX_RATIO * packed):
        raise SourceError(f"{name} unpacks to {size:,} bytes, too much for its size: a zip bomb?")
    for info in members:
        if info.flag_bits & 1:
            raise SourceError(f"{name} is encrypted.", hint="Export it without a password.")
    return [info for info in members if not stat.S_ISLNK(info.external_attr >> 16)]


def _member_reader(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> Callable[[], AbstractContextManager[Iterator[bytes]]]:
    @contextmanager
    def reading() -> Iterator[Iterator[bytes]]:
        with archive.open(info) as opened:
            yield _pieces(opened, info)

    return reading


def _pieces(opened: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    left = info.file_size
    try:
        while piece := opened.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise SourceError(f"{info.filename} is larger than it declares: a zip bomb?")
            yield piece
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise SourceError(f"{info.filename} is damaged: {error}.") from error


def _nested(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most_bytes: int) -> Iterator[Exported]:
    with tempfile.TemporaryFile() as spooled:
        with archive.open(info) as opened:
            for piece in _pieces(opened, info):
                spooled.write(piece)
        spooled.seek(0)
        yield from _of_zip(spooled, info.filename, most_bytes, inner=False)
