"""From a folder of files to a library, in one story: file → document → chunks → vectors → index.

What is unchanged is skipped, by size and time, else by the hash of the bytes. A changed document
takes the place of its old version in one transaction; a file that is gone leaves no trace; a file
that cannot be read costs itself only and keeps its old version. A crash at any moment repeats a few
files and never leaves half of one.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from acclimate.chunking.base import Chunker
from acclimate.documents.walk import Found, is_fresh, walk
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.embeddings.chunks import embed_chunks
from acclimate.errors import AcclimateError, DocumentError, LibraryError, ProjectError
from acclimate.indexes.base import FileState
from acclimate.indexes.library import Library
from acclimate.indexes.record import Record
from acclimate.indexes.same import NearCopy, near_copies
from acclimate.indexes.versions import newer_of
from acclimate.ingest_report import IngestProgress, IngestReport, NoProgress, Tally
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Document, Element

_AHEAD = 3  # files read ahead of the one that is stored, for each thread
# chunks embedded together: enough to sort by length well, few enough to lose little in a crash
_GROUP = 512

# What every chunker and embedder can do: where it fails too, no document is at fault.
_PROBE = Document(
    "probe.txt", "A sentence.", (Element("paragraph", 0, 11),), media_type="text/plain"
)

Parse = Callable[[Path, str], Document]


@dataclass(frozen=True, slots=True)
class _Read:
    """A file as it was read: its document with chunks, or None where its content is as before, or
    why it failed."""

    path: str
    state: FileState | None
    document: Document | None = None
    chunks: Sequence[Chunk] = ()
    failure: str = ""


def ingest(  # noqa: PLR0913
    root: Path,
    library: Library,
    parse: Parse,
    chunker: Chunker,
    embedder: Embedder,
    *,
    include: Sequence[str] = ("**/*",),
    exclude: Sequence[str] = (),
    check_all: bool = False,
    allow_empty: bool = False,
    parallel: int = 1,
    parser: str = "",
    pictures: PictureEmbedder | None = None,
    progress: IngestProgress | None = None,
) -> IngestReport:
    """Bring `library` up to date with the files under `root`.

    `parse` is called from `parallel` threads; `parser` names it: under another name, all is read
    again. `check_all` hashes every file, even where size and time are as before; `allow_empty`
    accepts that no file is left. `pictures` makes the vectors of the documents' pictures. Raises
    ProjectError where the folder is missing or empty: an unmounted disk must not empty the library.
    """
    try:
        with FileLock(library.folder / "ingest.lock", timeout=0):
            found = walk(root, include, exclude)
            reader = _Reader(parse, chunker, parallel, parser)
            return _ingest(
                root, found, library, reader, embedder, pictures, check_all, allow_empty, progress
            )
    except Timeout as error:
        raise LibraryError(
            f"another ingest of {library.folder} is running.",
            hint="Wait for it, then run again.",
            retryable=True,
        ) from error


def _ingest(  # noqa: PLR0913
    root: Path,
    found: Found,
    library: Library,
    reader: _Reader,
    embedder: Embedder,
    pictures: PictureEmbedder | None,
    check_all: bool,
    allow_empty: bool,
    progress: IngestProgress | None,
) -> IngestReport:
    started, progress = time.perf_counter(), progress or NoProgress()
    record, files = library.record, found.files
    known = record.files()
    gone = sorted(path for path in known.keys() - files.keys() if not found.keeps(path))
    if not files and not allow_empty and (gone or not found.unread):
        raise ProjectError(
            f"there is no document in {root}"
            + (f", but {len(known)} are in the library." if known else "."),
            hint="Check [documents] path; to remove them all: acclimate ingest --allow-empty",
        )
    due = {
        path: file
        for path, file in files.items()
        if not _untouched(file, known.get(path), reader.name, check_all)
    }
    if due or gone:
        record.ingests.note(finished=False)
    embedded = _migrate(library, embedder, progress) + _renew(library, embedder, progress)
    tally = Tally(known, embedded=embedded)
    for group in _groups(reader.read(due, known), library, tally):
        _store(group, library, embedder, pictures, progress, tally)
        progress.files(tally.done, len(due))

    # Last, so that a file that only moved finds its vectors.
    _remove(record, gone)
    library.catch_up()
    copies = _near_copies(
        record, sorted(due.keys() - {failure.path for failure in tally.failures}), known
    )
    if due or gone:
        record.ingests.add_seconds(time.perf_counter() - started)
    failures = (*found.unread, *tally.failures)
    record.ingests.note(finished=True, failures=[failure.reason for failure in failures])
    return IngestReport(
        added=tally.added,
        changed=tally.changed,
        removed=len(gone),
        unchanged=len(files) - tally.added - tally.changed - len(tally.failures),
        failures=failures,
        documents=len(record.files()),
        chunks=len(record.keys()),
        embedded=tally.embedded,
        uncovered=tally.uncovered,
        seconds=time.perf_counter() - started,
        hidden=tuple(tally.hidden),
        unread=tuple(tally.unread),
        near_copies=copies,
    )


def _remove(record: Record, gone: Sequence[str]) -> None:
    with record.transaction():
        for path in gone:
            record.remove(path)
        if gone:
            record.bump()


def _near_copies(
    record: Record, read: Sequence[str], known: Mapping[str, FileState]
) -> tuple[NearCopy, ...]:
    """Near copies among all documents, where one of the two was added or changed now."""
    now = record.files()
    fresh = [
        path
        for path in read
        if path in now and (path not in known or now[path].sha256 != known[path].sha256)
    ]
    if not fresh:
        return ()
    found = near_copies(record.copies.sketches(), fresh)
    dated = record.copies.dated(sorted({path for one, other, _ in found for path in (one, other)}))
    return tuple(
        NearCopy(one, other, share, newer_of(dated[one], dated[other]) if share < 1 else "")
        for one, other, share in found
    )


def _untouched(file: Path, state: FileState | None, reader: str, check_all: bool) -> bool:
    if state is None or check_all or state.chunker != reader:
        return False
    try:
        stat = file.stat()
    except OSError:
        return False  # reading it tells why
    return (stat.st_size, stat.st_mtime_ns) == (state.size, state.mtime_ns)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Parses and chunks files in threads, a few ahead of the one that is wanted next."""

    parse: Parse
    chunker: Chunker
    parallel: int
    parser: str = ""

    @property
    def name(self) -> str:
        """Identifies parser, chunker and their settings: equal means that the same file gives the
        same chunks."""
        return (
            f"{self.parser}/{self.chunker.fingerprint}" if self.parser else self.chunker.fingerprint
        )

    def read(self, due: dict[str, Path], known: dict[str, FileState]) -> Iterator[_Read]:
        """The files in order."""
        pool = ThreadPoolExecutor(max(1, self.parallel), thread_name_prefix="parse")
        ahead: deque[Future[_Read]] = deque()
        try:
            for path, file in due.items():
                ahead.append(pool.submit(self._read, path, file, known.get(path)))
                if len(ahead) > _AHEAD * self.parallel:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, path: str, file: Path, before: FileState | None) -> _Read:
        """Whatever goes wrong with one file costs that file; what would go wrong with every file is
        raised."""
        state = None
        try:
            state = _state(file, path, self.name)
            if before is not None and (before.sha256, before.chunker) == (
                state.sha256,
                state.chunker,
            ):
                return _Read(path, state)
            document = replace(self.parse(file, path), sha256=state.sha256)
        except DocumentError as error:
            return _Read(path, state, failure=str(error))
        except OSError as error:
            return _Read(path, state, failure=f"{path} cannot be read: {error.strerror or error}.")
        except AcclimateError:
            raise
        except Exception as error:
            return _Read(path, state, failure=f"{path} cannot be parsed: {_told(error)}.")
        try:
            return _Read(path, state, document, self.chunker.split(document))
        except Exception as error:
            if not _works(lambda: self.chunker.split(_PROBE)):
                raise
            return _Read(path, state, failure=f"{path} cannot be cut into chunks: {_told(error)}.")


