"""A source's folder among the documents: files come in whole, and leave only after a whole listing.

A source says `keep`, `put`, `fail` or `skip` of each document that it lists, and `complete` when it
has listed them all. What it no longer has is then removed; but where that is most of what was here,
it stays, until somebody says that this is meant: an emptied mailbox looks like a failing one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Self

from acclimate.documents.walk import Failure
from acclimate.errors import AcclimateError, SourceError, legible
from acclimate.sources.base import NoProgress, Pause, SourceReport, SyncProgress
from acclimate.sources.names import marked, safe_path
from acclimate.sources.state import PART, Item, Round, State
from acclimate.system.closing import Closing
from acclimate.system.platforms import FolderLock
from acclimate.text.folding import plain

_RESUMED_S = 24 * 3600.0  # so long a listing that was broken off is gone on with
_MOST_FAILURES = 1000  # kept in the report
_MOST_SKIPPED = 100_000  # counted
_FEW = 10  # so many may vanish at once without a question
_MB = 1_000_000
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a source may bring: documents, bytes of one, bytes of all."""

    files: int
    file_bytes: int
    total_bytes: int


class LimitError(SourceError):
    """The source has more than its limits allow, or the disk does: the listing ends."""


class TooLargeError(SourceError):
    """A document is larger than `max_file_mb`."""


