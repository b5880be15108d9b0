"""Archives (ZIP, TAR, gzip and their like): the files inside, one after the other, each under its
name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acclimate.documents.builder import TextBuilder
from acclimate.documents.mail import ParseInside, add_inside
from acclimate.documents.safe import MAX_MEMBERS, MAX_UNPACKED, open_zip, read_member
from acclimate.errors import DocumentError
from acclimate.types import Document

_MAX_RATIO = 200
_FREE = 1_000_000


class ArchiveParser:
    """Reads an archive as one document; `inside` parses its files. Names are shown, never used as
    paths."""

    def __init__(self, inside: ParseInside) -> None:
        self._inside = inside

    def parse(self, file: Path, path: str) -> Document:
        """See `Parser`."""
        builder = TextBuilder()
        count = 0
        for name, content in _members(file, path):
            if any(
                part.startswith((".", "__MACOSX"))
                for part in name.split("/")
                if part not in ("", ".", "..")
            ):
                continue
            count += 1
            add_inside(name, content, self._inside, builder)
        if not count:
            raise DocumentError(f"{path} is an archive without files.")
        return builder.build(path, "", Path(path).name)


def _members(file: Path, path: str) -> Iterator[tuple[str, bytes]]:
    with file.open("rb") as opened:
        head = opened.read(8)
    if head.startswith(b"PK"):
        with open_zip(file, path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, read_member(archive, info.filename)
        return
    content = _unpack(file, head, path)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for number, member in enumerate(tar):
                if number > MAX_MEMBERS:
                    raise DocumentError(f"{path} holds more than {MAX_MEMBERS:,} files.")
                taken = tar.extractfile(member) if member.isfile() else None
                if taken is not None:
                    yield member.name, taken.read()
    except tarfile.TarError:
        yield Path(path).stem, content


def _unpack(file: Path, head: bytes, path: str) -> bytes:
    """The bytes inside gzip, bzip2 or xz, up to the limits."""
    packed: Any
    if head.startswith(b"\x1f\x8b"):
        packed = gzip.open(file)  # noqa: SIM115
    elif head.startswith(b"BZh"):
        packed = bz2.open(file)  # noqa: SIM115
    elif head.startswith(b"\xfd7zXZ"):
        packed = lzma.open(file)  # noqa: SIM115
    else:
        packed = file.open("rb")
    limit = min(MAX_UNPACKED, max(_FREE, _MAX_RATIO * file.stat().st_size))
    try:
        with packed:
            content: bytes = packed.read(limit + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DocumentError(
            f"{path} is a damaged archive ({error}).", hint="Copy it again."
        ) from error
    if len(content) > limit:
        raise DocumentError(
            f"{path} unpacks to more than {limit:,} bytes, too much for its size: a bomb?"
        )
    return content
