"""What an ingest tells: how far it is, and what it did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from acclimate.chunking.cuts import uncovered
from acclimate.documents.places import Failure
from acclimate.errors import legible
from acclimate.indexes.same import NearCopy
from acclimate.types import Chunk, Document


class IngestProgress(Protocol):
    """Receives the progress of an ingest."""

    def files(self, done: int, total: int) -> None:
        """So many of the new and changed files are in the library."""

    def chunks(self, embedded: int) -> None:
        """So many more chunks were embedded."""

    def page(self, path: str, done: int, total: int) -> None:
        """So many pages of a document are read; called from any thread."""


class NoProgress:
    """Discards all progress."""

    def files(self, done: int, total: int) -> None:
        """See `IngestProgress`."""

    def chunks(self, embedded: int) -> None:
        """See `IngestProgress`."""

    def page(self, path: str, done: int, total: int) -> None:
        """See `IngestProgress`."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many things of a kind a document has."""

    path: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, in documents; `chunks` are those in the library now, `embedded` those
    computed now.

    Of the documents read now: `uncovered` counts characters, white space left out, that are in no
    chunk; `hidden` counts what authors hid, by `[documents] hidden` left out or marked; `unread`
    counts what has no value to be read. `near_copies` are documents with most of their text in
    common, of which at least one was read now.
    """

    added: int
    changed: int
    removed: int
    unchanged: int
    failures: tuple[Failure, ...]
    documents: int
    chunks: int
    embedded: int
    uncovered: int
    seconds: float
    hidden: tuple[Count, ...] = ()
    unread: tuple[Count, ...] = ()
    near_copies: tuple[NearCopy, ...] = ()


@dataclass(slots=True)
class Tally:
    """What became of the files so far."""

    known: Collection[str]
    added: int = 0
    changed: int = 0
    touched: int = 0
    embedded: int = 0
    uncovered: int = 0
    failures: list[Failure] = field(default_factory=list)
    hidden: list[Count] = field(default_factory=list)
    unread: list[Count] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many files that is."""
        return self.added + self.changed + self.touched + len(self.failures)

    def store(self, path: str, document: Document, chunks: Sequence[Chunk]) -> None:
        """Count a document that is in the record now."""
        if path in self.known:
            self.changed += 1
        else:
            self.added += 1
        self.uncovered += uncovered(document, chunks)
        self.hidden += [Count(path, *pair) for pair in document.hidden.items()]
        self.unread += [Count(path, *pair) for pair in document.unread.items()]

    def fail(self, path: str, reason: str) -> None:
        """Note a file that cannot be read."""
        self.failures.append(Failure(legible(path), legible(reason)))

    def report(
        self,
        *,
        removed: int,
        unchanged: int,
        failures: Sequence[Failure],
        library: tuple[int, int],
        seconds: float,
        near_copies: Sequence[NearCopy],
    ) -> IngestReport:
        """The report of an ingest that leaves `library`, so many documents and chunks."""
        documents, chunks = library
        return IngestReport(
            added=self.added,
            changed=self.changed,
            removed=removed,
            unchanged=unchanged,
            failures=tuple(failures),
            documents=documents,
            chunks=chunks,
            embedded=self.embedded,
            uncovered=self.uncovered,
            seconds=seconds,
            hidden=tuple(self.hidden),
            unread=tuple(self.unread),
            near_copies=tuple(near_copies),
        )
