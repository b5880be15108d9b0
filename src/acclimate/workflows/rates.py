"""What one core of this machine does in a second, on a project's own documents: what plans for
large libraries are calculated from (docs/scaling.md).

Seconds are those of a core, whoever else works on the machine; only the disk is timed by the clock.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acclimate.chunking.base import Chunker
from acclimate.documents.places import File
from acclimate.embeddings.base import Embedder, Vectors
from acclimate.embeddings.chunks import embed_chunks
from acclimate.errors import DocumentError, ProjectError
from acclimate.indexes.base import Change, FileState
from acclimate.indexes.library import Library
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Document
from acclimate.workspace.parsing import open_chunker, open_sandbox
from acclimate.workspace.workspace import Workspace

_MOST_FILES = 60
_MOST_CHUNKS = 1500
_QUERIES, _QUERY_WORDS = 20, 12
_SCAN_ROWS, _SCANS = 50_000, 5
_WRITTEN = 64 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured, of `documents` with so many megabytes and chunks.

    `parse_s` is seconds of a core for a document; `chunk_s`, `embed_s`, `store_s` and `index_s` for
    a chunk; `retrieve_s` for a question over this small library: its vector, and both searches.
    The sizes are of one chunk, in bytes. `scan_rows_per_s` vectors are compared exactly in a second
    of a core; `disk_mb_per_s` is what is written and forced to the disk, by the clock.
    """

    documents: int
    megabytes: float
    chunks: int
    dimensions: int
    parse_s: float
    chunk_s: float
    embed_s: float
    store_s: float
    index_s: float
    retrieve_s: float
    record_bytes: float
    vector_bytes: float
    text_bytes: float
    scan_rows_per_s: float
    disk_mb_per_s: float