class Mirror(Closing):
    """The folder of one source, locked while this is open.

    Raises SourceError where another process mirrors the source now. `accept` takes any removal;
    `resumes`: a listing that was broken off lately is gone on with.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        limits: Limits,
        *,
        pause: Pause | None = None,
        progress: SyncProgress | None = None,
        accept: bool = False,
        resumes: bool = False,
    ) -> None:
        self.name, self.folder, self.limits = name, folder, limits
        self.pause = pause or Pause()
        self._progress, self._accept = progress or NoProgress(), accept
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        if not self._lock.acquire():
            raise SourceError(
                f"the source '{name}' is being mirrored by another process, or its folder "
                f"{folder} cannot be locked.",
                retryable=True,
            )
        for part in folder.glob(f"{PART}*"):
            part.unlink()
        try:
            self._state = State(folder)
        except BaseException:
            self._lock.release()
            raise
        self._before = {key for key, item in self._state.items.items() if item.sha256}
        self._paths = {plain(one.path).casefold(): key for key, one in self._state.items.items()}
        self._folders = Counter(parent for path in self._paths for parent in _parents(path))
        self._total = sum(item.size for item in self._state.items.values())
        self._seen: set[str] = set()
        self._gone: set[str] = set()
        self._failures: list[Failure] = []
        self._skipped: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._doubts: list[str] = []
        self._complete = False
        self._resumed = self._begin(resumes)

    def close(self) -> None:
        """Give the folder back; whatever was put stays."""
        self._state.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    # What a source asks.

    @property
    def version(self) -> str:
        """The whole source's version at its last complete listing."""
        return self._state.round.version

    def items(self) -> list[Item]:
        """Everything that is here, by path."""
        return sorted(self._state.items.values(), key=lambda item: item.path)

    def known(self, key: str) -> Item | None:
        """A document whose file is as it was written; None where it has to be fetched anew."""
        item = self._state.items.get(key)
        if item is None or not item.sha256:
            return None
        try:
            stat = self.file(item).stat()
            if stat.st_size != item.size:
                return None
            if stat.st_mtime_ns != item.mtime_ns:  # changed, or copied with all that is here
                with self.file(item).open("rb") as opened:
                    if hashlib.file_digest(opened, "sha256").hexdigest() != item.sha256:
                        return None
                item = replace(item, mtime_ns=stat.st_mtime_ns)
                self._state.put([item], safe=False)
        except OSError:
            return None
        return item

    def file(self, item: Item) -> Path:
        """The file of a document."""
        return self.folder / item.path

    def seen(self, key: str) -> bool:
        """Whether this listing, or the broken one that it goes on with, had the document already."""
        if key in self._seen:
            return True
        item = self._state.items.get(key)
        return bool(self._resumed and item and item.round == self._state.round.number)

    # What a source says.

    def keep(self, key: str, *, note: bool = False) -> None:
        """A document is as it was; `note`: so that a listing that goes on after a stop knows."""
        self._listed(key)
        item = self._state.items[key]
        if note and item.round != self._state.round.number:
            self._state.put([replace(item, round=self._state.round.number)], safe=False)
        self._count("unchanged", item)

    def put(
        self, key: str, parts: Sequence[str], content: Iterable[bytes], version: Item
    ) -> Item | None:
        """Take a document with the path `parts`; url, tag and modified are those of `version`.

        None where it is too large or cannot be written, which is noted as its failure. Raises
        LimitError where the source has more than its limits.
        """
        self._listed(key)
        old = self._state.items.get(key)
        if old is None or not old.sha256:
            old = None
        path = self._place(key, safe_path(parts))
        try:
            return self._write(key, path, content, version, old)
        except TooLargeError as error:
            self.fail(key, "/".join(parts), str(error))
        except OSError as error:
            if error.errno in _FULL:
                raise LimitError(f"{self.folder} cannot be written: {error.strerror}.") from error
            self.fail(key, "/".join(parts), f"cannot be written: {error.strerror}")
        return None

    def fail(self, key: str, shown: str, reason: str) -> None:
        """A document that is there could not be had; what is here of it stays."""
        self._seen.add(key)
        if len(self._failures) < _MOST_FAILURES:
            place = legible(shown)
            self._failures.append(Failure(place, f"{place}: {legible(reason).rstrip('.')}."))

    def skip(self, key: str) -> None:
        """A document is not to be taken; if it is here from before, it goes."""
        if key in self._state.items or len(self._skipped) < _MOST_SKIPPED:
            self._skipped.add(key)

    def gone(self, key: str) -> None:
        """The source says that there is no such document."""
        self._seen.discard(key)
        self._gone.add(key)

    def doubt(self, reason: str) -> None:
        """A part of the listing could not be had: nothing is taken for gone but what `gone` said."""
        self._doubts.append(reason)

    def complete(self, version: str = "") -> None:
        """Everything that the source has was listed; `version` is that of the whole source."""
        self._complete = not self._doubts
        vanished = self._vanished()
        if vanished and not self._accept and self._too_many(vanished):
            self._counts["held"] = len(vanished)
            self.end()
            raise SourceError(
                f"{len(vanished)} of the {len(self._before)} documents of '{self.name}' are no "
                f"longer at the source: nothing was removed.",
                hint=f"If that is meant: acclimate sync {self.name} --accept-removals",
            )
        self._remove(vanished)
        if self._complete:
            self._state.note(replace(self._state.round, open=False, version=version))
            self._state.compact()
            return
        self._counts["held"] = sum(not self.seen(key) for key in self._state.items)
        self.end()
        raise SourceError(
            f"'{self.name}' could not be listed to its end: {self._doubts[0].rstrip('.')}.",
            hint="The next sync tries again; what was not listed stays until then.",
            retryable=True,
        )

    def end(self) -> None:
        """This listing is not to be gone on with."""
        self._state.note(replace(self._state.round, open=False))

    def report(self, kind: str, error: AcclimateError | None, seconds: float) -> SourceReport:
        """What was done."""
        return SourceReport(
            self.name,
            kind,
            added=self._counts["added"],
            changed=self._counts["changed"],
            removed=self._counts["removed"],
            unchanged=self._counts["unchanged"],
            skipped=len(self._skipped),
            held=self._counts["held"],
            failures=tuple(self._failures),
            complete=self._complete and error is None,
            error=str(error) if error else "",
            hint=error.hint if error else "",
            seconds=seconds,
        )

    # How it is done.

    def _begin(self, resumes: bool) -> bool:
        """Whether this goes on with a listing that was broken off."""
        last, now = self._state.round, time.time()
        if resumes and last.open and 0 <= now - last.began < _RESUMED_S:
            return True
        self._state.note(Round(last.number + 1, now, True, last.version))
        return False

    def _listed(self, key: str) -> None:
        self.pause.check()
        if key not in self._seen and len(self._seen) >= self.limits.files:
            raise LimitError(
                f"'{self.name}' has more than {self.limits.files:,} documents.",
                hint=f"Raise max_files in [sources.{self.name}], or narrow it by include, exclude.",
            )
        self._seen.add(key)

    def _place(self, key: str, path: str) -> str:
        """A path that no other document has: nor one that is the folder of others."""
        names = path.split("/")
        for depth in range(1, len(names)):
            while self._owner("/".join(names[:depth])) not in (None, key):
                names[depth - 1] += "_"
        path = "/".join(names)
        taken = self._owner(path) not in (None, key) or plain(path).casefold() in self._folders
        return marked(path, key) if taken else path

    def _owner(self, path: str) -> str | None:
        return self._paths.get(plain(path).casefold())

    def _write(
        self, key: str, path: str, content: Iterable[bytes], version: Item, old: Item | None
    ) -> Item:
        if key not in self._state.items:  # so that a file is never here without a line for it
            self._state.put([Item(key, path)])
            self._own(key, path)
        part = self.folder / f"{PART}{secrets.token_hex(8)}"
        try:
            size, digest = self._receive(part, content, old)
            item = replace(
                version, key=key, path=path, size=size, sha256=digest, round=self._number
            )
            as_before = self.known(key) if old is not None and old.sha256 == digest else None
            if as_before is not None and as_before.path == path:
                item = replace(item, mtime_ns=as_before.mtime_ns)
                self._state.put([item])
                self._count("unchanged", item)
                return item
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            item = replace(item, mtime_ns=target.stat().st_mtime_ns)
        finally:
            part.unlink(missing_ok=True)
        before = self._state.items[key]
        self._state.put([item])
        self._own(key, path)
        self._total += size - before.size
        if before.path != path:
            self._disown(before)
        self._count("changed" if old else "added", item)
        return item

    def _receive(self, part: Path, content: Iterable[bytes], old: Item | None) -> tuple[int, str]:
        """Write the bytes to `part`; their number and hash."""
        size, digest = 0, hashlib.sha256()
        others = self._total - (old.size if old else 0)
        with part.open("xb") as out:
            for piece in content:
                self.pause.check()
                size += len(piece)
                if size > self.limits.file_bytes:
                    most = self.limits.file_bytes // _MB
                    raise TooLargeError(f"is larger than {most} MB (max_file_mb)")
                if others + size > self.limits.total_bytes:
                    raise LimitError(
                        f"'{self.name}' has more than {self.limits.total_bytes // _MB:,} MB.",
                        hint=f"Raise max_total_mb in [sources.{self.name}], or narrow it.",
                    )
                digest.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        return size, digest.hexdigest()

    @property
    def _number(self) -> int:
        return self._state.round.number

    def _count(self, what: str, item: Item) -> None:
        self._counts[what] += 1
        done = self._counts["added"] + self._counts["changed"] + self._counts["unchanged"]
        self._progress.document(self.name, item.path, done)

    def _vanished(self) -> list[str]:
        """What is here and no longer at the source."""
        if self._complete:
            return sorted(key for key in self._state.items if not self.seen(key))
        sure = self._gone | (self._skipped - self._seen)
        return sorted(key for key in sure if key in self._state.items)

    def _too_many(self, vanished: list[str]) -> bool:
        lost = sum(key in self._before and key not in self._skipped for key in vanished)
        there = len(self._seen) + sum(
            key not in self._seen and self.seen(key) for key in self._before
        )
        return bool(lost) and (not there or (lost > _FEW and there < len(self._before) / 2))

    def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.pause.check()
            item = self._state.items[key]
            self._disown(item)
            self._total -= item.size
            self._counts["removed"] += bool(item.sha256)
        self._state.drop(keys)

    def _own(self, key: str, path: str) -> None:
        folded = plain(path).casefold()
        if self._paths.get(folded) != key:
            self._paths[folded] = key
            self._folders.update(_parents(folded))

    def _disown(self, item: Item) -> None:
        """Remove a document's file, and the folders that it leaves empty."""
        folded = plain(item.path).casefold()
        if self._paths.get(folded) == item.key:
            del self._paths[folded]
            self._folders.subtract(_parents(folded))
            self._folders = +self._folders
        file = self.file(item)
        file.unlink(missing_ok=True)
        for parent in file.parents:
            if parent == self.folder:
                break
            with suppress(OSError):
                parent.rmdir()


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
