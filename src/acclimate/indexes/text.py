"""BM25 with Tantivy: stemmed words of text, title and headings."""

from __future__ import annotations

import json
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tantivy

from acclimate.errors import LibraryError
from acclimate.indexes.base import Change, Match
from acclimate.indexes.bm25 import BOOSTS, Statistics, analyzer, prepared
from acclimate.indexes.filters import Among
from acclimate.indexes.readonly import can_write
from acclimate.indexes.vector import crc_of, sync
from acclimate.indexes.words import ENGLISH, Words, together
from acclimate.types import Chunk

_HEAP = 64_000_000  # bytes for the writer; Tantivy's least is 15 million
_LONGEST = 40  # bytes of a word that is spelt
_FORM = 2  # of the fields; an index of another form is built again
_SPELT = "spelt"  # the field of words as they are spelt, which no search reads
_LOOKUP = 2  # what it costs to look up a key as a term, in rows of the ranking


class TantivyTextIndex:
    """An index in `folder` of `words`; k1 1.2 and b 0.75 are Tantivy's own."""

    def __init__(self, folder: Path, words: Words = ENGLISH) -> None:
        self._folder, self._place, self._words = folder, folder, words
        self._index: tantivy.Index | None = None
        self._generation: int | None = None
        # Links to the files of an index that cannot be written.
        self._links: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[str, tuple[int, int]] = {}  # size and crc32 of each file, by its name
        self._open()

    @property
    def generation(self) -> int | None:
        """See `TextIndex`."""
        return self._generation

    def whole(self) -> bool:
        """Whether the files on the disk are those that were written; reads them all."""
        return all(crc_of(self._place / name) == crc for name, (_, crc) in self._files.items())

    def keys(self) -> list[int]:
        """The chunk keys held, ascending."""
        if self._index is None:
            return []
        searcher = self._index.searcher()
        found = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs)).hits
        return sorted(int(searcher.doc(address)["key"][0]) for _, address in found)

    def search(self, query: str, k: int, among: Among | None = None) -> list[Match]:
        """See `TextIndex`."""
        parsed = self._parse(query)
        if self._index is None or parsed is None or k < 1:
            return []
        if among is None:
            # A few more, so that ties at the end go to the lower key.
            matches = self._matches(parsed, k + 20)
        else:
            depth = (k + 20) * 2 * self._index.searcher().num_docs // max(1, len(among.keys)) + 20
            few = len(among.keys) * _LOOKUP < depth
            matches = (
                self.scores(query, among.keys.tolist())
                if few
                else self._deep(parsed, k, among, depth)
            )
        return sorted(matches, key=lambda match: (-match.score, match.key))[:k]

    def _deep(self, parsed: tantivy.Query, k: int, among: Among, depth: int) -> list[Match]:
        """At least the k best of `among`: as deep into the ranking of all rows as it takes, at
        first `depth`."""
        assert self._index is not None  # noqa: S101
        rows = self._index.searcher().num_docs
        while True:
            matches = self._matches(parsed, max(1, min(depth, rows)))
            held = among.holds(np.array([match.key for match in matches], np.int64))
            found = [match for match, inside in zip(matches, held, strict=True) if inside]
            if len(found) >= k + 20 or len(matches) < depth or depth >= rows:
                return found
            depth *= 4

    def scores(self, query: str, keys: Sequence[int]) -> list[Match]:
        """See `TextIndex`."""
        parsed = self._parse(query)
        if self._index is None or parsed is None or not keys:
            return []
        # A query for each key: Tantivy's own query for a set of terms walks the whole dictionary,
        # and takes three times as long for a thousand.
        schema = self._index.schema
        rows = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, "key", key, "basic"))
            for key in keys
        ]
        among = tantivy.Query.const_score_query(tantivy.Query.boolean_query(rows), 0.0)
        both = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, parsed), (tantivy.Occur.Must, among)]
        )
        return self._matches(both, len(keys))

    def holds(self, word: str) -> bool:
        """See `Vocabulary`."""
        if self._index is None:
            return False
        searcher = self._index.searcher()
        if searcher.doc_freq(_SPELT, word):
            return True
        stems = self._words.spoken(word)
        return any(searcher.doc_freq(field, stem) for field in BOOSTS for stem in stems)

    def beginning(self, letters: str, most: int) -> list[tuple[str, int]]:
        """See `Vocabulary`."""
        if self._index is None:
            return []
        found = self._index.searcher().terms_with_prefix(_SPELT, letters, limit=most)
        return [(word, rows) for word, rows in found if rows]

    def _parse(self, query: str) -> tantivy.Query | None:
        """The query's words in any field; None where it has none."""
        groups = self._words.asked(query)
        if self._index is None or not groups:
            return None
        schema, any_of = self._index.schema, []
        for field, boost in BOOSTS.items():
            shares = self._shares(field, groups)
            for word in dict.fromkeys(word for group in groups for word in group):
                term = tantivy.Query.term_query(schema, field, word, "freq")
                weighed = tantivy.Query.boost_query(term, boost * shares.get(word, 1.0))
                any_of.append((tantivy.Occur.Should, weighed))
        return tantivy.Query.boolean_query(any_of)

    def _shares(self, field: str, groups: Sequence[Sequence[str]]) -> dict[str, float]:
        """What each word of a group of several counts, in parts of its own weight: as much as one
        word that stands wherever any of them does."""
        assert self._index is not None  # noqa: S101
        searcher, several = self._index.searcher(), [one for one in groups if len(one) > 1]
        rows = searcher.num_docs
        holding = {word: searcher.doc_freq(field, word) for group in several for word in group}
        shared = together(several, holding, rows)
        weight = Statistics(rows, {}).weight
        return {
            word: weight(field, shared[word]) / weight(field, count)
            for word, count in holding.items()
            if count
        }

    def _matches(self, query: tantivy.Query, limit: int) -> list[Match]:
        assert self._index is not None  # noqa: S101
        searcher = self._index.searcher()
        try:
            hits = searcher.search(query, limit).hits
            if hits:
                keys = searcher.fast_field_values("key", [address for _, address in hits])
        except ValueError as error:
            raise LibraryError(
                f"the text index is damaged: {error}.", hint="acclimate doctor --repair"
            ) from error
        return (
            [Match(int(key or 0), float(score)) for (score, _), key in zip(hits, keys, strict=True)]
            if hits
            else []
        )

    def update(self, change: Change, chunks: Iterable[tuple[int, Chunk]]) -> None:
        """See `TextIndex`."""
        if self._index is None:
            self.clear()
            self._folder.mkdir(parents=True, exist_ok=True)
            # A new folder each time: threads of an index just cleared may still write into theirs.
            self._place = Path(tempfile.mkdtemp(prefix="index-", dir=self._folder))
            self._index = tantivy.Index(_schema(), path=str(self._place))
            self._prepare(self._index)
        # A crash from here on leaves no stamp, and the index is built again.
        (self._folder / "stamp.json").unlink(missing_ok=True)
        self._generation = None
        try:
            self._write(self._index, change, chunks)
        except ValueError as error:  # Tantivy's for every failure to write
            raise OSError(str(error)) from error
        self._index.reload()
        with (self._folder / "stamp.part").open("w", encoding="utf-8") as out:
            count = self._index.searcher().num_docs
            self._files = self._look()
            stamp = {
                "form": _FORM,
                "generation": change.generation,
                "count": count,
                "folder": self._place.name,
                "files": self._files,
            }
            json.dump(stamp, out)
            sync(out)
        (self._folder / "stamp.part").replace(self._folder / "stamp.json")
        self._generation = change.generation

    def _prepare(self, index: tantivy.Index) -> None:
        index.register_tokenizer("words", self._analyzer())
        index.register_tokenizer(_SPELT, _speller())
        # Otherwise a thread reads what others commit, for as long as the process lives, and dies
        # with it of a file that is cut meanwhile.
        index.config_reader("Manual")

    def _write(
        self, index: tantivy.Index, change: Change, chunks: Iterable[tuple[int, Chunk]]
    ) -> None:
        writer = index.writer(heap_size=_HEAP, num_threads=1)
        for key in (*change.removed, *change.added):
            writer.delete_documents_by_term("key", key)
        for key, chunk in chunks:
            language = self._words.of(chunk)
            text, path = (prepared(part, language) for part in (chunk.shown, chunk.searched))
            spelt = f"{text}\n{path}"
            if self._words.language == "auto":
                text, path = (" ".join(analyzer(language).analyze(part)) for part in (text, path))
            writer.add_document(tantivy.Document(key=key, text=text, path=path, spelt=spelt))
        writer.commit()
        writer.wait_merging_threads()

    def _analyzer(self) -> tantivy.TextAnalyzer:
        """What reads a prepared text, or words that were made already, of several languages."""
        if self._words.language != "auto":
            return analyzer(self._words.language)
        return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()

    def _look(self) -> dict[str, tuple[int, int]]:
        """Size and checksum of every file. A segment never changes, so one that was there before is
        not read again."""
        found = {}
        for file in self._place.iterdir():
            if file.suffix == ".lock" or file.name.startswith("."):
                continue
            size, known = file.stat().st_size, self._files.get(file.name)
            constant = known is not None and known[0] == size and file.name != "meta.json"
            found[file.name] = (
                size,
                known[1] if known and constant else zlib.crc32(file.read_bytes()),
            )
        return found

    def close(self) -> None:
        """See `Index`."""
        self._index = None
        if self._links is not None:
            self._links.cleanup()
            self._links = None

    def clear(self) -> None:
        """Forget everything, on disk too."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._index, self._generation, self._files = None, None, {}

    def _linked(self) -> str:
        """A temporary folder with links to the files: Tantivy makes a lock file beside them even
        for reading."""
        self._links = tempfile.TemporaryDirectory(
            prefix="acclimate-text-", ignore_cleanup_errors=True
        )
        for file in self._place.iterdir():
            if file.suffix != ".lock":
                (Path(self._links.name) / file.name).symlink_to(file.absolute())
        return self._links.name

    def _open(self) -> None:
        """Open what is there; anything missing or damaged leaves the index without generation."""
        try:
            stamp = json.loads((self._folder / "stamp.json").read_text(encoding="utf-8"))
            if stamp["form"] != _FORM:
                return
            self._place = self._folder / str(stamp["folder"])
            files = {
                str(name): (int(size), int(crc)) for name, (size, crc) in stamp["files"].items()
            }
            if any(
                (self._place / name).stat().st_size != size for name, (size, _) in files.items()
            ):
                return
            index = tantivy.Index.open(
                str(self._place if can_write(self._place) else self._linked())
            )
            self._prepare(index)
            if index.searcher().num_docs == int(stamp["count"]):
                self._index, self._generation, self._files = index, int(stamp["generation"]), files
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return


def _speller() -> tantivy.TextAnalyzer:
    """What makes words of a `prepared` text as they are spelt: runs of letters, in lower case."""
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(r"[\p{L}\p{M}]{3,}"))
        .filter(tantivy.Filter.remove_long(_LONGEST))
        .filter(tantivy.Filter.lowercase())
        .build()
    )


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("key", stored=True, indexed=True, fast=True)
    for field in BOOSTS:
        builder.add_text_field(field, tokenizer_name="words", index_option="freq")
    builder.add_text_field(_SPELT, tokenizer_name=_SPELT, index_option="basic", stored=False)
    return builder.build()
