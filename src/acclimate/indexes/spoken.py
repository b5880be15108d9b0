"""The languages of the record's documents, and how the words of its text index were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from acclimate.indexes.sql import SqlDatabase
from acclimate.indexes.words import languages_read

_SAMPLE = 20_000  # characters of a document that its language is told from


class Spoken:
    """Kept in the record's `database`."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    @property
    def languages(self) -> list[str]:
        """The languages that the library's documents are read in, in the order in which they came;
        those of documents that are gone may still be among them."""
        return (self._database.meta("languages") or "").split()

    def note(self, text: str) -> None:
        """Note the languages of one more document, within the transaction that puts it."""
        known = self.languages
        found = list(dict.fromkeys([*known, *languages_read(text[:_SAMPLE])]))
        if found != known:
            self._database.set_meta("languages", " ".join(found))

    def put(self, languages: Iterable[str]) -> None:
        """Note these languages in place of all."""
        self._database.set_meta("languages", " ".join(languages))

    def sample(self, path: str) -> str:
        """The beginning of a document's text; "" where it is not there."""
        asked = "SELECT substr(text, 1, ?) FROM documents WHERE path = ?"
        row = self._database.execute(asked, (_SAMPLE, path)).fetchone()
        return "" if row is None else str(row[0])

    def samples(self) -> Iterator[str]:
        """The beginnings of all documents, by their paths."""
        paths = [
            row[0] for row in self._database.execute("SELECT path FROM documents ORDER BY path")
        ]
        return (self.sample(path) for path in paths)
