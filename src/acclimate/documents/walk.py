"""Which files in a folder are documents, and why others are none."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from acclimate.errors import ProjectError, legible
from acclimate.text.folding import plain

_KINDS = (
    (stat.S_ISFIFO, "is a named pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)
# A file that was written so lately may be written once more without a trace: file systems count
# time in steps of up to two seconds.
FRESH_S = 2.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A file or folder that could not be read, and why; control characters and broken bytes of its
    name are escaped."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a folder by POSIX path, in order.

    `unread` are those that cannot be read. `kept` are paths of files of which that may pass, and of
    folders that cannot be listed, with "/" at their end: what is known of them stays.
    """

    files: dict[str, Path]
    unread: tuple[Failure, ...] = ()
    kept: tuple[str, ...] = ()

    def keeps(self, path: str) -> bool:
        """Whether a document that is not among the files may still be there."""
        return any(path == one or (one.endswith("/") and path.startswith(one)) for one in self.kept)


class _Unfit(Exception):  # noqa: N818
    """Why a file is no document; `passing` where that may change without the file."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


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
    inside, files, faults = root.resolve(), {}, dict[str, _Unfit]()

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
                files[path] = Path(folder, name)
            except _Unfit as fault:
                faults[path] = fault
    unread = [
        Failure(legible(path), f"{legible(path)} {fault}.")
        for path, fault in sorted(faults.items())
    ]
    kept = tuple(path for path, fault in faults.items() if fault.passing)
    return Found(dict(sorted(files.items())), tuple(unread), kept)


def is_fresh(time_ns: int) -> bool:
    """Whether a file's time of change is too near to now to show a further change of it."""
    return abs(time.time_ns() - time_ns) < FRESH_S * 1e9


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
