"""Chunks whose text is embedded in another Unicode form than an older version did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from acclimate.indexes.copies import batches
from acclimate.indexes.schema import EMBEDDED_FORM
from acclimate.indexes.sql import SqlDatabase
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk


class Renewal:
    """Looks through the record's `database`; `keys` gives all chunk keys, `chunks` those chunks."""

    def __init__(
        self,
        database: SqlDatabase,
        keys: Callable[[], list[int]],
        chunks: Callable[[Sequence[int]], list[Chunk]],
    ) -> None:
        self._database = database
        self._keys, self._chunks = keys, chunks

    def outdated(self) -> Iterator[dict[int, Chunk]]:
        """Batches of chunks that an older version embedded in another Unicode form than would be
        now.

        Nothing where this was looked for before and `end` was called.
        """
        if self._database.meta("embedded_form") == EMBEDDED_FORM:
            return
        for batch in batches(self._keys()):
            marks = ",".join("?" * len(batch))
            rows = self._database.execute(
                f"SELECT key, hash FROM chunks WHERE key IN ({marks})", batch
            )
            stored = dict(rows.fetchall())
            chunks = zip(batch, self._chunks(batch), strict=True)
            if found := {
                key: chunk for key, chunk in chunks if embedded_hash(chunk) != stored[key]
            }:
                yield found

    def renew(self, key: int, chunk: Chunk, generation: int) -> None:
        """Forget the vector of a chunk, which is put anew in the same transaction, and tell the
        indexes in `generation`."""
        self._database.execute(
            "UPDATE chunks SET hash = ? WHERE key = ?", (embedded_hash(chunk), key)
        )
        self._database.execute("DELETE FROM vectors WHERE key = ?", (key,))
        self._database.execute(
            "INSERT INTO changes (key, added, generation) VALUES (?, 1, ?)", (key, generation)
        )

    def end(self) -> None:
        """Note that all chunks are embedded in the present form."""
        if self._database.meta("embedded_form") != EMBEDDED_FORM:
            with self._database.transaction():
                self._database.set_meta("embedded_form", EMBEDDED_FORM)
