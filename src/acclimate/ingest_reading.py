"""Files are parsed and cut into chunks, in threads, a few ahead of the one that is stored."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from acclimate.chunking.base import Chunker
from acclimate.documents.walk import is_fresh
from acclimate.embeddings.base import Vectors
from acclimate.errors import AcclimateError, DocumentError
from acclimate.indexes.base import FileState
from acclimate.types import Chunk, Document, Element

_AHEAD = 3  # files read ahead of the one that is stored, for each thread

# What every chunker and embedder can do: where it fails too, no document is at fault.
PROBE = Document(
    "probe.txt", "A sentence.", (Element("paragraph", 0, 11),), media_type="text/plain"
)

Parse = Callable[[Path, str], Document]


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read: its document with chunks, or None where its content is as before, or
    why it failed. `vectors` are those of chunks that were embedded already, by their hash."""

    path: str
    state: FileState | None
    document: Document | None = None
    chunks: Sequence[Chunk] = ()
    failure: str = ""
    vectors: Mapping[str, Vectors] = field(default_factory=dict)


class Reads(Protocol):
    """Reads files."""

    @property
    def name(self) -> str:
        """Identifies parser, chunker and their settings: equal means that the same file gives the
        same chunks."""

    def read(self, due: Mapping[str, Path], known: Mapping[str, FileState]) -> Iterator[Read]:
        """All files of `due`, each once, in any order; `known` is what the record has of them."""


def reader_name(parser: str, chunker: Chunker) -> str:
    """See `Reads.name`."""
    return f"{parser}/{chunker.fingerprint}" if parser else chunker.fingerprint


@dataclass(frozen=True, slots=True)
class Reader:
    """Parses and chunks files in threads, a few ahead of the one that is wanted next."""

    parse: Parse
    chunker: Chunker
    parallel: int
    parser: str = ""

    @property
    def name(self) -> str:
        """See `Reads`."""
        return reader_name(self.parser, self.chunker)

    def read(self, due: Mapping[str, Path], known: Mapping[str, FileState]) -> Iterator[Read]:
        """The files in order."""
        pool = ThreadPoolExecutor(max(1, self.parallel), thread_name_prefix="parse")
        ahead: deque[Future[Read]] = deque()
        try:
            for path, file in due.items():
                ahead.append(pool.submit(self.read_file, path, file, known.get(path)))
                if len(ahead) > _AHEAD * self.parallel:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def read_file(self, path: str, file: Path, before: FileState | None) -> Read:
        """One file. Whatever goes wrong with it costs that file; what would go wrong with every
        file is raised."""
        state = None
        try:
            state = _state(file, path, self.name)
            if before is not None and (before.sha256, before.chunker) == (
                state.sha256,
                state.chunker,
            ):
                return Read(path, state)
            document = replace(self.parse(file, path), sha256=state.sha256)
        except DocumentError as error:
            return Read(path, state, failure=str(error))
        except OSError as error:
            return Read(path, state, failure=f"{path} cannot be read: {error.strerror or error}.")
        except AcclimateError:
            raise
        except Exception as error:
            return Read(path, state, failure=f"{path} cannot be parsed: {told(error)}.")
        try:
            return Read(path, state, document, self.chunker.split(document))
        except Exception as error:
            if not works(lambda: self.chunker.split(PROBE)):
                raise
            return Read(path, state, failure=f"{path} cannot be cut into chunks: {told(error)}.")


def works(attempt: Callable[[], object]) -> bool:
    """Whether something works on what nothing is wrong with."""
    try:
        attempt()
    except Exception:
        return False
    return True


def told(error: Exception) -> str:
    """An error in a message."""
    said = str(error).rstrip(".")
    return (
        said
        if said and isinstance(error, AcclimateError)
        else f"{type(error).__name__}: {said}".rstrip(": ")
    )


def untouched(file: Path, state: FileState | None, reader: str, check_all: bool) -> bool:
    """Whether a file is as it was when `reader` read it, as far as size and time tell."""
    if state is None or check_all or state.chunker != reader:
        return False
    try:
        stat = file.stat()
    except OSError:
        return False  # reading it tells why
    return (stat.st_size, stat.st_mtime_ns) == (state.size, state.mtime_ns)


def _state(file: Path, path: str, reader: str) -> FileState:
    stat = file.stat()
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    # A time that the next change may have too is not kept: the next ingest hashes the file again.
    mtime_ns = 0 if is_fresh(stat.st_mtime_ns) else stat.st_mtime_ns
    return FileState(path, digest, stat.st_size, mtime_ns, reader)
