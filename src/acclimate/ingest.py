"""From a folder of files to a library, in one story: file → document → chunks → vectors → index.

What is unchanged is skipped, by size and time, else by the hash of the bytes. A changed document
takes the place of its old version in one transaction; a file that is gone leaves no trace; a file
that cannot be read costs itself only and keeps its old version. A crash at any moment repeats a few
files and never leaves half of one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.chunking.base import Chunker
from acclimate.documents.walk import Found, walk
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.errors import ProjectError
from acclimate.indexes.base import FileState
from acclimate.indexes.library import Library
from acclimate.indexes.record import Record
from acclimate.indexes.same import NearCopy, near_copies
from acclimate.indexes.versions import newer_of
from acclimate.ingest_reading import Parse, Reader, Reads, untouched
from acclimate.ingest_report import IngestProgress, IngestReport, NoProgress, Tally
from acclimate.ingest_storing import Alone, Storing, migrate, renew


@dataclass(frozen=True, slots=True)
class Due:
    """What an ingest has to do: files by path that are new or may have changed, and documents whose
    files are gone."""

    files: Mapping[str, Path]
    gone: Sequence[str]


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
    reader: Reads | None = None,
) -> IngestReport:
    """Bring `library` up to date with the files under `root`.

    `parse` is called from `parallel` threads; `parser` names it: under another name, all is read
    again. `check_all` hashes every file, even where size and time are as before; `allow_empty`
    accepts that no file is left. `pictures` makes the vectors of the documents' pictures. `reader`
    takes the place of `parse` and `chunker`. Raises ProjectError where the folder is missing or
    empty: an unmounted disk must not empty the library.
    """
    with library.ingesting():
        found = walk(root, include, exclude)
        reader = reader or Reader(parse, chunker, parallel, parser)
        return _ingest(
            root, found, library, reader, embedder, pictures, check_all, allow_empty, progress
        )


def _ingest(  # noqa: PLR0913
    root: Path,
    found: Found,
    library: Library,
    reader: Reads,
    embedder: Embedder,
    pictures: PictureEmbedder | None,
    check_all: bool,
    allow_empty: bool,
    progress: IngestProgress | None,
) -> IngestReport:
    started, progress = time.perf_counter(), progress or NoProgress()
    record, files, known = library.record, found.files, library.record.files()
    due = what_is_due(root, found, known, reader, check_all=check_all, allow_empty=allow_empty)
    if due.files or due.gone:
        record.ingests.note(finished=False)
    embedded = migrate(library, embedder, progress) + renew(library, embedder, progress)
    tally = Tally(known, embedded=embedded)
    storing = Storing(library, embedder, pictures, progress, tally, Alone())
    for group in storing.groups(reader.read(due.files, known)):
        storing.store(group)
        progress.files(tally.done, len(due.files))

    # Last, so that a file that only moved finds its vectors.
    remove(record, due.gone)
    library.catch_up()
    failed = {failure.path for failure in tally.failures}
    now = record.files_of(sorted(due.files.keys() - failed))
    fresh = [path for path in now if path not in known or now[path].sha256 != known[path].sha256]
    copies = copies_of(record, fresh)
    if due.files or due.gone:
        record.ingests.add_seconds(time.perf_counter() - started)
    failures = (*found.unread, *tally.failures)
    record.ingests.note(finished=True, failures=[failure.reason for failure in failures])
    return tally.report(
        removed=len(due.gone),
        unchanged=len(files) - tally.added - tally.changed - len(tally.failures),
        failures=failures,
        library=(len(record.files()), len(record.keys())),
        seconds=time.perf_counter() - started,
        near_copies=copies,
    )


def what_is_due(
    root: Path,
    found: Found,
    known: Mapping[str, FileState],
    reader: Reads,
    *,
    check_all: bool,
    allow_empty: bool,
) -> Due:
    """What differs between the files that were found and those that are known. Raises ProjectError
    where no file is left, unless `allow_empty`."""
    files = found.files
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
        if not untouched(file, known.get(path), reader.name, check_all)
    }
    return Due(due, gone)


def remove(record: Record, gone: Sequence[str]) -> None:
    """Remove these documents."""
    with record.transaction():
        for path in gone:
            record.remove(path)
        if gone:
            record.bump()


def copies_of(record: Record, fresh: Sequence[str]) -> tuple[NearCopy, ...]:
    """Near copies among all documents, where one of the two is among the `fresh` ones."""
    if not fresh:
        return ()
    found = near_copies(record.copies.sketches(), fresh)
    dated = record.copies.dated(sorted({path for one, other, _ in found for path in (one, other)}))
    return tuple(
        NearCopy(one, other, share, newer_of(dated[one], dated[other]) if share < 1 else "")
        for one, other, share in found
    )
