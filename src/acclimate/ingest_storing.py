"""What was read is embedded and put into the record, a group of documents in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.embeddings.chunks import embed_chunks
from acclimate.errors import LibraryError
from acclimate.indexes.library import Library
from acclimate.ingest_reading import PROBE, Read, told, works
from acclimate.ingest_report import IngestProgress, Tally
from acclimate.text.embedded import embedded_hash

# chunks embedded together: enough to sort by length well, few enough to lose little in a crash
_GROUP = 512


class Ledger(Protocol):
    """Which files are this process's to store, where several processes share an ingest."""

    def done(self, paths: Sequence[str], *, same: bool = False) -> Collection[str]:
        """Within the transaction that stores them: note that these files are done (`same`: as they
        were before), and tell which of them are still this process's. Only those are stored."""

    def failed(self, path: str, reason: str) -> bool:
        """Note that a file could not be read; whether it is still this process's."""


class Alone:
    """The ledger of a process that ingests by itself: every file is its own."""

    def done(self, paths: Sequence[str], *, same: bool = False) -> Collection[str]:
        """See `Ledger`."""
        return paths

    def failed(self, path: str, reason: str) -> bool:
        """See `Ledger`."""
        return True


@dataclass(frozen=True, slots=True)
class Storing:
    """Puts what was read into `library`, counts it in `tally` and notes it in `ledger`."""

    library: Library
    embedder: Embedder
    pictures: PictureEmbedder | None
    progress: IngestProgress
    tally: Tally
    ledger: Ledger

    def groups(self, reads: Iterable[Read]) -> Iterator[list[Read]]:
        """Documents gathered until there are enough chunks to embed."""
        group: list[Read] = []
        size = 0
        for read in reads:
            if read.failure or read.state is None:
                self._fail(read.path, read.failure)
            elif read.document is None:
                with self.library.record.transaction():
                    if self.ledger.done([read.path], same=True):
                        self.library.record.touch(read.path, read.state.size, read.state.mtime_ns)
                        self.tally.touched += 1
            else:
                group.append(read)
                size += len(read.chunks) + len(read.document.pictures)
            if size >= _GROUP:
                yield group
                group, size = [], 0
        if group:
            yield group

    def store(self, group: Sequence[Read]) -> None:
        """Put a group's documents into the record together, or each alone where one of them cannot
        be embedded."""
        try:
            self._store_together(group)
        except (LibraryError, OSError):  # the record's, not a document's
            raise
        except Exception as error:
            if not works(lambda: self.embedder.embed_passages([PROBE.text])):
                raise
            if len(group) == 1:
                self._fail(group[0].path, f"{group[0].path} cannot be embedded: {told(error)}.")
                return
            for read in group:
                self.store([read])

    def _store_together(self, group: Sequence[Read]) -> None:
        """Embed what is new in a group and put its documents into the record at once."""
        record, embedder, pictures = self.library.record, self.embedder, self.pictures
        due = {embedded_hash(chunk): chunk for read in group for chunk in read.chunks}
        kept = record.vectors_by_hash(embedder.fingerprint, list(due))
        known = len(kept)
        for read in group:
            kept = {**read.vectors, **kept}
        new = {hashed: chunk for hashed, chunk in due.items() if hashed not in kept}
        vectors = embed_chunks(embedder, list(new.values()), self.progress.chunks)
        kept |= dict(zip(new, vectors, strict=True))
        documents = [
            (read, read.document, read.state) for read in group if read.document and read.state
        ]
        seen = [
            (
                document,
                pictures.fingerprint,
                pictures.embed_pictures([picture.png for picture in document.pictures]),
            )
            for _, document, _ in documents
            if pictures is not None and document.pictures
        ]
        with record.transaction():
            mine = set(self.ledger.done([read.path for read in group]))
            for read, document, state in documents:
                if read.path in mine:
                    record.put(document, state, read.chunks, kept, embedder.fingerprint)
            for document, fingerprint, rows in seen:
                if document.path in mine:
                    record.pictures.put(document.path, document.pictures, rows, fingerprint)
            record.bump()
        self.tally.embedded += len(kept) - known
        for read, document, _ in documents:
            if read.path in mine:
                self.tally.store(read.path, document, read.chunks)

    def _fail(self, path: str, reason: str) -> None:
        if self.ledger.failed(path, reason):
            self.tally.fail(path, reason)


def renew(library: Library, embedder: Embedder, progress: IngestProgress) -> int:
    """Embed chunks again that an older version embedded in another Unicode form; how many.
    Interrupted, it goes on."""
    record, done = library.record, 0
    for outdated in record.renewal.outdated():
        vectors = embed_chunks(embedder, list(outdated.values()), progress.chunks)
        with record.transaction():
            for (key, chunk), vector in zip(outdated.items(), vectors, strict=True):
                record.renewal.renew(key, chunk, record.generation + 1)
                record.put_vector(key, embedder.fingerprint, vector)
            record.bump()
        done += len(outdated)
    record.renewal.end()
    return done


def migrate(library: Library, embedder: Embedder, progress: IngestProgress) -> int:
    """Where the library's vectors are another embedder's, embed its chunks again; how many.

    The new vectors grow beside the old, which are searched until the last one is there:
    interrupted, it goes on.
    """
    record, done = library.record, 0
    if record.embedder == embedder.fingerprint:
        return 0
    while missing := record.missing_vectors(embedder.fingerprint, _GROUP):
        vectors = embed_chunks(embedder, list(missing.values()), progress.chunks)
        with record.transaction():
            for key, vector in zip(missing, vectors, strict=True):
                record.put_vector(key, embedder.fingerprint, vector)
        done += len(missing)
    with record.transaction():
        record.set_embedder(embedder.fingerprint)
    return done
