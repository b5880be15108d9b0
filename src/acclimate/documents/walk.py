"""Which files in a folder of this machine are documents, and why others are none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from acclimate.documents.places import AtHand, Failure, File, Found, Place, Seen, Stamp, is_fresh
from acclimate.errors import ProjectError, legible
from acclimate.text.folding import plain

_KINDS = (
    (stat.S_ISFIFO, "is a named pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine; see `acclimate.documents.places.File`."""

    path: Path

    def stamp(self) -> Stamp | None:
        """Its size, and its time of change."""
        now = self.path.stat()
        return Stamp(now.st_size, now.st_mtime_ns)

    def seen(self) -> Seen:
        """Size, and times of change of content and properties."""
        now = self.path.stat()
        fresh = is_fresh(now.st_mtime_ns) or is_fresh(now.st_ctime_ns)
        return Seen((now.st_size, now.st_mtime_ns, now.st_ctime_ns), fresh)

    @contextmanager
    def at_hand(self) -> Iterator[AtHand]:
        """The file itself."""
        now = self.path.stat()
        # A time that the next change may have too is not kept: the next ingest hashes the file
        # again.
        mark = 0 if is_fresh(now.st_mtime_ns) else now.st_mtime_ns
        yield AtHand(self.path, Stamp(now.st_size, mark))


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine; see `acclimate.documents.places.Place`."""

    local: Path

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.local)

    def walk(self, include: Sequence[str], exclude: Sequence[str]) -> Found:
        """See `walk`."""
        return walk(self.local, include, exclude)

    def file(self, path: str) -> LocalFile:
        """The file at a path."""
        return LocalFile(self.local / path)

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Those of these paths at which there is nothing."""
        return [path for path in paths if not (self.local / path).exists()]

    def require(self, *, allow_empty: bool) -> None:
        """See `Place`."""
        try:
            if allow_empty or next(self.local.iterdir(), None) is not None:
                return
            why = "is empty"
        except OSError as error:
            why = f"cannot be listed: {error.strerror or error}"
        raise ProjectError(
            f"the documents folder {self.local} {why} on this machine.",
            hint="Mount it, and start the worker again; others go on meanwhile.",
        )


class _Unfit(Exception):  # noqa: N818
    """Why a file is no document; `passing` where that may change without the file."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


def place_of(where: Path | Place) -> Place:
    """A path as a place; a place is one already."""
    return LocalFolder(where) if isinstance(where, Path) else where


def walk(root: Path, include: Sequence[str], exclude: Sequence[str]) -> Found:
    """The files under `root` that match; hidden ones are left out, and so are links that lead
    outside.

    Raises ProjectError where `root` is no folder or cannot be listed.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise ProjectError(
            f"the documents folder {root} {what}.", hint="Set [documents] path in acclimate.toml."
        )
    inside, files, faults = root.resolve(), dict[str, File](), dict[str, _Unfit]()

    def unlisted(error: OSError) -> None:
        folder = os.path.relpath(error.filename, root)
        if folder == ".":
            raise ProjectError(
                f"the documents folder {root} cannot be listed: {error.strerror}."
            ) from error
        faults[f"{folder}/"] = _Unfit(f"cannot be listed: {error.strerror}", passing=True)

    for folder, folders, names in os.walk(root, onerror=unlisted):
        # Hidden folders are not looked into; links to folders are not followed: they may lead round
        # in circles.
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(os.path.relpath(folder, root))
        for name in folders:
            path = (relative / name).as_posix()
            if os.path.islink(Path(folder, name)) and not matches(f"{path}/", exclude):  # noqa: PTH114
                faults[path] = _Unfit("is a link to a folder, and such links are not followed")
        for name in names:
            path = (relative / name).as_posix()
            if name.startswith(".") or not matches(path, include) or matches(path, exclude):
                continue
            try:
                _check(Path(folder, name), path, inside)
                files[path] = LocalFile(Path(folder, name))
            except _Unfit as fault:
                faults[path] = fault
    unread = [
        Failure(legible(path), f"{legible(path)} {fault}.")
        for path, fault in sorted(faults.items())
    ]
    kept = tuple(path for path, fault in faults.items() if fault.passing)
    return Found(dict(sorted(files.items())), tuple(unread), kept)


def _check(file: Path, path: str, inside: Path) -> None:
    """Raises _Unfit for what is no regular file of a name that can be kept, inside the folder
    `inside`."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise _Unfit("has a name that is not UTF-8: rename it") from None
    try:
        mode = file.stat().st_mode
        if file.is_symlink() and not file.resolve().is_relative_to(inside):
            raise _Unfit("is a link that leads outside the documents folder")
    except FileNotFoundError:
        raise _Unfit("is a link that leads nowhere, or has just gone", passing=True) from None
    except (
        OSError,
        RuntimeError,
    ) as error:  # RuntimeError: a loop of links, in Python 3.11 and 3.12
        why = getattr(error, "strerror", None) or error
        raise _Unfit(f"cannot be read: {why}", passing=True) from None
    for is_kind, reason in _KINDS:
        if is_kind(mode):
            raise _Unfit(reason)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Glob patterns as in .gitignore: `**/` also stands for no folder at all."""
    path = plain(path)  # some systems take names apart into letters and marks
    wanted = [plain(pattern) for pattern in patterns]
    return any(fnmatch(path, one) or fnmatch(path, one.removeprefix("**/")) for one in wanted)
