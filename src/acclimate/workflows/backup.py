"""A project in one file: settings, questions, library, adapters, keys and documents, as they were at
one moment; it may be asked and ingested meanwhile.

The file is a tar archive. Databases are copied by SQLite's own backup, in one transaction; indexes
are left out, as they are built again from the record. The manifest is the last member: an archive
without it is incomplete.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from acclimate._version import __version__
from acclimate.errors import ProjectError
from acclimate.indexes.database import Database
from acclimate.indexes.moving import copy
from acclimate.indexes.readonly import connect_read_only, is_read_only
from acclimate.indexes.record import Record
from acclimate.sources.base import FOLDER
from acclimate.sources.state import STATE_NAME
from acclimate.system import ending
from acclimate.workspace.record import open_record
from acclimate.workspace.workspace import Workspace

FORMAT = 1
MANIFEST = "backup.json"
MTIME = "ACCLIMATE.mtime_ns"  # a file's time of change, which tar keeps in fewer digits
_DERIVED = ("indexes", "sources")  # folders of the state that are made again
_PASSING = (".lock", ".db-wal", ".db-shm", ".db-journal")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; `files` are the SHA-256 of all others by name."""

    format: int
    acclimate: str
    created: str
    documents: int
    chunks: int
    with_documents: bool
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written: `file`, its size in bytes, and what is in it.

    `with_documents` is False where the documents lie outside the project's folder, or were not
    wanted.
    """

    file: Path
    size: int
    created: str
    documents: int
    chunks: int
    with_documents: bool


def back_up(
    workspace: Workspace, file: Path, *, documents: bool = True, replace: bool = False
) -> Backup:
    """Write a backup of the project to `file`, compressed where its name ends in ".gz" or ".tgz".

    Raises ProjectError before the first ingest, and where `file` exists, unless `replace`.
    """
    if not workspace.ingested:
        raise ProjectError(
            f"{workspace.folder} has not been ingested yet.", hint="acclimate ingest"
        )
    if file.exists() and not replace:
        raise ProjectError(
            f"{file} exists already.", hint="Choose another name, or overwrite it with --replace."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    zipped = file.suffix in (".gz", ".tgz")
    with ending.scratch(file.parent, ".acclimate-backup-") as scratch:
        part = scratch / "archive"
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)  # it holds everything
        with os.fdopen(handle, "w+b") as out:
            manifest = _Writer(workspace, scratch, out, zipped).write(documents, file)
            out.flush()
            os.fsync(out.fileno())
        with ending.held():
            if replace:
                part.replace(file)
            else:
                _link(part, file)
    return Backup(
        file,
        file.stat().st_size,
        manifest.created,
        manifest.documents,
        manifest.chunks,
        manifest.with_documents,
    )


def documents_inside(workspace: Workspace) -> Path | None:
    """The documents folder relative to the project's; None where it lies elsewhere."""
    folder, documents = workspace.folder.resolve(), workspace.documents.resolve()
    return documents.relative_to(folder) if documents.is_relative_to(folder) else None


