"""A project from a backup: checked as a whole beside the place where it goes, then moved there."""

from __future__ import annotations

import json
import os
import secrets
import tarfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from acclimate.errors import LibraryError, ProjectError
from acclimate.indexes.database import Database
from acclimate.indexes.record import Record
from acclimate.settings import load_settings
from acclimate.system import ending
from acclimate.workflows.backup import (
    FORMAT,
    MANIFEST,
    MTIME,
    Manifest,
    documents_inside,
    sha256_copy,
)
from acclimate.workspace.layout import Layout
from acclimate.workspace.workspace import Workspace

_DAMAGED = (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, KeyError, TypeError)


def restore(file: Path, folder: Path, *, replace: bool = False) -> Manifest:
    """Put the project in the backup `file` into `folder`; what the backup says of itself.

    Nothing is changed before the whole archive was read and its library checked. Raises
    ProjectError for a file that is no backup, damaged, incomplete or made by a newer version, and,
    unless `replace`, where something that would be written exists; with it, that is removed.
    """
    if not file.is_file():
        raise ProjectError(f"{file} does not exist.", hint="acclimate backup FILE makes one.")
    folder.mkdir(parents=True, exist_ok=True)
    with ending.scratch(folder, ".acclimate-restore-") as scratch:
        staged, old = scratch / "new", scratch / "old"
        manifest = _extracted(file, staged)
        _check_library(file, staged)
        items = _items(staged, manifest)
        taken = [item for item in items if _taken(folder / item)]
        if taken and not replace:
            raise ProjectError(
                f"{folder / taken[0]} exists already.",
                hint="Restore into another folder; or say that it may go: --replace",
            )
        _require_no_ingest(folder)
        with ending.held():
            for item in taken:
                _move(folder / item, old / item)
            for item in items:
                _move(staged / item, folder / item)
    return manifest


def _extracted(file: Path, staged: Path) -> Manifest:
    """The manifest of an archive, whose files are in `staged` then, each as it was written."""
    sums, said = dict[str, str](), None
    try:
        with tarfile.open(file, "r:*") as tar:
            for member in tar:
                if member.name == MANIFEST:
                    source = tar.extractfile(member)
                    said = json.load(source) if source is not None else None
                else:
                    sums[member.name] = _extract(tar, member, staged)
        manifest = _manifest(said) if said is not None else None
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename != str(file):
            raise  # it could not be written here, which is not the archive's fault
        raise ProjectError(f"{file} is no backup, or damaged: {error}.") from error
    if manifest is None:
        raise ProjectError(f"{file} is incomplete: its manifest is missing.")
    if manifest.format > FORMAT:
        raise ProjectError(
            f"{file} has the format {manifest.format}; this Acclimate knows {FORMAT}.",
            hint="pip install --upgrade acclimate",
        )
    if sums != manifest.files:
        wrong = sorted(name for name, _ in sums.items() ^ manifest.files.items())
        raise ProjectError(f"{file} is damaged: {wrong[0]} is not as it was backed up.")
    return manifest


def _manifest(said: Any) -> Manifest:
    known = {name: said[name] for name in Manifest.__dataclass_fields__ if name in said}
    return Manifest(**known)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, staged: Path) -> str:
    """Write one file below `staged`; its SHA-256. Raises ValueError for what may not be there."""
    name = PurePosixPath(member.name)
    source = tar.extractfile(member) if member.isreg() else None
    strange = name.is_absolute() or ".." in name.parts or ":" in name.parts[0]
    if source is None or strange or "\\" in member.name:
        raise ValueError(f"it holds {member.name!r}")
    target = staged / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        digest = sha256_copy(source, out)
        out.flush()
        os.fsync(out.fileno())
    time_ns = int(member.pax_headers.get(MTIME, member.mtime * 10**9))
    os.utime(target, ns=(time_ns, time_ns))
    target.chmod(member.mode & 0o777)
    return digest


def _check_library(file: Path, staged: Path) -> None:
    """Raises ProjectError where the library is missing or not whole.

    It gets a name of its own: indexes that are elsewhere, or were left, are never taken for its.
    """
    layout = Layout(staged)
    if not (layout.ingested and layout.settings.is_file()):
        raise ProjectError(f"{file} holds no library with its settings.")
    with closing(Record(Database(layout.record))) as record:
        problems = record.problems()
    if problems:
        raise ProjectError(f"{file} holds a damaged library: {problems[0]}.")
    with closing(Database(layout.record)) as database, database.transaction():
        database.set_meta("id", secrets.token_hex(8))


def _items(staged: Path, manifest: Manifest) -> list[Path]:
    """What is moved as one, relative to the project's folder."""
    layout = Layout(staged)
    files = (layout.settings, layout.questions, layout.labels, layout.feedback)
    own = (*files, layout.templates, layout.state)
    items = [place.relative_to(staged) for place in own if place.exists()]
    if not manifest.with_documents:
        return items
    with Workspace(staged, load_settings(layout.settings)) as workspace:
        inside = documents_inside(workspace)
    if inside is None:
        return items
    if inside != Path():
        return [*items, *([inside] if (staged / inside).exists() else [])]
    held = set(items)
    return [*items, *(Path(name) for name in manifest.files if not _below(Path(name), held))]


def _below(path: Path, folders: set[Path]) -> bool:
    return any(one in folders for one in (path, *path.parents))


def _taken(place: Path) -> bool:
    """Whether something is there; a folder without any file is nothing."""
    if place.is_dir() and not place.is_symlink():
        return any(not one.is_dir() or one.is_symlink() for one in place.rglob("*"))
    return place.exists() or place.is_symlink()


def _require_no_ingest(folder: Path) -> None:
    state = Layout(folder).state
    if not state.is_dir():
        return
    try:
        FileLock(state / "ingest.lock", timeout=0).acquire().lock.release()
    except Timeout as error:
        raise LibraryError(
            f"an ingest of {folder} is running.",
            hint="End it, and any server of the project, first.",
            retryable=True,
        ) from error


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        _remove_empty(target)
    source.rename(target)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds folders only."""
    places: Sequence[Path] = sorted(folder.rglob("*"), reverse=True)
    for place in (*places, folder):
        place.rmdir()
