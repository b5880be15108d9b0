"""A library: the record and the indexes derived from it, kept equal by their generation."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from filelock import FileLock, Timeout

from acclimate.errors import LibraryError, SettingsError
from acclimate.indexes.base import Change, GraphIndex, Index, TextIndex, VectorIndex
from acclimate.indexes.database import Database
from acclimate.indexes.filters import Among, Filter, LabelRule
from acclimate.indexes.moments import Moment, moment_of
from acclimate.indexes.moving import require_whole
from acclimate.indexes.readonly import refusal
from acclimate.indexes.record import Record
from acclimate.indexes.sql import SqlDatabase
from acclimate.indexes.text import TantivyTextIndex
from acclimate.indexes.vector import ExactVectorIndex
from acclimate.indexes.windows import WindowedVectorIndex
from acclimate.indexes.words import Words, languages_read, stamp_of
from acclimate.types import Chunk, Language

# Tantivy counts removed rows in its word statistics until it merges them away, which makes scores
# stale. Building a library below this many chunks again takes under two seconds.
_REBUILD_TEXT_BELOW = 20_000

# What opens a library's indexes: from the folder for local ones, the record's id, and how its texts
# become words.
OpenIndexes = Callable[[Path, str, Words], tuple[VectorIndex, TextIndex]]
OpenGraph = Callable[[Path], GraphIndex]

T = TypeVar("T")
_PATIENCE_S = 60.0
log = logging.getLogger(__name__)
_ENGLISH = stamp_of("english")


def local_indexes(folder: Path, record: str, words: Words) -> tuple[VectorIndex, TextIndex]:
    """Indexes in files below `folder`."""
    texts = TantivyTextIndex(folder / record / "text", words)
    return ExactVectorIndex(folder / record / "vector"), texts


def _busy(place: str) -> LibraryError:
    return LibraryError(
        f"another ingest of {place} is running.",
        hint="Wait for it, then run again.",
        retryable=True,
    )


class Library:
    """The library in `folder`; opening it brings indexes that are behind, missing or damaged up to
    date.

    `open_indexes` says where the indexes are, whose words are in `language`; `open_graph` opens the
    graph in a folder (None: there is none). `database` holds the record, and is closed with the
    library; None: an SQLite file in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        open_indexes: OpenIndexes = local_indexes,
        open_graph: OpenGraph | None = None,
        language: Language = "english",
        database: SqlDatabase | None = None,
    ) -> None:
        self.folder, self._opener, self._graph_opener = folder, open_indexes, open_graph
        self.record = Record(database or Database(folder / "library.db"))
        if language == "auto" and self.record.read_only and self.record.words == _ENGLISH:
            language = "english"  # as it was built, since nothing can be built here
        self._read: dict[str, Language] = {}
        self._words = stamp_of(language)  # a text index of other words is built again
        self._spoken = Words(language, self._language_of, self._present)
        self.graph: GraphIndex | None = None
        self._reading, self._inside = threading.RLock(), False
        try:
            require_whole(self.record.database)
            self._open_indexes()
            self.catch_up()
        except BaseException:
            self.record.close()
            raise

    def read(self, what: Callable[[], T]) -> T:
        """What `what` gives, of the library as it is now: record and indexes of one generation for
        as long as it runs, whoever writes meanwhile. From any thread; one reads at a time.

        Raises LibraryError, to be tried again, where others change the library faster than it can
        be read for a whole minute.
        """
        with self._reading:
            if self._inside:
                return what()
            until = time.monotonic() + _PATIENCE_S
            while True:
                seen: Moment | None = None
                try:
                    with self.record.database.snapshot():
                        seen = moment_of(self.record.database)
                        if seen.embedder is None or self._holds(seen):
                            return self._read_inside(what)
                except LibraryError as error:
                    # Indexes in a server may be ahead of the snapshot by then, or replaced.
                    if not error.retryable and not self._moved(seen):
                        raise
                if time.monotonic() > until:
                    raise LibraryError(
                        f"{self.record.database.place} changes faster than it can be read.",
                        hint="Try again when fewer documents are ingested.",
                        retryable=True,
                    )
                self.catch_up()

    def _read_inside(self, what: Callable[[], T]) -> T:
        self._inside = True
        try:
            return what()
        finally:
            self._inside = False

    def _moved(self, seen: Moment | None) -> bool:
        """Whether the library is no longer what it was at the moment `seen`."""
        now = moment_of(self.record.database)
        return now != seen or not self._holds(now)

    def fetch(self, keys: Sequence[int]) -> list[Chunk]:
        """Chunks for index keys, in order."""
        return self.record.chunks(keys)

    def paths(self, wanted: Filter, rules: Sequence[LabelRule]) -> list[str]:
        """The documents that a filter leaves, ascending.

        Raises SettingsError for a key that no document has, of those that the labels let be seen.
        """
        seen = {
            path: values
            for path, values in self.record.properties().items()
            if wanted.sees(path, rules)
        }
        known = {key for values in seen.values() for key in values}
        for condition in wanted.conditions:
            if seen and condition.key not in known:
                raise SettingsError(
                    f"no document has a '{condition.key}' to filter by.",
                    hint=f"There are: {', '.join(sorted(known))}.",
                )
        return [path for path, values in seen.items() if wanted.meets(values)]

    def among(self, paths: Sequence[str]) -> Among:
        """The chunks of these documents."""
        return Among(np.array(self.record.keys_of(paths), np.int64))

    @contextmanager
    def ingesting(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the library for an ingest, alone, or `shared` with other workers.

        Raises LibraryError where it is not to be had.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            alone = nullcontext() if shared else FileLock(self.folder / "ingest.lock", timeout=0)
            with alone, self.record.database.lock("ingest", shared=shared) as got:
                if not got:
                    raise _busy(self.record.database.place)
                yield
        except Timeout as error:
            raise _busy(str(self.folder)) from error

    def catch_up(self) -> None:
        """Apply to each index what the record has and it has not."""
        now = moment_of(self.record.database)
        embedder = now.embedder
        if embedder is None or self._holds(now):
            return
        if self.record.read_only:
            raise refusal(self.folder / "indexes", ", and the indexes must be built first")
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two processes must not write the same files, and no two machines the same server's tables.
        with (
            FileLock(self.folder / "indexes.lock"),
            self.record.database.lock("indexes", wait=True),
        ):
            self._close_indexes()
            try:
                if self.record.words != self._words:
                    self._change_words()
                self._open_indexes()
                with self.record.database.snapshot():
                    self._apply(embedder)
                self.record.forget_changes()
            except OSError as error:
                raise LibraryError(
                    f"the indexes could not be written: {error}.",
                    hint="Free some disk space. Nothing is lost: the next command builds them "
                    "again.",
                ) from error

    def _change_words(self) -> None:
        """Read all documents' languages, and have the text index built again, unless it holds the
        same words already: all of English documents."""
        languages: dict[str, None] = {}
        for sample in self.record.spoken.samples():
            languages |= dict.fromkeys(languages_read(sample))
        same = {self.record.words, self._words} == {_ENGLISH, stamp_of("auto")}
        self.record.set_words(self._words, languages, same=same and set(languages) <= {"english"})

    def _language_of(self, path: str) -> Language:
        if path not in self._read:  # asked for each chunk, one document after another
            self._read = {path: languages_read(self.record.spoken.sample(path))[0]}
        return self._read[path]

    def _present(self) -> Sequence[Language]:
        return cast("list[Language]", self.record.spoken.languages)

    def _apply(self, embedder: str) -> None:
        """Bring every index up to the record's generation."""
        self._read = {}  # documents may have changed
        if self.vectors.generation != self.record.generation:
            change = self._change_for(self.vectors, since=self.record.embedder_since())
            self.vectors.update(change, self.record.vectors(change.added, embedder))
        if self.texts.generation != self.record.generation:
            change = self._change_for(self.texts, since=self.record.words_since())
            if change.removed and len(self.record.keys()) < _REBUILD_TEXT_BELOW:
                self.texts.clear()
                change = self.record.whole()
            self.texts.update(change, self._keyed(change.added))
        if self.graph is not None and self.graph.generation != self.record.generation:
            change = self._change_for(self.graph, since=0)
            self.graph.update(change, self._keyed(change.added))

    def _keyed(self, keys: Sequence[int]) -> Iterator[tuple[int, Chunk]]:
        for at in range(0, len(keys), 500):
            yield from zip(
                keys[at : at + 500], self.record.chunks(keys[at : at + 500]), strict=True
            )

    def _indexes(self) -> list[tuple[str, Index]]:
        graph: list[tuple[str, Index]] = [] if self.graph is None else [("graph", self.graph)]
        return [("vector", self.vectors), ("text", self.texts), *graph]

    def _holds(self, now: Moment) -> bool:
        """Whether the indexes are those of this moment."""
        held = all(index.generation == now.generation for _, index in self._indexes())
        return held and now.words == self._words

    def _change_for(self, index: Index, since: int) -> Change:
        """What the index lacks; an index that is damaged, ahead, or older than generation `since`
        begins anew."""
        held = index.generation
        if (
            held is not None
            and max(since, self.record.changes_from) <= held <= self.record.generation
        ):
            return self.record.change_since(held)
        log.info("building %s", type(index).__name__)
        index.clear()
        return self.record.whole()

    def _open_indexes(self) -> None:
        vectors, self.texts = self._opener(self.folder / "indexes", self.record.id, self._spoken)
        self.vectors = WindowedVectorIndex(vectors, self.record)
        if self._graph_opener is not None:
            self.graph = self._graph_opener(self.folder / "indexes" / self.record.id / "graph")

    def _close_indexes(self) -> None:
        for _, index in self._indexes():
            index.close()

    def check(self) -> list[str]:
        """What is wrong with the library, for people; [] where record and indexes are whole and
        equal."""
        problems = self.record.problems()
        wanted = self.record.keys()
        if self.record.embedder is None:
            return problems
        for name, index in self._indexes():
            if index.generation != self.record.generation:
                problems.append(
                    f"the {name} index is of generation {index.generation}, not "
                    f"{self.record.generation}"
                )
            elif index.keys() != wanted or not index.whole():
                problems.append(f"the {name} index holds other chunks than the record")
        return problems

    def repair(self) -> None:
        """Build the indexes again from the record."""
        if self.record.read_only:
            raise refusal(self.folder / "indexes")
        for _, index in self._indexes():
            index.clear()
        self.catch_up()

    def require_embedder(self, fingerprint: str) -> None:
        """Raises LibraryError where the library's vectors are another embedder's: their scores
        would mean nothing."""
        if self.record.embedder != fingerprint:
            raise LibraryError(
                "the library was made with another embedder than acclimate.toml names now.",
                hint="Run `acclimate ingest` to embed it again (resumable), or set [embedder] "
                "back.",
            )

    def close(self) -> None:
        """Close record and indexes."""
        self._close_indexes()
        self.record.close()