def measure_rates(workspace: Workspace) -> Rates:
    """Measure on a sample of the project's documents; nothing of the project is changed.

    Raises ProjectError where there is no document that can be read.
    """
    files = workspace.settings.documents
    found = workspace.place.walk(files.include, files.exclude).files
    step = max(1, len(found) // _MOST_FILES)
    sample = dict(list(found.items())[::step][:_MOST_FILES])
    idle_s, _, _ = _parsed(workspace, {})
    parse_s, documents, size = _parsed(workspace, sample)
    if not documents:
        raise ProjectError(
            f"there is no document in {workspace.place.shown} that can be read.",
            hint="acclimate ingest says why; or leave out --project to measure the examples.",
        )
    embedder = workspace.embedder
    chunker = open_chunker(
        workspace.settings, embedder, workspace.layout.templates, workspace.write
    )
    cut, chunk_s = _chunked(chunker, documents)
    count = sum(len(chunks) for _, chunks in cut)
    began = time.process_time()
    vectors = embed_chunks(embedder, [chunk for _, chunks in cut for chunk in chunks])
    embed_s = time.process_time() - began
    with tempfile.TemporaryDirectory(prefix="acclimate-rates-") as scratch:
        stored = _stored(Path(scratch), cut, vectors, embedder)
        scan = _scanned(Path(scratch), np.concatenate(vectors))
        disk = _written(Path(scratch))
    return Rates(
        len(cut),
        size / 1e6 * len(cut) / len(documents),
        count,
        embedder.dimensions,
        max(0.0, parse_s - idle_s) / len(documents),
        chunk_s / count,
        embed_s / count,
        stored["store_s"] / count,
        stored["index_s"] / count,
        stored["retrieve_s"],
        stored["record_bytes"] / count,
        stored["vector_bytes"] / count,
        stored["text_bytes"] / count,
        scan,
        disk,
    )


def _parsed(workspace: Workspace, files: Mapping[str, File]) -> tuple[float, list[Document], int]:
    """The documents of these files, their bytes, and the seconds of the process that parsed
    them."""
    one = workspace.settings.documents.model_copy(update={"workers": 1})
    before, documents, size = _children_s(), list[Document](), 0
    with closing(open_sandbox(one, pictures=False)) as sandbox:
        with tempfile.TemporaryDirectory() as scratch:
            small = Path(scratch, "small.txt")
            small.write_text("A sentence.", encoding="utf-8")
            sandbox(small, "small.txt")  # starts the process, which costs the same both times
        for path, file in files.items():
            try:
                with file.at_hand() as here:
                    documents.append(sandbox(here.file, path))
                    size += here.stamp.size
            except (DocumentError, OSError):
                continue  # an ingest tells
    return _children_s() - before, documents, size


def _children_s() -> float:
    """Seconds of a core that processes used which were started here and have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _chunked(
    chunker: Chunker, documents: Sequence[Document]
) -> tuple[list[tuple[Document, Sequence[Chunk]]], float]:
    began, cut, count = time.process_time(), list[tuple[Document, Sequence[Chunk]]](), 0
    for document in documents:
        chunks = chunker.split(document)
        if count and count + len(chunks) > _MOST_CHUNKS:
            break
        cut.append((document, chunks))
        count += len(chunks)
    if not count:
        raise ProjectError("the documents hold no text that makes a chunk.")
    return cut, time.process_time() - began


def _stored(
    folder: Path,
    cut: Sequence[tuple[Document, Sequence[Chunk]]],
    vectors: Sequence[Vectors],
    embedder: Embedder,
) -> dict[str, float]:
    """A library of its own in `folder`: seconds to store and index all, sizes in bytes, and
    seconds of a question."""
    rows: Iterator[Vectors] = iter(vectors)
    with closing(Library(folder / "library")) as library:
        record, file = library.record, folder / "library" / "library.db"
        record.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        empty, began = file.stat().st_size, time.process_time()
        with record.transaction():
            record.set_embedder(embedder.fingerprint)
            for document, chunks in cut:
                held = {embedded_hash(chunk): next(rows) for chunk in chunks}
                state = FileState(document.path, document.sha256, 0, 0, "")
                record.put(document, state, chunks, held, embedder.fingerprint)
            record.bump()
        stored, began = time.process_time() - began, time.process_time()
        library.catch_up()
        indexed = time.process_time() - began
        chunks = [chunk for _, some in cut for chunk in some][:: max(1, len(vectors) // _QUERIES)]
        queries = [" ".join(chunk.text.split()[:_QUERY_WORDS]) for chunk in chunks]
        began = time.process_time()
        for query in queries:
            library.vectors.search(embedder.embed_queries([query])[0], 20)
            library.fetch([match.key for match in library.texts.search(query, 20)])
        asked = (time.process_time() - began) / len(queries)
        record.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        index = folder / "library" / "indexes" / record.id
        return {
            "store_s": stored,
            "index_s": indexed,
            "retrieve_s": asked,
            "record_bytes": file.stat().st_size - empty,
            "vector_bytes": _size(index / "vector"),
            "text_bytes": _size(index / "text"),
        }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _scanned(folder: Path, like: Vectors) -> float:
    """Vectors compared exactly in a second of a core, in an index of vectors that lie around those
    of chunks."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((_SCAN_ROWS, like.shape[1]), np.float32)
    rows = like[rng.integers(len(like), size=_SCAN_ROWS)] + 0.5 * noise / like.shape[1] ** 0.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = ExactVectorIndex(folder / "scan")
    index.update(Change((), range(_SCAN_ROWS), 1), iter(enumerate(rows)))
    index.search(rows[0], 10)
    began = time.process_time()
    for row in rows[:_SCANS]:
        index.search(row, 10)
    return _SCAN_ROWS * _SCANS / max(1e-9, time.process_time() - began)


def _written(folder: Path) -> float:
    """Megabytes that reach the disk in a second."""
    block, began = os.urandom(2**20), time.perf_counter()
    with (folder / "written").open("wb") as out:
        for _ in range(_WRITTEN // len(block)):
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return _WRITTEN / 1e6 / (time.perf_counter() - began)
