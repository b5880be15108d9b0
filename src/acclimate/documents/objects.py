"""Documents on object storage, or anywhere else that fsspec reaches: listed, and fetched one by one.

A listing that fails as a whole, or in part, is an error: what could not be listed must not look as
if it were gone. A file is fetched for its parser, and removed afterwards; what is kept of it is the
stamp that it had before and after.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from acclimate.documents.places import AT_ONCE, AtHand, Failure, File, Found, Seen, Stamp, is_fresh
from acclimate.documents.versions import Version, version_of
from acclimate.documents.walk import LocalFolder, matches
from acclimate.errors import (
    AcclimateError,
    DocumentError,
    MissingExtraError,
    ProjectError,
    SettingsError,
    legible,
)
from acclimate.system import ending

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

    from acclimate.documents.places import Place

T = TypeVar("T")
_SCRATCH_BYTES = 1_000_000_000  # of files that are fetched and not parsed yet, unless one is larger
_LEVELS = 2  # of folders that are listed one by one, to list what is below them side by side
_ATTEMPTS = 3
_LONGEST = 200  # bytes of a name that the fetched file bears, too


def open_place(
    where: Path | str, options: Mapping[str, str | int | bool], most_bytes: int
) -> Place:
    """Where the documents are: a path of this machine, or an address that fsspec knows, with its
    storage `options`. Files of more than `most_bytes` are not fetched."""
    if isinstance(where, Path):
        return LocalFolder(where)
    if where.startswith("file://"):
        return LocalFolder(Path(where.removeprefix("file://")))
    return Storage(where, options, most_bytes)


class Storage:
    """The folder at the address `url`; see `acclimate.documents.places.Place`.

    Its methods raise MissingExtraError or SettingsError where a package is missing or the address
    is of no known kind, and ProjectError with the reason where it cannot be reached. Usable from
    any thread.
    """

    local = None

    def __init__(self, url: str, options: Mapping[str, str | int | bool], most_bytes: int) -> None:
        self._url, self._options, self._most_bytes = url, dict(options), most_bytes
        self._opening = Lock()
        self._room = _Room(_SCRATCH_BYTES)

    def __reduce__(self) -> tuple[Any, ...]:
        return _one_storage, (self._url, tuple(self._options.items()), self._most_bytes)

    @property
    def shown(self) -> str:
        """The address, without a password in it."""
        return re.sub(r"//[^/@]*@", "//", self._url)

    @cached_property
    def _opened(self) -> tuple[AbstractFileSystem, str, AbstractContextManager[object]]:
        """The file system, the folder's path in it, and what one request at a time holds."""
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise MissingExtraError(f"documents at {self.shown}", "objects") from error
        try:
            found, path = url_to_fs(
                self._url, use_listings_cache=False, skip_instance_cache=True, **self._options
            )
        except ImportError as error:
            if self._url.startswith(("s3://", "s3a://")):
                raise MissingExtraError(f"documents at {self.shown}", "objects") from error
            raise SettingsError(
                f"documents at {self.shown} need a package: {error}.", hint="pip install it."
            ) from error
        except (ValueError, TypeError) as error:
            raise SettingsError(
                f"'documents.path' = {self.shown!r}: {error}.",
                hint="[documents] path and storage_options, as fsspec takes them",
            ) from error
        one_by_one = nullcontext() if found.async_impl else Lock()
        return found, path.rstrip("/"), one_by_one

    def _ask(self, request: Callable[[AbstractFileSystem], T]) -> T:
        """One request. Raises OSError as the storage does, and ProjectError where it is not to be
        reached."""
        try:
            with self._opening:
                found, _, one_by_one = self._opened
            with one_by_one:
                return request(found)
        except (OSError, AcclimateError):
            raise
        except Exception as error:  # each storage has errors of its own, such as botocore's
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> ProjectError:
        hint = "Check [documents] path and storage_options, and that the storage answers."
        if isinstance(error, PermissionError) or "redentials" in type(error).__name__:
            hint = (
                "Give credentials that may list and read it, for S3 as AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY or AWS_PROFILE; a public one needs [documents] "
                "storage_options = {anon = true}."
            )
        said = legible(str(error)).rstrip(".") or type(error).__name__
        return ProjectError(f"the documents at {self.shown} cannot be read: {said}.", hint=hint)

    def walk(self, include: Sequence[str], exclude: Sequence[str]) -> Found:
        """See `acclimate.documents.places.Place`."""
        files, unread = dict[str, File](), list[Failure]()
        for path, entry in self._listed():
            parts = path.split("/")
            if any(_hidden(part) for part in parts):
                continue
            if not matches(path, include) or matches(path, exclude):
                continue
            if any(part in ("", ".", "..") for part in parts) or "\0" in path:
                shown = legible(path)
                why = f"{shown} has a name that is no path of a file: rename it."
                unread.append(Failure(shown, why))
                continue
            files[path] = StoredFile(self, path, version_of(entry))
        return Found(dict(sorted(files.items())), tuple(sorted(unread, key=lambda one: one.path)))

    def _listed(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every file below the folder, with what the storage says of it, in no order."""
        try:
            entries = self._entries()
        except FileNotFoundError as error:
            raise ProjectError(
                f"the documents folder {self.shown} does not exist.",
                hint="Set [documents] path in acclimate.toml.",
            ) from error
        except OSError as error:
            raise self._unreachable(error) from error
        beginning = self._path("")
        for entry in entries:
            name = str(entry["name"])
            # A folder of a bucket may be an object itself, whose name ends with "/".
            if entry.get("type") != "directory" and not name.endswith("/"):
                yield name.removeprefix(beginning), entry

    def _entries(self) -> Iterable[Mapping[str, Any]]:
        """What is in the folder: the uppermost levels folder by folder, what is below them all at
        once."""
        top, found = self._path("").rstrip("/"), dict[str, Mapping[str, Any]]()
        folders = [top]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="list") as pool:
            for _ in range(_LEVELS):
                listed = {
                    str(entry["name"]): entry
                    for part in pool.map(self._level, folders)
                    for entry in part
                }
                found |= listed
                # One whose name is empty (a//b) is its parent here, and listed with all of it.
                names = [name for name, one in listed.items() if one.get("type") == "directory"]
                folders = sorted({name.rstrip("/") for name in names if _looked_into(name, top)})
                if len(folders) >= AT_ONCE:
                    break
            for part in pool.map(self._below, folders):
                found |= {str(entry["name"]): entry for entry in part}
        return found.values()

    def _level(self, folder: str) -> list[Mapping[str, Any]]:
        try:
            entries = self._ask(lambda storage: storage.ls(folder, detail=True))
        except FileNotFoundError:
            bucket = folder.split("/")[0]
            # A folder of a bucket is there as long as a file is in it.
            if folder == bucket or not self._ask(lambda storage: storage.exists(bucket)):
                raise
            return []
        if any(str(one["name"]).rstrip("/") == folder and not _is_mark(one) for one in entries):
            raise NotADirectoryError(f"{self.shown} is a file, not a folder")
        return [one for one in entries if one["name"] != folder]

    def _below(self, folder: str) -> list[Mapping[str, Any]]:
        return list(self._ask(lambda storage: storage.find(folder, detail=True)).values())

    def file(self, path: str) -> StoredFile:
        """The file at a path."""
        return StoredFile(self, path)

    def missing(self, paths: Sequence[str]) -> list[str]:
        """See `acclimate.documents.places.Place`."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="list") as pool:
            there = list(pool.map(self._holds, paths))
        return [path for path, held in zip(paths, there, strict=True) if not held]

    def _holds(self, path: str) -> bool:
        try:
            self.version(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unreachable(error) from error
        return True

    def require(self, *, allow_empty: bool) -> None:
        """See `acclimate.documents.places.Place`."""
        try:
            self._ask(lambda storage: storage.info(self._path("").rstrip("/")))
        except FileNotFoundError as error:
            if not allow_empty:
                raise self._unreachable(error) from error
        except OSError as error:
            raise self._unreachable(error) from error

    def version(self, path: str) -> Version:
        """Which version of a file is there now. Raises OSError where there is none."""
        return version_of(self._ask(lambda storage: storage.info(self._path(path))))

    @contextmanager
    def fetched(self, path: str, known: Version | None) -> Iterator[AtHand]:
        """A file's content in a file of this machine, which goes at the end; `known` is the version
        that was listed, if any.

        Raises DocumentError for one that is too large, or is replaced again and again while it is
        fetched, OSError where it is gone or may not be read.
        """
        before = known or self.version(path)
        self._check(path, before.size or 0)
        folder = Path(tempfile.gettempdir())
        with self._room.held(before.size or 0), ending.scratch(folder, "acclimate-fetch-") as own:
            target = own / _name(path)
            for _ in range(_ATTEMPTS):
                self._fetch(path, target)
                after = self.version(path)
                if after == before:
                    break
                before = after
            else:
                raise DocumentError(f"{path} was replaced each time while it was fetched.")
            mark = after.mark or 0
            mark = 0 if mark > 0 and is_fresh(mark) else mark
            yield AtHand(target, Stamp(target.stat().st_size, mark))

    def _fetch(self, path: str, target: Path) -> None:
        """Raises ProjectError where the storage itself is not to be reached any more: then no file
        is at fault."""
        from fsspec.callbacks import Callback

        check = self._check

        class Limit(Callback):  # type: ignore[misc]
            def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
                check(path, self.value)

        place = self._path(path)
        try:
            self._ask(lambda storage: storage.get_file(place, str(target), callback=Limit()))
        except (FileNotFoundError, DocumentError):
            raise
        except OSError:
            self.require(allow_empty=True)
            raise

    def _check(self, path: str, size: int) -> None:
        if size > self._most_bytes:
            raise DocumentError(
                f"{path} has {size / 1e6:,.0f} MB; {self._most_bytes / 1e6:,.0f} are allowed.",
                hint="[documents] max_file_mb",
            )

    def _path(self, path: str) -> str:
        with self._opening:
            return f"{self._opened[1]}/{path}"


@cache
def _one_storage(
    url: str, options: tuple[tuple[str, str | int | bool], ...], most_bytes: int
) -> Storage:
    """The storage of all files that come from another process: they share its connections."""
    return Storage(url, dict(options), most_bytes)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a `storage`; see `acclimate.documents.places.File`. `listed`: its version then."""

    storage: Storage
    path: str
    listed: Version | None = None

    def stamp(self) -> Stamp | None:
        """See `acclimate.documents.places.File`."""
        now = self.listed or self.storage.version(self.path)
        if now.size is None or now.mark is None:
            return None
        return Stamp(now.size, now.mark)

    def seen(self) -> Seen:
        """See `acclimate.documents.places.File`."""
        now = self.listed or self.storage.version(self.path)
        mark = now.mark or 0
        return Seen((now.size or 0, mark), mark > 0 and is_fresh(mark))

    def at_hand(self) -> AbstractContextManager[AtHand]:
        """See `acclimate.documents.places.File`."""
        return self.storage.fetched(self.path, self.listed)


class _Room:
    """So many bytes of scratch files at a time; a larger one has all of it."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most
        self._changed = Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Hold room for a file, once there is any."""
        wanted = min(size, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= wanted)
            self._left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._left += wanted
                self._changed.notify_all()


def _is_mark(entry: Mapping[str, Any]) -> bool:
    """Whether an object only stands for its folder."""
    return entry.get("type") == "directory" or str(entry["name"]).endswith("/")


def _looked_into(folder: str, top: str) -> bool:
    """Whether a folder below `top` is not hidden."""
    return not any(_hidden(part) for part in folder.removeprefix(f"{top}/").split("/"))


def _hidden(part: str) -> bool:
    return part.startswith(".") and part not in (".", "..")


def _name(path: str) -> str:
    """A name for the fetched file that ends as the document's."""
    name = path.rpartition("/")[2]
    return name if len(name.encode()) <= _LONGEST else f"document{Path(name).suffix[:20]}"
