"""The record: a database that holds documents, chunks and vectors. Everything else is derived from
it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np

from acclimate.errors import LibraryError
from acclimate.indexes.base import Change, FileState, Vectors
from acclimate.indexes.checks import changes_after, problems_of
from acclimate.indexes.copies import CopyTable, batches
from acclimate.indexes.notes import IngestNotes
from acclimate.indexes.pictures import PictureTable
from acclimate.indexes.renewal import Renewal
from acclimate.indexes.same import same_key, sketch_of
from acclimate.indexes.schema import dump_elements, load_elements
from acclimate.indexes.spoken import Spoken
from acclimate.indexes.sql import SqlDatabase
from acclimate.text.embedded import embedded_hash
from acclimate.text.folding import matched
from acclimate.text.hidden import mark_hidden
from acclimate.types import Chunk, Document, Span

_TOGETHER = 200  # chunks in one statement


class Record:
    """The record in a `database`: an SQLite file, or PostgreSQL. Usable from one thread at a time."""

    def __init__(self, database: SqlDatabase) -> None:
        self.database = database
        self.pictures = PictureTable(database)
        self.copies = CopyTable(database)
        self.ingests = IngestNotes(database)
        self.renewal = Renewal(database, self.keys, self.chunks)
        self.spoken = Spoken(database)

    @property
    def read_only(self) -> bool:
        """Whether it cannot be written."""
        return self.database.read_only

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: what is written inside becomes durable at the end, or not at all."""
        return self.database.transaction()

    @property
    def id(self) -> str:
        """Names this record; indexes of another one are never taken for its own."""
        return self.database.meta("id") or ""

    @property
    def generation(self) -> int:
        """Counts the transactions that changed chunks or the embedder."""
        return int(self.database.meta("generation") or 0)

    @property
    def embedder(self) -> str | None:
        """Fingerprint of the embedder whose vectors are searched; None before the first ingest."""
        return self.database.meta("embedder")

    def set_embedder(self, fingerprint: str) -> None:
        """Search by this embedder's vectors from now on, and drop all others."""
        self.database.set_meta("embedder", fingerprint)
        self.database.execute("DELETE FROM vectors WHERE embedder <> ?", (fingerprint,))
        self.bump()
        self.database.set_meta("embedder_since", str(self.generation))

    def embedder_since(self) -> int:
        """The generation in which the present embedder came; older indexes hold another's vectors."""
        return int(self.database.meta("embedder_since") or 0)

    @property
    def words(self) -> str:
        """The language and the analysis of the words that the text index holds."""
        return self.database.meta("language") or "english"

    def set_words(self, words: str, languages: Iterable[str] = (), *, same: bool = False) -> None:
        """Search by words of this language and analysis from now on; `same`: as they are."""
        with self.transaction():
            self.database.set_meta("language", words)
            self.spoken.put(languages)
            if same:
                return
            self.bump()
            self.database.set_meta("language_since", str(self.generation))

    def words_since(self) -> int:
        """The generation in which the present words came; older text indexes hold others."""
        return int(self.database.meta("language_since") or 0)

    def bump(self) -> None:
        """End a change of chunks: the next generation."""
        self.database.set_meta("generation", str(self.generation + 1))

    def files(self) -> dict[str, FileState]:
        """The ingested files by path."""
        rows = self.database.execute("SELECT path, sha256, size, mtime_ns, chunker FROM documents")
        return {row[0]: FileState(*row) for row in rows}

    def files_of(self, paths: Sequence[str]) -> dict[str, FileState]:
        """Those of these files that are ingested, by path."""
        found: dict[str, FileState] = {}
        for batch in batches(paths):
            marks = ",".join("?" * len(batch))
            asked = f"SELECT path, sha256, size, mtime_ns, chunker FROM documents WHERE path IN ({marks})"
            found |= {row[0]: FileState(*row) for row in self.database.execute(asked, batch)}
        return found

    def properties(self) -> dict[str, dict[str, list[str]]]:
        """What filters look at, by path: path, title, type (suffix and media type) and the
        document's metadata."""
        found = {}
        for path, title, media_type, metadata in self.database.execute(
            "SELECT path, title, media_type, metadata FROM documents ORDER BY path"
        ):
            suffix = path.rpartition("/")[2].rpartition(".")[2].lower()
            values = {matched(key): [str(value)] for key, value in json.loads(metadata).items()}
            found[path] = values | {"path": [path], "title": [title], "type": [suffix, media_type]}
        return found

    def beginning(self, chunk: Chunk) -> Chunk:
        """The first chunk of a chunk's document."""
        row = self.database.execute(
            "SELECT key FROM chunks WHERE document = (SELECT id FROM documents WHERE path = ?) "
            "ORDER BY start LIMIT 1",
            (chunk.document,),
        ).fetchone()
        return chunk if row is None else self.chunks([row[0]])[0]

    def keys_of(self, paths: Sequence[str]) -> list[int]:
        """The chunk keys of these documents, ascending."""
        found: list[int] = []
        for batch in batches(paths):
            marks = ",".join("?" * len(batch))
            asked = f"SELECT c.key FROM chunks c JOIN documents d ON d.id = c.document WHERE d.path IN ({marks})"
            found += [row[0] for row in self.database.execute(asked, batch)]
        return sorted(found)

    def touch(self, path: str, size: int, mtime_ns: int) -> None:
        """Note that an unchanged file has another time."""
        self.database.execute(
            "UPDATE documents SET size = ?, mtime_ns = ? WHERE path = ?", (size, mtime_ns, path)
        )

    def remove(self, path: str) -> None:
        """Remove a document with its chunks and vectors."""
        # Not by cascade, which would not fire the trigger.
        self.database.execute(
            "DELETE FROM chunks WHERE document = (SELECT id FROM documents WHERE path = ?)", (path,)
        )
        self.database.execute("DELETE FROM documents WHERE path = ?", (path,))

    def put(
        self,
        document: Document,
        state: FileState,
        chunks: Sequence[Chunk],
        vectors: Mapping[str, Vectors],
        embedder: str,
    ) -> None:
        """Put a document in place of its older version, with its chunks and their vectors by
        `embedded_hash`: [d], or [m, d] of a chunk that is embedded in m windows."""
        self.remove(state.path)
        self.spoken.note(document.text)
        (added,) = self.database.execute(
            "INSERT INTO documents (path, sha256, size, mtime_ns, chunker, title, media_type, "
            "text, elements, page_starts, metadata, sketch) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(state.path, state.sha256, state.size, state.mtime_ns, state.chunker),
                *(document.title, document.media_type, document.text, dump_elements(document)),
                *(json.dumps(document.page_starts), json.dumps(dict(document.metadata))),
                sketch_of(document.text).astype("<u4").tobytes(),
            ),
        ).fetchone()
        for batch in batches(chunks, _TOGETHER):
            marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(batch))
            rows = self.database.execute(
                'INSERT INTO chunks (document, id, hash, start, "end", text, headings, page, '
                "header, parent_start, parent_end, breaks, context, same) "
                f"VALUES {marks} RETURNING key",
                [value for chunk in batch for value in (added, *_columns(chunk))],
            )
            keys = sorted(row[0] for row in rows)  # they count up, from row to row
            found = [vectors[embedded_hash(chunk)] for chunk in batch]
            self._put_vectors(list(zip(keys, found, strict=True)), embedder)

    def put_vector(self, key: int, embedder: str, vector: Vectors) -> None:
        """Keep the vector [d] of a chunk under an embedder, or those of its windows [m, d]."""
        self._put_vectors([(key, vector)], embedder)

    def _put_vectors(self, vectors: Sequence[tuple[int, Vectors]], embedder: str) -> None:
        rows = [(key, np.atleast_2d(vector)) for key, vector in vectors]
        self.database.execute_many(
            "INSERT INTO vectors (key, embedder, vector, windows) VALUES (?, ?, ?, ?)",
            [(key, embedder, row.astype("<f4").tobytes(), len(row)) for key, row in rows],
        )
        most = max((len(row) for _, row in rows), default=1)
        if most > 1 and most > self.most_windows:
            self.database.set_meta("most_windows", str(most))

    @property
    def most_windows(self) -> int:
        """The most windows that any chunk was ever embedded in."""
        return int(self.database.meta("most_windows") or 1)

    def long_chunks(self) -> dict[int, int]:
        """The number of windows of each chunk that is embedded in several, by its key,
        ascending."""
        rows = self.database.execute(
            "SELECT key, windows FROM vectors WHERE windows > 1 AND embedder = ? ORDER BY key",
            (self.embedder or "",),
        )
        return dict(rows.fetchall())

    def vectors_by_hash(self, embedder: str, hashes: Sequence[str]) -> dict[str, Vectors]:
        """Vectors [m, d] of chunks in the record that were embedded from the same text, by its
        hash."""
        found: dict[str, Vectors] = {}
        for batch in batches(hashes):
            marks = ",".join("?" * len(batch))
            rows = self.database.execute(
                "SELECT c.hash, v.windows, v.vector FROM chunks c JOIN vectors v ON v.key = "
                "c.key "
                f"WHERE v.embedder = ? AND c.hash IN ({marks})",
                (embedder, *batch),
            )
            found |= {hashed: _rows(windows, vector) for hashed, windows, vector in rows}
        return found

    def missing_vectors(self, embedder: str, limit: int) -> dict[int, Chunk]:
        """Up to `limit` chunks that have no vector under `embedder`."""
        rows = self.database.execute(
            "SELECT key FROM chunks EXCEPT SELECT key FROM vectors WHERE embedder = ? ORDER BY "
            "key LIMIT ?",
            (embedder, limit),
        )
        keys = [row[0] for row in rows]
        return dict(zip(keys, self.chunks(keys), strict=True))

    def vectors(self, keys: Sequence[int], embedder: str) -> Iterator[tuple[int, Vectors]]:
        """(key, [m, d]) in the order of the keys, a row for each of a chunk's windows."""
        for batch in batches(keys):
            marks = ",".join("?" * len(batch))
            rows = self.database.execute(
                f"SELECT key, windows, vector FROM vectors WHERE embedder = ? AND key IN ({marks})",
                (embedder, *batch),
            )
            found = {key: _rows(windows, vector) for key, windows, vector in rows}
            yield from ((key, found[key]) for key in batch)

    def chunks(self, keys: Sequence[int]) -> list[Chunk]:
        """Chunks in the order of the keys. Raises LibraryError where one is missing."""
        found: dict[int, Chunk] = {}
        for batch in batches(keys):
            marks = ",".join("?" * len(batch))
            rows = self.database.execute(
                "SELECT c.key, c.id, d.path, c.start, c.end, c.text, d.title, c.headings, c.page, "
                "c.header, "
                "c.parent_start, c.parent_end, c.breaks, c.context "
                f"FROM chunks c JOIN documents d ON d.id = c.document WHERE c.key IN ({marks})",
                batch,
            )
            for (
                key,
                *values,
                headings,
                page,
                header,
                parent_start,
                parent_end,
                pages,
                context,
            ) in rows:
                parent = None if parent_start is None else Span(parent_start, parent_end)
                place = (
                    tuple(json.loads(headings)),
                    page,
                    header,
                    parent,
                    tuple(json.loads(pages)),
                    context,
                )
                found[key] = Chunk(*values, *place)  # type: ignore[call-arg]
        if lost := [key for key in keys if key not in found]:
            raise LibraryError(
                f"the record has no chunk {lost[0]}, but an index has.",
                hint="acclimate doctor --repair",
            )
        return [found[key] for key in keys]

    def keys(self) -> list[int]:
        """All chunk keys, ascending."""
        return [row[0] for row in self.database.execute("SELECT key FROM chunks ORDER BY key")]

    def parent(self, chunk: Chunk) -> Chunk:
        """The larger span that a chunk names as its parent, as a chunk; the chunk itself where it
        names none."""
        return chunk if chunk.parent is None else self.cut(chunk, chunk.parent)

    def cut(self, chunk: Chunk, span: Span) -> Chunk:
        """Another span of a chunk's document, with the chunk's headings."""
        start, end = span.start, span.end
        text, pages, elements = self.database.execute(
            "SELECT substr(text, ?, ?), page_starts, "
            "CASE WHEN elements LIKE '%\"hidden\"%' THEN elements ELSE '[]' END "
            "FROM documents WHERE path = ?",
            (start + 1, end - start, chunk.document),
        ).fetchone()
        starts = json.loads(pages)
        page = max(1, bisect_right(starts, start)) if starts else None
        breaks = tuple(at for at in starts if start < at < end)
        headings = mark_hidden(chunk.headings, load_elements(elements), span)
        cut = replace(chunk, start=start, end=end, text=text, page=page, breaks=breaks, parent=None)
        return replace(cut, headings=headings)

    def outline(self, path: str) -> list[tuple[Span, str]]:
        """A document's chunks in the order of the text: their spans, and the table header shown
        before each."""
        rows = self.database.execute(
            "SELECT c.start, c.end, c.header FROM chunks c JOIN documents d ON d.id = c.document "
            "WHERE d.path = ? ORDER BY c.start, c.end",
            (path,),
        )
        return [(Span(start, end), header) for start, end, header in rows]

    def vectors_of(self, chunks: Sequence[Chunk]) -> Vectors:
        """Vectors [n, d] of these chunks, of length 1, in their order: of several windows the
        mean."""
        hashes = [embedded_hash(chunk) for chunk in chunks]
        found = self.vectors_by_hash(self.embedder or "", hashes)
        means: Vectors = np.stack([found[hashed].mean(axis=0) for hashed in hashes])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return means

    def document(self, path: str) -> Document | None:
        """A document with its text and elements; None where there is none of that path."""
        row = self.database.execute(
            "SELECT path, text, elements, title, media_type, sha256, page_starts, metadata "
            "FROM documents WHERE path = ?",
            (path,),
        ).fetchone()
        if row is None:
            return None
        return Document(
            path=row[0],
            text=row[1],
            elements=load_elements(row[2]),
            title=row[3],
            media_type=row[4],
            sha256=row[5],
            page_starts=tuple(json.loads(row[6])),
            metadata=json.loads(row[7]),
        )

    def change_since(self, generation: int) -> Change:
        """Keys removed and added after `generation`; a key that came and went is only removed."""
        return changes_after(self.database, generation, self.generation)

    @property
    def changes_from(self) -> int:
        """Changes after this generation are known; an index that is older must be built anew."""
        return int(self.database.meta("changes_from") or 0)

    def forget_changes(self) -> None:
        """Drop the log of changes, as far as every index holds them."""
        self.database.forget_changes(self.generation)

    def whole(self) -> Change:
        """Everything, as a change of an empty index."""
        return Change((), self.keys(), self.generation)

    def problems(self) -> list[str]:
        """What is wrong with the record itself; [] where all is well."""
        return problems_of(self.database, self.embedder or "")


def _rows(windows: int, content: bytes) -> Vectors:
    return np.frombuffer(content, "<f4").reshape(windows, -1)


def _columns(chunk: Chunk) -> tuple[object, ...]:
    """What the table of chunks holds of a chunk, beside its document."""
    return (
        *(chunk.id, embedded_hash(chunk), chunk.start, chunk.end, chunk.text),
        *(json.dumps(chunk.headings), chunk.page, chunk.header),
        *((chunk.parent.start, chunk.parent.end) if chunk.parent else (None, None)),
        *(json.dumps(chunk.breaks), chunk.context, same_key(chunk)),
    )
