"""A library under any order of changes, crashes and damage is what a plain dictionary says it is."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from acclimate.indexes.base import FileState
from acclimate.indexes.filters import Filter
from acclimate.indexes.library import Library
from acclimate.text.embedded import embedded_hash
from acclimate.types import Chunk, Document

WORDS = "heat pump valve price warranty leak manual winter".split()
PATHS = st.sampled_from([f"{folder}/{name}.md" for folder in ("hr", "shop") for name in "abcd"])


def vector_of(text):
    counts = np.array([1 + text.split().count(word) for word in WORDS], np.float32)
    return counts / np.linalg.norm(counts)


def windows_of(text):
    words = text.split()
    return np.array([vector_of(" ".join(words[at : at + 3])) for at in range(0, len(words), 3)])


class Libraries(RuleBasedStateMachine):
    """The oracle is `held`: the texts of each document's chunks by path."""

    @initialize()
    def make(self):
        self.folder = Path(tempfile.mkdtemp())
        self.held = {}
        self.library = Library(self.folder)
        with self.library.record.transaction():
            self.library.record.set_embedder("words")

    @rule(
        path=PATHS,
        texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), max_size=4),
    )
    def put(self, path, texts):
        texts = [" ".join(words) for words in texts]
        text, chunks, at = "\n".join(texts), [], 0
        for number, part in enumerate(texts):
            chunks.append(Chunk(f"{path}:{number}", path, at, at + len(part), part))
            at += len(part) + 1
        vectors = {embedded_hash(chunk): windows_of(chunk.text) for chunk in chunks}
        record = self.library.record
        with record.transaction():
            record.put(
                Document(path, text),
                FileState(path, "0", len(text), 0, "c"),
                chunks,
                vectors,
                "words",
            )
            record.bump()
        self.held[path] = texts

    @rule(path=PATHS)
    def remove(self, path):
        with self.library.record.transaction():
            self.library.record.remove(path)
            self.library.record.bump()
        self.held.pop(path, None)

    @rule(index=st.integers(0, 50), how=st.sampled_from(["remove", "truncate", "zero"]))
    def damage(self, index, how):
        """A file of an index is lost, cut, or full of zeros while nobody has it open."""
        self.library.close()
        files = sorted(file for file in (self.folder / "indexes").rglob("*") if file.is_file())
        if files:
            file = files[index % len(files)]
            size = file.stat().st_size
            if how == "remove":
                file.unlink()
            elif how == "truncate":
                file.write_bytes(file.read_bytes()[: size // 2])
            else:
                file.write_bytes(bytes(size))
        self.library = Library(self.folder)
        if how == "zero" and self.library.check():  # only `doctor` reads every byte
            self.library.repair()

    @rule()
    def reopen(self):
        self.library.close()
        self.library = Library(self.folder)

    @rule(
        words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
        k=st.integers(1, 6),
        shop=st.booleans(),
    )
    def search(self, words, k, shop):
        self.library.catch_up()
        query, only = " ".join(words), None
        if shop and self.held:
            only = self.library.among(self.library.paths(Filter.parse(["path=shop/*"]), ()))
        texts = []
        for path, parts in self.held.items():
            if not shop or path.startswith("shop/"):
                texts += parts
        best = sorted(
            (float((windows_of(text) @ vector_of(query)).max()) for text in texts), reverse=True
        )[:k]
        found = self.library.vectors.search(vector_of(query), k, only)
        assert np.allclose([match.score for match in found], best, atol=1e-6)
        worded = self.library.texts.search(query, 100, only)
        chunks = self.library.fetch([match.key for match in worded])
        assert sorted(chunk.text for chunk in chunks) == sorted(
            text for text in texts if set(text.split()) & set(words)
        )

    @invariant()
    def record_and_indexes_are_equal(self):
        if hasattr(self, "library"):
            self.library.catch_up()
            assert self.library.check() == []
            assert self.library.paths(Filter(), ()) == sorted(self.held)

    def teardown(self):
        if hasattr(self, "library"):
            self.library.close()
            shutil.rmtree(self.folder)


TestLibraries = Libraries.TestCase
TestLibraries.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
