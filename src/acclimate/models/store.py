"""The models on this machine: `<user cache>/models/<name>/`, each with a record of what its bytes
must be."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from acclimate.errors import HashMismatchError, ModelError, nearest
from acclimate.models.catalogue import CATALOGUE
from acclimate.models.entries import ModelEntry

OnBytes = Callable[[str, int, int], None]
"""Called while downloading with the file's name, the bytes so far, and all of them (0: not
known)."""

log = logging.getLogger(__name__)
_RECORD = "acclimate-files.json"
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR)
_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(:[\w./-]+)?")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a file was when it was verified. Its size and time (ns) tell later whether it must be
    read again."""

    path: str
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model ready to load. `weights` is its main file and lies in `folder`; `sha256` is of that
    file."""

    name: str
    folder: Path
    weights: Path
    sha256: str
    entry: ModelEntry | None = None


def cache_folder() -> Path:
    """The user's cache folder for Acclimate; the environment variable ACCLIMATE_CACHE moves it."""
    moved = os.environ.get("ACCLIMATE_CACHE")
    return (
        Path(moved).expanduser()
        if moved
        else Path(platformdirs.user_cache_dir("acclimate", appauthor=False))
    )


def model_folder(name: str) -> Path:
    """Where the model `name` is kept. Raises ModelError for a name that is no catalogue name or hub
    id."""
    if not _ID.fullmatch(name) or ".." in name:
        raise ModelError(
            f"'{name}' is no model name.",
            hint="Give a name from `acclimate models list`, 'org/repo' or a path.",
        )
    return cache_folder() / "models" / re.sub(r"[/:]", "--", name)


def locate(name: str) -> LocalModel | None:
    """The model `name` where it is complete on this machine, else None; a local path is itself.

    A file whose size or time changed since it was verified is hashed again. Raises
    HashMismatchError where its bytes changed.
    """
    path = Path(name).expanduser()
    if path.exists() and (path.is_absolute() or name not in CATALOGUE):
        return _local(path)
    folder = model_folder(name)
    stored = read_record(folder)
    if not stored:
        return None
    fresh = [_check(name, folder, file) for file in stored]
    if fresh != stored:
        save_time(folder, lambda: write_record(folder, fresh))
    return LocalModel(name, folder, folder / stored[0].path, stored[0].sha256, CATALOGUE.get(name))


@contextmanager
def writing_cache() -> Iterator[None]:
    """Raises ModelError where what the block makes in the cache folder cannot be written there."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise ModelError(
            f"the cache {cache_folder()} cannot be written: {error.strerror}.",
            hint="Give yourself the right to it, or set ACCLIMATE_CACHE to a folder of yours.",
        ) from error


@contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """The folder of a model, made and locked; where nothing came into it, it is taken away again.

    Raises ModelError where the cache cannot be written.
    """
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))  # a suffix may be part of the name
    with writing_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        for made in (*sorted(folder.rglob("*"), reverse=True), folder):
            with suppress(OSError):  # a file, or a folder that holds something
                made.rmdir()
        lock.release()


def not_here(name: str) -> ModelError:
    """The error for a model that was never fetched, or is not known at all."""
    known = "/" in name or name in CATALOGUE
    hint = f"acclimate models fetch {name}" if known else nearest(name, CATALOGUE)
    return ModelError(f"the model '{name}' is not on this machine.", hint=hint)


def verify(name: str) -> list[StoredFile]:
    """Hash every file of the model again. Raises ModelError where it is missing or damaged."""
    folder = model_folder(name)
    stored = read_record(folder)
    if not stored:
        raise not_here(name)
    return [_check(name, folder, file, always=True) for file in stored]


def stored_file(folder: Path, path: str, sha256: str) -> StoredFile:
    """The record of a file just verified."""
    stat = (folder / path).stat()
    return StoredFile(path, sha256, stat.st_size, stat.st_mtime_ns)


def read_record(folder: Path) -> list[StoredFile]:
    """The files of a complete model; [] where it is not there or not complete."""
    try:
        rows = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        return [StoredFile(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{folder / _RECORD} is damaged: {error}.", hint=f"Delete {folder} and fetch again."
        ) from error


def write_record(folder: Path, files: list[StoredFile]) -> None:
    """Mark the model complete; written last and in one move."""
    part = folder / f"{_RECORD}.part"
    part.write_text(json.dumps([asdict(file) for file in files], indent=1), encoding="utf-8")
    part.replace(folder / _RECORD)


def hash_file(file: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check(name: str, folder: Path, file: StoredFile, *, always: bool = False) -> StoredFile:
    path = folder / file.path
    if not path.is_file():
        raise ModelError(f"{path} is missing.", hint=f"acclimate models fetch --again {name}")
    stat = path.stat()
    if not always and (stat.st_size, stat.st_mtime_ns) == (file.size, file.mtime_ns):
        return file
    found = hash_file(path)
    if found != file.sha256:
        raise HashMismatchError(
            f"{path} has the SHA-256 {found}, but {file.sha256} was fetched.",
            hint=f"acclimate models fetch --again {name}",
        )
    return stored_file(folder, file.path, found)


def _local(path: Path) -> LocalModel:
    """A model by path: a file, or a folder with one of the known weight files."""
    if path.is_file():
        return LocalModel(path.stem, path.parent, path, _cached_hash(path))
    for pattern in (
        "*.gguf",
        "model.safetensors",
        "model-00001-of-*.safetensors",
        "model.onnx",
        "onnx/model.onnx",
        "openvino_model.bin",
        "e5-small-q4.bin",
    ):
        if found := sorted(path.glob(pattern)):
            return LocalModel(path.name, path, found[0], _cached_hash(found[0]))
    raise ModelError(
        f"{path} holds no model.",
        hint="It needs a .gguf file, or model.safetensors with config and tokenizer.",
    )


def _cached_hash(file: Path) -> str:
    """The file's hash, remembered by path, size and time: hashing a gigabyte at every start would
    take seconds."""
    stat = file.stat()
    key = hashlib.sha256(
        f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode()
    ).hexdigest()[:24]
    note = cache_folder() / "hashes" / key
    if note.is_file():
        return note.read_text(encoding="utf-8")
    found = hash_file(file)

    def write() -> None:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(found, encoding="utf-8")

    save_time(note, write)
    return found


def save_time(place: Path, write: Callable[[], None]) -> None:
    """Write what only saves time; a cache that cannot be written does without."""
    try:
        write()
    except OSError as error:
        log.info("%s: %s; what it would hold is computed again next time", place, error.strerror)
