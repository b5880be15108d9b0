"""From a folder of files to a library, in one story: file → document → chunks → vectors → index.

What is unchanged is skipped, by size and time, else by the hash of the bytes. A changed document takes the place of its
old version in one transaction; a file that is gone leaves no trace; a file that cannot be read costs itself only and
keeps its old version. A crash at any moment repeats a few files and never leaves half of one.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from acclimate.chunking.base import Chunker
from acclimate.chunking.cuts import uncovered
from acclimate.embedding import embed_chunks
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.errors import DocumentError, LibraryError, ProjectError
from acclimate.folding import plain
from acclimate.indexes.library import Library
from acclimate.indexes.record import FileState, Record, embedded_hash
from acclimate.indexes.same import NearCopy, near_copies
from acclimate.indexes.versions import newer_of
from acclimate.types import Chunk, Document

_AHEAD = 3  # files read ahead of the one that is stored, for each thread
_GROUP = 512  # chunks embedded together: enough to sort by length well, few enough to lose little in a crash

Parse = Callable[[Path, str], Document]


class Progress(Protocol):
    """Hears how far an ingest is."""

    def files(self, done: int, total: int) -> None:
        """So many of the new and changed files are in the library."""

    def chunks(self, embedded: int) -> None:
        """So many more chunks were embedded."""

    def page(self, path: str, done: int, total: int) -> None:
        """So many pages of a document are read; called from any thread."""


class Silence:
    """Progress that nobody hears."""

    def files(self, done: int, total: int) -> None:
        """See `Progress`."""

    def chunks(self, embedded: int) -> None:
        """See `Progress`."""

    def page(self, path: str, done: int, total: int) -> None:
        """See `Progress`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, in documents; `chunks` are those in the library now, `embedded` those computed now.

    `uncovered` counts characters of the documents read now, white space left out, that are in no chunk. `near_copies`
    are documents with most of their text in common, of which at least one was read now.
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
    near_copies: tuple[NearCopy, ...] = ()


@dataclass(slots=True)
class _Group:
    """Documents on their way into the record together."""

    documents: list[tuple[Document, FileState, list[Chunk]]] = field(default_factory=list)
    size: int = 0


def ingest(
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
    progress: Progress | None = None,
) -> IngestReport:
    """Bring `library` up to date with the files under `root`.

    `parse` is called from `parallel` threads; `parser` names it: under another name, all is read again. `check_all`
    hashes every file, even where size and time are as before; `allow_empty` accepts that no file is left.
    `pictures` makes the vectors of the documents' pictures.
    Raises ProjectError where the folder is missing or empty: an unmounted disk must not empty the library.
    """
    try:
        with FileLock(library.folder / "ingest.lock", timeout=0):
            files = _walk(root, include, exclude)
            reader = _Reader(parse, chunker, parallel, parser)
            return _ingest(root, files, library, reader, embedder, pictures, check_all, allow_empty, progress)
    except Timeout as error:
        raise LibraryError(
            f"another ingest of {library.folder} is running.", hint="Wait for it, then run again.", retryable=True
        ) from error


def _ingest(
    root: Path,
    files: dict[str, Path],
    library: Library,
    reader: _Reader,
    embedder: Embedder,
    pictures: PictureEmbedder | None,
    check_all: bool,
    allow_empty: bool,
    progress: Progress | None,
) -> IngestReport:
    started, progress = time.perf_counter(), progress or Silence()
    record = library.record
    known = record.files()
    if not files and not allow_empty:
        raise ProjectError(
            f"there is no document in {root}" + (f", but {len(known)} are in the library." if known else "."),
            hint="Check [documents] path; to remove them all: acclimate ingest --allow-empty",
        )
    embedded = _migrate(library, embedder, progress) + _renew(library, embedder, progress)
    due = {path: file for path, file in files.items() if not _untouched(file, known.get(path), reader.name, check_all)}
    failures: list[Failure] = []
    counts = {"added": 0, "changed": 0, "touched": 0, "uncovered": 0}
    for group in _groups(reader.read(due, known), known, library, failures, counts):
        embedded += _store(group, library, embedder, pictures, progress)
        progress.files(counts["added"] + counts["changed"] + counts["touched"] + len(failures), len(due))

    # Last, so that a file that only moved finds its vectors.
    gone = sorted(known.keys() - files.keys())
    with record.transaction():
        for path in gone:
            record.remove(path)
        if gone:
            record.bump()
    library.catch_up()
    copies = _near_copies(record, sorted(due.keys() - {failure.path for failure in failures}), known)
    if due or gone:
        record.add_ingest_seconds(time.perf_counter() - started)
    chunks = record.keys()
    return IngestReport(
        added=counts["added"],
        changed=counts["changed"],
        removed=len(gone),
        unchanged=len(files) - counts["added"] - counts["changed"] - len(failures),
        failures=tuple(failures),
        documents=len(record.files()),
        chunks=len(chunks),
        embedded=embedded,
        uncovered=counts["uncovered"],
        seconds=time.perf_counter() - started,
        near_copies=copies,
    )


def _near_copies(record: Record, read: Sequence[str], known: Mapping[str, FileState]) -> tuple[NearCopy, ...]:
    """Near copies among all documents, where one of the two was added or changed now."""
    now = record.files()
    fresh = [path for path in read if path in now and (path not in known or now[path].sha256 != known[path].sha256)]
    if not fresh:
        return ()
    found = near_copies(record.copies.sketches(), fresh)
    dated = record.copies.dated(sorted({path for one, other, _ in found for path in (one, other)}))
    return tuple(
        NearCopy(one, other, share, newer_of(dated[one], dated[other]) if share < 1 else "")
        for one, other, share in found
    )