def _works(attempt: Callable[[], object]) -> bool:
    """Whether something works on what nothing is wrong with."""
    try:
        attempt()
    except Exception:
        return False
    return True


def _told(error: Exception) -> str:
    """An error in a message."""
    said = str(error).rstrip(".")
    return (
        said
        if said and isinstance(error, AcclimateError)
        else f"{type(error).__name__}: {said}".rstrip(": ")
    )


def _groups(reads: Iterable[_Read], library: Library, tally: Tally) -> Iterator[list[_Read]]:
    """Documents gathered until there are enough chunks to embed."""
    group: list[_Read] = []
    size = 0
    for read in reads:
        if read.failure or read.state is None:
            tally.fail(read.path, read.failure)
        elif read.document is None:
            with library.record.transaction():
                library.record.touch(read.path, read.state.size, read.state.mtime_ns)
            tally.touched += 1
        else:
            group.append(read)
            size += len(read.chunks) + len(read.document.pictures)
        if size >= _GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _state(file: Path, path: str, reader: str) -> FileState:
    stat = file.stat()
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    # A time that the next change may have too is not kept: the next ingest hashes the file again.
    mtime_ns = 0 if is_fresh(stat.st_mtime_ns) else stat.st_mtime_ns
    return FileState(path, digest, stat.st_size, mtime_ns, reader)


def _store(
    group: Sequence[_Read],
    library: Library,
    embedder: Embedder,
    pictures: PictureEmbedder | None,
    progress: IngestProgress,
    tally: Tally,
) -> None:
    """Write a group's documents to the record together, or one by one where one of them cannot be
    embedded."""
    try:
        _store_together(group, library, embedder, pictures, progress, tally)
    except (LibraryError, OSError):  # the record's, not a document's
        raise
    except Exception as error:
        if not _works(lambda: embedder.embed_passages([_PROBE.text])):
            raise
        if len(group) == 1:
            tally.fail(group[0].path, f"{group[0].path} cannot be embedded: {_told(error)}.")
            return
        for read in group:
            _store([read], library, embedder, pictures, progress, tally)


def _store_together(
    group: Sequence[_Read],
    library: Library,
    embedder: Embedder,
    pictures: PictureEmbedder | None,
    progress: IngestProgress,
    tally: Tally,
) -> None:
    """Embed what is new in a group and put its documents into the record at once."""
    record = library.record
    due = {embedded_hash(chunk): chunk for read in group for chunk in read.chunks}
    kept = record.vectors_by_hash(embedder.fingerprint, list(due))
    new = {hashed: chunk for hashed, chunk in due.items() if hashed not in kept}
    kept |= dict(zip(new, embed_chunks(embedder, list(new.values()), progress.chunks), strict=True))
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
        for read, document, state in documents:
            record.put(document, state, read.chunks, kept, embedder.fingerprint)
        for document, fingerprint, rows in seen:
            record.pictures.put(document.path, document.pictures, rows, fingerprint)
        record.bump()
    tally.embedded += len(new)
    for read, document, _ in documents:
        tally.store(read.path, document, read.chunks)


def _renew(library: Library, embedder: Embedder, progress: IngestProgress) -> int:
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


def _migrate(library: Library, embedder: Embedder, progress: IngestProgress) -> int:
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
