"""Real texts and their vectors for `benchmarks.ann`: embedded once, and kept for the next run.

The first rows are the distinct sentences of the folders, in random order. Where more are asked for
than there are, parts of these sentences follow (one to three neighbouring clauses, cut at
commas, semicolons, colons and brackets), then two and three neighbouring sentences together: text
of the same documents, embedded as any, never noise.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from acclimate.embeddings.openvino import OpenVINOEmbedder
from acclimate.embeddings.spec import read_spec
from acclimate.models.fetch import resolve

_Item = TypeVar("_Item")
_SENTENCE = re.compile(r"[A-Z][^.!?\n]{20,300}[.!?]")
_CLAUSE = re.compile(r"[^,;:()]{20,}")
_AT_ONCE = 10_000  # texts embedded between two notes of how far it is
_KINDS = ("sentence", "clause", "2 clauses", "3 clauses", "2 sentences", "3 sentences")


@dataclass(frozen=True, slots=True)
class Rows:
    """Unit vectors [n, d] of real texts, how many are of which kind, and unit vectors [q, d] to
    search by: of the sets' own questions."""

    vectors: NDArray[np.float32]
    kinds: dict[str, int]
    queries: NDArray[np.float32]


def rows_of(folders: Sequence[Path], count: int, queries: int, cache: Path, threads: int) -> Rows:
    """`count` rows and `queries` queries of domain sets and BEIR sets; embedded ones are kept in
    `cache`, also of a run that was cut off. Raises SystemExit where there is too little text."""
    texts, kinds = _texts(folders)
    if len(texts) < count:
        raise SystemExit(f"{len(texts)} texts can be made of these folders, not {count}")
    model = resolve("all-minilm-l6-v2", "embedder")
    embedder = OpenVINOEmbedder(
        model.folder,
        spec=read_spec(model.folder, model.name),
        weights_sha256=model.sha256,
        threads=threads,
    )
    known = f"{embedder.fingerprint} {[folder.name for folder in folders]} {len(texts)}"
    place = cache / hashlib.sha256(known.encode()).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    vectors = _embedded(embedder, texts, count, place)
    asked = _questions(folders)
    chosen = random.Random(2).sample(asked, min(queries, len(asked)))
    return Rows(vectors, dict(Counter(kinds[:count])), embedder.embed_queries(chosen))


def _embedded(
    embedder: OpenVINOEmbedder, texts: Sequence[str], count: int, place: Path
) -> NDArray[np.float32]:
    """The vectors of the first `count` texts, from `place` as far as they are there."""
    file, done_file = place / "vectors.f32", place / "done"
    done = int(done_file.read_text()) if done_file.exists() else 0
    with file.open("r+b" if done else "wb") as out:
        while done < count:
            some = embedder.embed_passages(texts[done : min(done + _AT_ONCE, count)])
            out.seek(done * some.shape[1] * 4)
            out.write(some.astype(np.float32).tobytes())
            out.flush()
            done += len(some)
            done_file.write_text(str(done))
    return np.memmap(file, np.float32, "r", shape=(count, embedder.dimensions))


def _texts(folders: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Distinct texts, and the kind of each; the same order whatever is asked for."""
    documents = [_SENTENCE.findall(text) for folder in folders for text in _documents(folder)]
    made: list[Iterable[str]] = [
        chain(*documents),
        (part for sentence in chain(*documents) for part in _parts(sentence, 1)),
        (part for sentence in chain(*documents) for part in _parts(sentence, 2)),
        (part for sentence in chain(*documents) for part in _parts(sentence, 3)),
        (" ".join(two) for document in documents for two in _runs(document, 2)),
        (" ".join(three) for document in documents for three in _runs(document, 3)),
    ]
    seen: set[str] = set()
    texts: list[str] = []
    kinds: list[str] = []
    for kind, found in zip(_KINDS, made, strict=True):
        new = sorted(set(found) - seen)
        random.Random(1).shuffle(new)
        seen.update(new)
        texts += new
        kinds += [kind] * len(new)
    return texts, kinds


def _parts(sentence: str, clauses: int) -> Iterator[str]:
    """Each run of so many clauses that is not the whole sentence, as it stands there."""
    found = list(_CLAUSE.finditer(sentence))
    if len(found) > clauses:
        for run in _runs(found, clauses):
            yield sentence[run[0].start() : run[-1].end()].strip()


def _runs(items: Sequence[_Item], length: int) -> Iterator[Sequence[_Item]]:
    """Every run of `length` neighbours."""
    for at in range(len(items) - length + 1):
        yield items[at : at + length]


def _documents(folder: Path) -> Iterator[str]:
    """The text of a domain set's documents, or of a BEIR set's corpus."""
    if (corpus := folder / "corpus.jsonl").exists():
        yield from (row["text"] for row in _lines(corpus))
        return
    for file in sorted((folder / "documents").rglob("*")):
        if file.suffix in (".txt", ".md"):
            yield file.read_text(encoding="utf-8")


def _questions(folders: Sequence[Path]) -> list[str]:
    """The questions of all sets, in order."""
    found = []
    for folder in folders:
        for name, key in (("questions.jsonl", "question"), ("queries.jsonl", "text")):
            if (file := folder / name).exists():
                found += [row[key] for row in _lines(file)]
    return found


def _lines(file: Path) -> Iterator[dict[str, str]]:
    """The JSON objects of a file, one a line."""
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)
