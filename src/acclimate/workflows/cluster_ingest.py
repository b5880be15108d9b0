"""Ingest over the nodes of a cluster: actors parse, chunk and embed; this process stores.

A file goes to an actor by its path and comes back as a document with its chunks. Chunks that the
library does not have go out again, gathered as for an embedder of our own, and come back as
vectors. What is read, stored and skipped is decided here, as without a cluster.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.cluster.place import UnfitError
from acclimate.cluster.pool import LostError, Pool, result
from acclimate.cluster.session import open_pool
from acclimate.documents.places import File, Place
from acclimate.embeddings.base import Embedder, OnDone, Vectors
from acclimate.embeddings.chunks import embed_chunks
from acclimate.errors import AcclimateError, ProjectError
from acclimate.indexes.base import FileState
from acclimate.indexes.record import Record
from acclimate.ingest_reading import Read, Reader, reader_name
from acclimate.ingest_report import IngestProgress
from acclimate.settings import Settings
from acclimate.system import ending
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Span
from acclimate.workspace.parsing import open_chunker, open_sandbox, parser_name
from acclimate.workspace.workspace import Workspace

log = logging.getLogger(__name__)

_GROUP = 256  # chunks or texts that an actor embeds at once
_LEAST = 8  # calls that are out before it is known how many actors there are
_LOOK_S = 0.2  # between looks whether this process was told to end


@dataclass(frozen=True, slots=True)
class Wanted:
    """What reads and embeds on this machine, which all nodes must do alike."""

    parser: str
    chunker: str
    embedder: str


class Reading:
    """What an actor of an ingest holds: the parser's processes, the chunker and the embedder."""

    def __init__(self, workspace: Workspace, parser: str, cpus: int) -> None:
        settings = workspace.settings
        files = settings.documents
        workers = min(files.workers, cpus) if files.workers else cpus
        self._place, self._embedder = workspace.place, workspace.embedder
        self._sandbox = open_sandbox(
            files.model_copy(update={"workers": workers}), bool(settings.images.model)
        )
        self.chunker = open_chunker(
            settings, self._embedder, workspace.layout.templates, workspace.write
        )
        self._reader = Reader(self._sandbox, self.chunker, 1, parser)

    def close(self) -> None:
        """End the parser's processes."""
        self._sandbox.close()

    def read(self, path: str, file: File, before: FileState | None) -> Read:
        """See `Reader.read_file`. Raises UnfitError where the folder has gone from this node, or
        what would go wrong with every file here."""
        try:
            read = self._reader.read_file(path, file, before)
        except AcclimateError as error:
            raise UnfitError(str(error), hint=error.hint) from error
        if read.failure:
            require_documents(self._place)
        return read

    def embed(self, chunks: Sequence[Chunk]) -> list[Vectors] | None:
        """See `embed_chunks`; None where it cannot be done, for reasons that are found where the
        documents are stored."""
        try:
            return embed_chunks(self._embedder, chunks)
        except Exception as error:
            log.warning("chunks cannot be embedded: %s", error)
            return None

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed_passages`."""
        return self._embedder.embed_passages(texts)


def make_reading(folder: Path, settings: Settings, wanted: Wanted, cpus: int) -> Reading:
    """What an actor holds. Raises UnfitError where this node has other documents or models than
    the one that stores."""
    workspace = Workspace(folder, settings)
    require_documents(workspace.place)
    made = Reading(workspace, wanted.parser, cpus)
    here = (made.chunker.fingerprint, workspace.embedder.fingerprint)
    if here != (wanted.chunker, wanted.embedder):
        raise UnfitError(
            "it cuts or embeds otherwise than the machine that stores.",
            hint="Give all nodes the same models, templates and version of Acclimate.",
        )
    return made


def require_documents(place: Place) -> None:
    """Raises UnfitError where a node does not see the documents folder, or reach the storage."""
    try:
        place.require(allow_empty=False)
    except ProjectError as error:
        hint = "Mount the folder at the same path on every node; files are read by path."
        raise UnfitError(str(error), hint=hint if place.local else error.hint) from error


@dataclass(frozen=True, slots=True)
class _Sent:
    """Documents whose new chunks are being embedded, by the chunks' hashes."""

    group: list[Read]
    hashes: list[str]


_Embedding = dict[Future[Any], _Sent]


@dataclass(frozen=True, slots=True)
class ClusterReader:
    """Has files read, and their chunks embedded, by the actors of `pool`, which hold a `Reading`.

    Files come in the order in which they are done. `name` as `Reads.name`; `pool` is asked for when
    there is something to read.
    """

    name: str
    pool: Callable[[], Pool]
    record: Record
    embedder: Embedder
    progress: IngestProgress

    def read(self, due: Mapping[str, File], known: Mapping[str, FileState]) -> Iterator[Read]:
        """See `Reader.read`; what was embedded comes with its vectors."""
        todo, group = deque(due.items()), list[Read]()
        reading, embedding = dict[Future[Any], str](), _Embedding()
        while todo or group or reading or embedding:
            while todo and len(reading) + len(embedding) < self._most():
                path, file = todo.popleft()
                reading[self.pool().submit("read", path, file, known.get(path))] = path
            last = not todo and not reading
            if group and (last or sum(len(read.chunks) for read in group) >= _GROUP):
                yield from self._send(group, embedding)
                group = []
                continue
            for done in _next([*reading, *embedding]):
                if done in embedding:
                    yield from self._embedded(embedding.pop(done), done, embedding)
                    continue
                read = self._read(reading.pop(done), done)
                if read.document is None:
                    yield read
                else:
                    group.append(read)

    def _most(self) -> int:
        return max(_LEAST, 2 * self.pool().room)

    def _read(self, path: str, done: Future[Any]) -> Read:
        try:
            found: Read = done.result()
        except LostError as error:
            return Read(path, None, failure=f"{path} cannot be read: {error}")
        return found

    def _send(self, group: list[Read], embedding: _Embedding) -> Iterator[Read]:
        """Have a group's new chunks embedded; the documents of one that has none."""
        due = {embedded_hash(chunk): chunk for read in group for chunk in read.chunks}
        kept = self.record.vectors_by_hash(self.embedder.fingerprint, list(due))
        new = {hashed: chunk for hashed, chunk in due.items() if hashed not in kept}
        if new:
            call = self.pool().submit("embed", list(new.values()), on_gpu=True)
            embedding[call] = _Sent(group, list(new))
        else:
            yield from group

    def _embedded(self, sent: _Sent, done: Future[Any], embedding: _Embedding) -> Iterator[Read]:
        group = sent.group
        try:
            vectors: list[Vectors] | None = done.result()
        except LostError as error:
            if len(group) > 1:
                for read in group:  # one of them is at fault
                    yield from self._send([read], embedding)
                return
            why = f"{group[0].path} cannot be embedded: {error}"
            yield Read(group[0].path, group[0].state, failure=why)
            return
        if vectors is None:
            yield from group
            return
        found = dict(zip(sent.hashes, vectors, strict=True))
        self.progress.chunks(len(found))
        for read in group:
            hashes = {embedded_hash(chunk) for chunk in read.chunks}
            yield replace(read, vectors={key: found[key] for key in hashes & found.keys()})


class ClusterEmbedder:
    """An embedder whose passages are embedded by the actors of `pool`, which hold a `Reading`; all
    else by `own`."""

    def __init__(self, own: Embedder, pool: Callable[[], Pool]) -> None:
        self._own, self._pool = own, pool

    @property
    def fingerprint(self) -> str:
        """See `Embedder`."""
        return self._own.fingerprint

    @property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return self._own.dimensions

    @property
    def max_tokens(self) -> int:
        """See `Embedder`."""
        return self._own.max_tokens

    def token_spans(self, text: str) -> list[Span]:
        """See `Embedder`."""
        return self._own.token_spans(text)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._own.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str], on_done: OnDone | None = None) -> Vectors:
        """See `Embedder`."""
        calls = [
            self._pool().submit("embed_texts", list(texts[at : at + _GROUP]), on_gpu=True)
            for at in range(0, len(texts), _GROUP)
        ]
        rows = [np.zeros((0, self.dimensions), np.float32)]
        for call in calls:
            rows.append(result(call))
            if on_done is not None:
                on_done(len(rows[-1]))
        return np.concatenate(rows)


def _next(calls: Sequence[Future[Any]]) -> set[Future[Any]]:
    """Those that are done, after a while at most. Raises Interrupted if this process is to end."""
    ending.check()
    return wait(calls, _LOOK_S, FIRST_COMPLETED).done


@dataclass(frozen=True, slots=True)
class OnCluster:
    """What reads and embeds for an ingest, by actors."""

    reader: ClusterReader
    embedder: ClusterEmbedder


@contextmanager
def reading_on_cluster(workspace: Workspace, hear: IngestProgress) -> Iterator[OnCluster]:
    """What reads and embeds for a project whose `[cluster] engine` is a cluster, which is joined
    when there is something to read."""
    settings, own = workspace.settings, workspace.embedder
    chunker = open_chunker(settings, own, workspace.layout.templates, workspace.write)
    parser = parser_name(settings.documents, workspace.pictures)
    wanted = Wanted(parser, chunker.fingerprint, own.fingerprint)
    make = partial(make_reading, workspace.folder.resolve(), settings, wanted)
    with ExitStack() as stack:

        @cache
        def pool() -> Pool:
            return stack.enter_context(open_pool(settings.cluster, make, without_gpus=True))

        record = workspace.library.record
        reader = ClusterReader(reader_name(parser, chunker), pool, record, own, hear)
        yield OnCluster(reader, ClusterEmbedder(own, pool))
