"""One of any number of workers that ingest one folder into one library, on any machines.

Whoever comes first lists the folder and notes what is due; all claim files, read them and store
them, each file once; whoever finds that all is done removes what is gone and closes the ingest. A
worker may come late, and may end at any moment: others do what it had claimed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acclimate.documents.places import Failure, Place
from acclimate.documents.walk import place_of
from acclimate.embeddings.base import Embedder, PictureEmbedder
from acclimate.errors import LibraryError, legible
from acclimate.indexes.claims import Claims, Run, new_run
from acclimate.indexes.library import Library
from acclimate.indexes.same import NearCopy
from acclimate.ingest import copies_of, remove, what_is_due
from acclimate.ingest_reading import Reader
from acclimate.ingest_report import IngestProgress, IngestReport, Tally
from acclimate.ingest_storing import Storing, migrate, renew
from acclimate.system import ending

_LOOK_S = 0.2  # between looks at what others have claimed


@dataclass(frozen=True, slots=True)
class Folder:
    """The documents folder, and which of its files are documents; see `acclimate.ingest.ingest`."""

    root: Path | Place
    include: Sequence[str] = ("**/*",)
    exclude: Sequence[str] = ()
    check_all: bool = False
    allow_empty: bool = False

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.root)


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker works with: all workers of an ingest read and embed alike."""

    folder: Folder
    library: Library
    reader: Reader
    embedder: Embedder
    pictures: PictureEmbedder | None
    progress: IngestProgress


def work(job: Job, lease_s: float = 60.0) -> IngestReport:
    """Take part in the ingest that is open, or open one, until every file is done.

    The report counts what this worker did; `removed`, `near_copies` and what nobody could read are
    told by the one that closes the ingest. Without a sign of life for `lease_s` seconds a worker's
    files are others'. Raises SettingsError where the record is not in PostgreSQL; LibraryError
    where an ingest of one process runs, or the open one reads or embeds otherwise; ProjectError
    where the folder is not there.
    """
    started, library = time.perf_counter(), job.library
    claims = Claims(library.record.database, lease_s)
    with library.ingesting(shared=True), claims.working():
        run, embedded = _join(job, claims)
        tally = Tally(set(), embedded=embedded)
        _work(job, claims, run, tally)
        removed, copies = _finish(job, claims, run)
        library.catch_up()
    record = library.record
    if run.files:
        record.ingests.add_seconds(time.perf_counter() - started)
    return tally.report(
        removed=removed,
        unchanged=run.unchanged + tally.touched,
        failures=_failures(claims),
        library=(len(record.files()), len(record.keys())),
        seconds=time.perf_counter() - started,
        near_copies=copies,
    )


def _join(job: Job, claims: Claims) -> tuple[Run, int]:
    """The open ingest, planned here where there is none; and how many chunks that embedded."""
    embedded, folder = 0, job.folder
    with job.library.record.database.lock("plan", wait=True):
        run = claims.run()
        if run is None or not run.open:
            record = job.library.record
            found = folder.place.walk(folder.include, folder.exclude)
            known = record.files()
            due = what_is_due(
                folder.place,
                found,
                known,
                job.reader,
                check_all=folder.check_all,
                allow_empty=folder.allow_empty,
            )
            embedded = migrate(job.library, job.embedder, job.progress)
            embedded += renew(job.library, job.embedder, job.progress)
            run = new_run(
                job.reader.name,
                job.embedder.fingerprint,
                len(due.files),
                len(found.files) - len(due.files),
            )
            record.ingests.note(finished=False)
            names = {path: os.fsencode(path) for path in due.files}
            unread = {failure.path: failure.reason for failure in found.unread}
            claims.plan(run, names, due.gone, unread)
    if (run.reader, run.embedder) != (job.reader.name, job.embedder.fingerprint):
        raise LibraryError(
            f"the ingest of {job.library.record.database.place} that is running reads or embeds "
            "otherwise than this machine's acclimate.toml says.",
            hint="Give all workers the same acclimate.toml and the same version of Acclimate.",
        )
    return run, embedded


def _work(job: Job, claims: Claims, run: Run, tally: Tally) -> None:
    """Claim, read and store files until none is left for anybody."""
    record, place = job.library.record, job.folder.place
    while True:
        ending.check()
        taken = {path: place.file(os.fsdecode(name)) for path, name in claims.take().items()}
        if not taken:
            claims.give_up()
            now = claims.run()
            counts = claims.counts()
            if now is None or now.id != run.id or not now.open or not counts.left:
                return
            time.sleep(_LOOK_S)
            continue
        place.require(allow_empty=job.folder.allow_empty)
        known = record.files_of(list(taken))
        tally.known = known
        storing = Storing(job.library, job.embedder, job.pictures, job.progress, tally, claims)
        for group in storing.groups(job.reader.read(taken, known)):
            ending.check()
            storing.store(group)
        counts = claims.counts()
        job.progress.files(run.files - counts.left, run.files)


def _finish(job: Job, claims: Claims, run: Run) -> tuple[int, tuple[NearCopy, ...]]:
    """Close the ingest, unless another worker did: how many documents were removed, and near
    copies."""
    with job.library.record.database.lock("plan", wait=True):
        now = claims.run()
        if now is None or now.id != run.id or not now.open:
            return 0, ()
        record, place = job.library.record, job.folder.place
        place.require(allow_empty=job.folder.allow_empty)
        gone = place.missing(claims.paths("gone"))
        remove(record, gone)
        job.library.catch_up()
        copies = copies_of(record, claims.paths("done"))
        record.ingests.note(finished=True, failures=list(claims.failures().values()))
        claims.close(run)
    return len(gone), copies


def _failures(claims: Claims) -> tuple[Failure, ...]:
    return tuple(
        Failure(legible(path), legible(reason)) for path, reason in claims.failures().items()
    )