def _walk(root: Path, include: Sequence[str], exclude: Sequence[str]) -> dict[str, Path]:
    """Files under `root` by POSIX path; hidden ones and links that lead outside are left out."""
    if not root.is_dir():
        raise ProjectError(
            f"the documents folder {root} does not exist.", hint="Set [documents] path in acclimate.toml."
        )
    inside = root.resolve()
    found = {}
    # A folder that cannot be listed is an error: to skip it would remove its documents from the library.
    walked = os.walk(root, onerror=_raise)
    for file in sorted(Path(folder, name) for folder, _, names in walked for name in names):
        path = file.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in path.split("/"))
        if hidden or not file.is_file() or not file.resolve().is_relative_to(inside):
            continue
        if matches(path, include) and not matches(path, exclude):
            found[path] = file
    return found


def _raise(error: OSError) -> None:
    raise error


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Glob patterns as in .gitignore: `**/` also stands for no folder at all."""
    path = plain(path)  # some systems take names apart into letters and marks
    wanted = [plain(pattern) for pattern in patterns]
    return any(fnmatch(path, pattern) or fnmatch(path, pattern.removeprefix("**/")) for pattern in wanted)


def _untouched(file: Path, state: FileState | None, reader: str, check_all: bool) -> bool:
    if state is None or check_all or state.chunker != reader:
        return False
    stat = file.stat()
    return (stat.st_size, stat.st_mtime_ns) == (state.size, state.mtime_ns)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file as it was read: its document with chunks, or None where its content is as before, or why it failed."""

    path: str
    state: FileState | None
    document: Document | None = None
    chunks: Sequence[Chunk] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Parses and chunks files in threads, a few ahead of the one that is wanted next."""

    parse: Parse
    chunker: Chunker
    parallel: int
    parser: str = ""

    @property
    def name(self) -> str:
        """Identifies parser, chunker and their settings: equal means that the same file gives the same chunks."""
        return f"{self.parser}/{self.chunker.fingerprint}" if self.parser else self.chunker.fingerprint

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
        state = None
        try:
            state = _state(file, path, self.name)
            if before is not None and (before.sha256, before.chunker) == (state.sha256, state.chunker):
                return _Read(path, state)
            document = replace(self.parse(file, path), sha256=state.sha256)
        except DocumentError as error:
            return _Read(path, state, failure=str(error))
        except OSError as error:
            return _Read(path, state, failure=f"{path} cannot be read: {error.strerror or error}.")
        return _Read(path, state, document, self.chunker.split(document))


def _groups(
    reads: Iterable[_Read],
    known: dict[str, FileState],
    library: Library,
    failures: list[Failure],
    counts: dict[str, int],
) -> Iterator[_Group]:
    """Documents gathered until there are enough chunks to embed."""
    group = _Group()
    for read in reads:
        if read.failure or read.state is None:
            failures.append(Failure(read.path, read.failure))
        elif read.document is None:
            with library.record.transaction():
                library.record.touch(read.path, read.state.size, read.state.mtime_ns)
            counts["touched"] += 1
        else:
            counts["changed" if read.path in known else "added"] += 1
            counts["uncovered"] += uncovered(read.document, read.chunks)
            group.documents.append((read.document, read.state, list(read.chunks)))
            group.size += len(read.chunks) + len(read.document.pictures)
        if group.size >= _GROUP:
            yield group
            group = _Group()
    if group.documents:
        yield group


def _state(file: Path, path: str, reader: str) -> FileState:
    stat = file.stat()
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return FileState(path, digest, stat.st_size, stat.st_mtime_ns, reader)


def _store(
    group: _Group, library: Library, embedder: Embedder, pictures: PictureEmbedder | None, progress: Progress
) -> int:
    """Embed what is new in a group and put its documents into the record at once; how many chunks were embedded."""
    record = library.record
    due = {embedded_hash(chunk): chunk for _, _, chunks in group.documents for chunk in chunks}
    kept = record.vectors_by_hash(embedder.fingerprint, list(due))
    new = {hashed: chunk for hashed, chunk in due.items() if hashed not in kept}
    kept |= dict(zip(new, embed_chunks(embedder, list(new.values()), progress.chunks), strict=True))
    seen = [
        (document, pictures.fingerprint, pictures.embed_pictures([picture.png for picture in document.pictures]))
        for document, _, _ in group.documents
        if pictures is not None and document.pictures
    ]
    with record.transaction():
        for document, state, chunks in group.documents:
            record.put(document, state, chunks, kept, embedder.fingerprint)
        for document, fingerprint, rows in seen:
            record.pictures.put(document.path, document.pictures, rows, fingerprint)
        record.bump()
    return len(new)


def _renew(library: Library, embedder: Embedder, progress: Progress) -> int:
    """Embed chunks again that an older version embedded in another Unicode form; how many. Interrupted, it goes on."""
    record, done = library.record, 0
    for outdated in record.outdated():
        vectors = embed_chunks(embedder, list(outdated.values()), progress.chunks)
        with record.transaction():
            for (key, chunk), vector in zip(outdated.items(), vectors, strict=True):
                record.renew(key, chunk, embedder.fingerprint, vector)
            record.bump()
        done += len(outdated)
    record.end_renewal()
    return done


def _migrate(library: Library, embedder: Embedder, progress: Progress) -> int:
    """Where the library's vectors are another embedder's, embed its chunks again; how many.

    The new vectors grow beside the old, which are searched until the last one is there: interrupted, it goes on.
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