def sha256_copy(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy all that is left of `source`; its SHA-256."""
    digest = hashlib.sha256()
    while piece := source.read(1 << 20):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


class _Writer:
    """Writes one archive; `scratch` is a folder for what must be copied first."""

    def __init__(self, workspace: Workspace, scratch: Path, out: IO[bytes], zipped: bool) -> None:
        self._layout, self._documents = workspace.layout, workspace.documents
        self._store = workspace.settings.store
        self._inside = documents_inside(workspace)
        self._scratch = scratch
        self._tar = tarfile.open(  # noqa: SIM115 -- closed by `write`
            fileobj=out, mode="w:gz" if zipped else "w", format=tarfile.PAX_FORMAT
        )
        self._sums: dict[str, str] = {}

    def write(self, documents: bool, ours: Path) -> Manifest:
        """Write it all, except the file `ours`, which is the backup itself."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        inside = self._inside if documents else None
        library = self._record()
        with self._tar:
            with closing(Record(Database(library))) as record:
                if inside is not None:
                    self._add_documents(record, inside)
                counts = len(record.files()), len(record.keys())
            self._add(library, self._name(self._layout.record))
            for file in self._others(ours):
                if file.suffix == ".db":
                    self._add(self._snapshot(file), self._name(file))
                else:
                    self._add(file, self._name(file))
            manifest = Manifest(
                FORMAT, __version__, created, *counts, inside is not None, self._sums
            )
            said = json.dumps(asdict(manifest), indent=1).encode()
            member = tarfile.TarInfo(MANIFEST)
            member.size, member.mode = len(said), 0o600
            self._tar.addfile(member, io.BytesIO(said))
        return manifest

    def _add_documents(self, record: Record, inside: Path) -> None:
        """The files of the library's documents; one whose file has just gone leaves the copy of
        the library too, so that both agree."""
        gone = []
        for path in record.files():
            if not self._add(self._documents / path, (inside / path).as_posix()):
                gone.append(path)  # noqa: PERF401
        if gone:
            with record.transaction():
                for path in gone:
                    record.remove(path)
                record.bump()
        folder = self._layout.folder.resolve() / inside
        for journal in sorted((folder / FOLDER).glob(f"*/{STATE_NAME}")):
            self._add(journal, (inside / journal.relative_to(folder)).as_posix())

    def _others(self, ours: Path) -> Iterator[Path]:
        """The user's own files and those of the state, by name, without what is derived."""
        layout = self._layout
        own = (layout.settings, layout.questions, layout.labels, layout.feedback)
        yield from (file for file in own if file.is_file())
        for root in (layout.templates, layout.state):
            for folder, folders, names in os.walk(root):
                folders.sort()
                if Path(folder) == layout.state:
                    folders[:] = [name for name in folders if name not in _DERIVED]
                    names = [name for name in names if name != layout.record.name]
                for name in sorted(names):
                    file = Path(folder, name)
                    kept = not name.endswith(_PASSING) and not file.is_symlink()
                    if kept and file.is_file() and file != ours.absolute():
                        yield file

    def _record(self) -> Path:
        """A copy of the record as a file, wherever it is, as it is in one transaction."""
        if self._store.record == "local":
            return self._snapshot(self._layout.record)
        file = self._scratch / "record.db"
        with closing(open_record(self._store)) as source, closing(Database(file)) as target:
            with source.snapshot():
                copy(source, target, lambda done, total: None)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return file

    def _snapshot(self, database: Path) -> Path:
        """A copy of a database as it is in one transaction, whoever writes to it."""
        handle, name = tempfile.mkstemp(dir=self._scratch, suffix=".db")
        os.close(handle)
        source = (
            connect_read_only(database) if is_read_only(database) else sqlite3.connect(database)
        )
        with closing(source), closing(sqlite3.connect(name)) as target:
            source.backup(target)
        return Path(name)

    def _name(self, file: Path) -> str:
        return file.relative_to(self._layout.folder).as_posix()

    def _add(self, file: Path, name: str) -> bool:
        """Add a file as it is now; False where it has gone. It may change while it is read, so it
        is copied before its size is written down."""
        if name in self._sums:  # a document that is one of the user's own files, too
            return True
        try:
            with file.open("rb") as source, tempfile.TemporaryFile(dir=self._scratch) as copied:
                stat = os.fstat(source.fileno())
                self._sums[name] = sha256_copy(source, copied)
                member = tarfile.TarInfo(name)
                member.size, member.mode = copied.tell(), stat.st_mode & 0o777
                member.mtime = int(stat.st_mtime)
                member.pax_headers = {MTIME: str(stat.st_mtime_ns)}
                copied.seek(0)
                self._tar.addfile(member, copied)
        except FileNotFoundError:
            return False
        return True


def _link(part: Path, file: Path) -> None:
    """Give the archive its name. Raises ProjectError where it was taken meanwhile."""
    try:
        os.link(part, file)
    except FileExistsError as error:
        raise ProjectError(
            f"{file} exists already.", hint="Choose another name, or overwrite it with --replace."
        ) from error
    except OSError:  # a file system without links
        part.replace(file)
