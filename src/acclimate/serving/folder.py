"""The documents folder as a server shows it: ids instead of paths, uploads and removals that lose
nothing."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from acclimate.documents.walk import matches
from acclimate.errors import DocumentError, ProjectError
from acclimate.indexes.base import FileState
from acclimate.serving.errors import ApiError
from acclimate.serving.jobs import Jobs
from acclimate.serving.keys import Caller
from acclimate.serving.service import Service

_MAX_NAME = 200  # bytes
_MAX_DEPTH = 20  # folders inside one another
_GONE = "The document's file is gone."
_AWAY = "The documents cannot be reached just now."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """One document: in the library ("ready"), waiting for its ingest ("pending"), or unreadable
    ("failed")."""

    id: str
    path: str
    status: Literal["ready", "pending", "failed"]
    reason: str = ""
    size: int = 0


class DocumentsFolder:
    """The documents that a caller may see, and those that come and go."""

    def __init__(self, service: Service, jobs: Jobs) -> None:
        self._service, self._jobs = service, jobs
        self._place = service.project.place
        self._uploaded: dict[str, int] = {}

    def entries(self, caller: Caller) -> list[DocumentEntry]:
        """Every document that the caller may see, by path."""
        ready: dict[str, FileState] = self._service.read(self._service.project.library.record.files)
        found = {
            path: DocumentEntry(document_id(path), path, "ready", size=state.size)
            for path, state in ready.items()
        }
        for path, size in list(self._uploaded.items()):
            if path in ready or not self._jobs.busy:
                self._uploaded.pop(path, None)
            else:
                found[path] = DocumentEntry(document_id(path), path, "pending", size=size)
        local = self._place.local
        for failure in self._jobs.failures:
            there = local is None or (local / failure.path).is_file()
            if failure.path not in self._uploaded and there:
                found[failure.path] = DocumentEntry(
                    document_id(failure.path), failure.path, "failed", failure.reason
                )
        return [found[path] for path in sorted(found) if self._service.sees(caller, path)]

    def find(self, caller: Caller, number: str) -> DocumentEntry:
        """A document by its id. Raises ApiError 404 where there is none, or not for this caller."""
        for entry in self.entries(caller):
            if entry.id == number:
                return entry
        raise ApiError(404, "There is no such document.", "document_not_found")

    @contextmanager
    def file(self, entry: DocumentEntry) -> Iterator[Path]:
        """The document's file, on this machine until the end of the context. Raises ApiError 404
        where it is gone or leads outside the documents folder."""
        local, gone = self._place.local, ApiError(404, _GONE, "document_not_found")
        if local is not None:
            file = local / entry.path
            if not file.is_file() or not file.resolve().is_relative_to(local.resolve()):
                raise gone
        with ExitStack() as stack:
            try:
                here = stack.enter_context(self._place.file(entry.path).at_hand())
            except (OSError, DocumentError) as error:
                raise gone from error
            except ProjectError as error:
                log.warning("%s", error)
                raise ApiError(
                    503, _AWAY, "documents_unreachable", headers={"Retry-After": "5"}
                ) from error
            yield here.file

    def put(
        self,
        caller: Caller,
        name: str | None,
        content: BinaryIO,
        folder: str = "",
        *,
        replace: bool,
    ) -> DocumentEntry:
        """Keep an upload under its own name in `folder` of the documents folder, which is made
        where there is none; the next ingest reads it. Raises ApiError for a name or folder that may
        not be."""
        root = self._writable()
        path = self._checked(caller, name or "", folder)
        root.mkdir(parents=True, exist_ok=True)
        part, target = root / f".upload-{secrets.token_hex(8)}", root / path
        try:
            with part.open("xb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            size = part.stat().st_size
            _make_folder(root, target.parent)
            if replace:
                if target.is_file():
                    self._keep(target, path)
                part.replace(target)
            else:
                os.link(part, target)  # fails where there is one, at whatever moment it came
        except FileExistsError as error:
            raise ApiError(
                409, f"There is a document '{path}' already.", "document_exists", param="file"
            ) from error
        except IsADirectoryError as error:
            raise ApiError(409, f"'{path}' is a folder.", "folder_exists", param="file") from error
        finally:
            part.unlink(missing_ok=True)
        self._uploaded[path] = size
        return DocumentEntry(document_id(path), path, "pending", size=size)

    def remove(self, caller: Caller, number: str) -> DocumentEntry:
        """Take a document out of the folder; its file is kept in `.acclimate/removed`."""
        entry, root = self.find(caller, number), self._writable()
        if entry.status == "ready" and not (root / entry.path).exists():
            return entry  # the next ingest notices
        with self.file(entry) as file:
            self._keep(file, entry.path)
        return entry

    def _writable(self) -> Path:
        """Where documents are added and removed. Raises ApiError where that is not done here."""
        if (local := self._place.local) is None:
            raise ApiError(
                409,
                "The documents are on object storage: add, replace and remove them there.",
                "documents_elsewhere",
            )
        return local

    def _keep(self, file: Path, path: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        removed = self._service.project.layout.removed
        kept = removed / f"{stamp}-{secrets.token_hex(3)}" / path
        kept.parent.mkdir(parents=True)
        shutil.move(file, kept)

    def _checked(self, caller: Caller, name: str, folder: str) -> str:
        """The path of an upload. Raises ApiError where it cannot be, or not by this caller."""
        if not _is_plain(unicodedata.normalize("NFC", name)):
            raise ApiError(400, "That file name cannot be used.", "bad_name", param="file")
        parts = unicodedata.normalize("NFC", folder).split("/") if folder else []
        if len(parts) > _MAX_DEPTH or not all(map(_is_plain, parts)):
            raise ApiError(
                400, "That name of a folder cannot be used.", "bad_folder", param="folder"
            )
        path = unicodedata.normalize("NFC", "/".join([*parts, name]))
        chosen = self._service.project.settings.documents
        if not matches(path, chosen.include) or matches(path, chosen.exclude):
            raise ApiError(
                400, "This project does not read files of that name.", "not_included", param="file"
            )
        if not self._service.sees(caller, path):
            raise ApiError(
                403, "This key lacks the label of that file name.", "label_missing", param="file"
            )
        return path


def _is_plain(name: str) -> bool:
    """Whether a name is one of a file or folder that we make: none that hides, leads elsewhere, or
    shows other characters than it has."""
    strange = any(
        unicodedata.category(character)[0] in "CZ" and character != " " for character in name
    )
    return (
        bool(name.strip())
        and not name.startswith(".")
        and not strange
        and "/" not in name
        and "\\" not in name
        and len(name.encode()) <= _MAX_NAME
    )


def _make_folder(root: Path, folder: Path) -> None:
    """Make a folder below `root`. Raises ApiError where a file is in the way, or a link leads out
    of the documents folder."""
    shown = folder.relative_to(root).as_posix()
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ApiError(
            400, f"The folder '{shown}' leads out of the documents.", "bad_folder", param="folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ApiError(
            409, f"A file is where the folder '{shown}' would be.", "file_exists", param="folder"
        ) from error


def document_id(path: str) -> str:
    """What the API calls the document at `path`."""
    return hashlib.sha256(path.encode()).hexdigest()[:24]
