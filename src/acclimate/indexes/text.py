"""BM25 with Tantivy: stemmed English words of text, title and headings."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import tantivy

from acclimate.indexes.base import Change, Match
from acclimate.indexes.vector import sync
from acclimate.types import Chunk

_WORD = re.compile(r"\w+")
_FIELDS = ("text", "path")
_HEAP = 64_000_000  # bytes for the writer; Tantivy's least is 15 million
_MAX_WORDS = 200  # of a query; more cost time and find nothing new


class TantivyTextIndex:
    """An index in `folder`; k1 1.2 and b 0.75 are Tantivy's own. `path_boost` weighs a match in title or headings."""

    def __init__(self, folder: Path, path_boost: float = 0.5) -> None:
        self._folder, self._place, self._boost = folder, folder, path_boost
        self._index: tantivy.Index | None = None
        self._generation: int | None = None
        self._open()

    @property
    def generation(self) -> int | None:
        """See `TextIndex`."""
        return self._generation

    def whole(self) -> bool:
        """Whether Tantivy's own checksums of its files hold."""
        return self._index is None or not self._index.searcher().num_docs or bool(self.keys())

    def keys(self) -> list[int]:
        """The chunk keys held, ascending."""
        if self._index is None:
            return []
        searcher = self._index.searcher()
        found = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs)).hits
        return sorted(int(searcher.doc(address)["key"][0]) for _, address in found)

    def search(self, query: str, k: int) -> list[Match]:
        """See `TextIndex`."""
        parsed = self._parse(query)
        if self._index is None or parsed is None or k < 1:
            return []
        matches = self._matches(parsed, k + 20)  # a few more, so that ties at the end go to the lower key
        return sorted(matches, key=lambda match: (-match.score, match.key))[:k]

    def scores(self, query: str, keys: Sequence[int]) -> list[Match]:
        """See `TextIndex`."""
        parsed = self._parse(query)
        if self._index is None or parsed is None or not keys:
            return []
        among = tantivy.Query.const_score_query(
            tantivy.Query.term_set_query(self._index.schema, "key", list(keys)), 0.0
        )
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, parsed), (tantivy.Occur.Must, among)])
        return self._matches(both, len(keys))

    def _parse(self, query: str) -> tantivy.Query | None:
        """The query's words in any field; None where it has none."""
        words = " ".join(_WORD.findall(query.lower())[:_MAX_WORDS])
        if self._index is None or not words:
            return None
        # Only words are left, so nothing in a question can be query syntax.
        parsed, _ = self._index.parse_query_lenient(words, list(_FIELDS), field_boosts={"path": self._boost})
        return parsed

    def _matches(self, query: tantivy.Query, limit: int) -> list[Match]:
        assert self._index is not None  # noqa: S101
        searcher = self._index.searcher()
        hits = searcher.search(query, limit).hits
        return [Match(int(searcher.doc(address)["key"][0]), float(score)) for score, address in hits]

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """See `TextIndex`."""
        if self._index is None:
            self.clear()
            self._folder.mkdir(parents=True, exist_ok=True)
            # A new folder each time: threads of an index just cleared may still write into theirs.
            self._place = Path(tempfile.mkdtemp(prefix="index-", dir=self._folder))
            self._index = tantivy.Index(_schema(), path=str(self._place))
        # A crash from here on leaves no stamp, and the index is built again.
        (self._folder / "stamp.json").unlink(missing_ok=True)
        self._generation = None
        writer = self._index.writer(heap_size=_HEAP, num_threads=1)
        for key in (*change.removed, *change.added):
            writer.delete_documents_by_term("key", key)
        for key, chunk in chunks:
            writer.add_document(tantivy.Document(key=key, text=chunk.shown, path=chunk.heading_path))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        with (self._folder / "stamp.part").open("w") as out:
            count = self._index.searcher().num_docs
            json.dump({"generation": change.generation, "count": count, "folder": self._place.name}, out)
            sync(out)
        (self._folder / "stamp.part").replace(self._folder / "stamp.json")
        self._generation = change.generation

    def clear(self) -> None:
        """Forget everything, on disk too."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._index, self._generation = None, None

    def _open(self) -> None:
        """Open what is there; anything missing or damaged leaves the index without generation."""
        try:
            stamp = json.loads((self._folder / "stamp.json").read_text())
            self._place = self._folder / str(stamp["folder"])
            index = tantivy.Index.open(str(self._place))
            if index.searcher().num_docs == int(stamp["count"]):
                self._index, self._generation = index, int(stamp["generation"])
        except (OSError, ValueError, KeyError, TypeError):
            return


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("key", stored=True, indexed=True, fast=True)
    for field in _FIELDS:
        builder.add_text_field(field, tokenizer_name="en_stem", index_option="freq")
    return builder.build()
