"""Which passages are the same, and which documents are versions of each other.

A passage is the same as another where their folded texts are equal and they stand under the same
headings, whatever their documents are called. Documents are compared by MinHash signatures (Broder,
"On the resemblance and containment of documents", 1997) of runs of three words, and only those that
agree in a band of them (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4):
the cost grows with their number, not with its square.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acclimate.text.folding import matched, squeezed
from acclimate.types import Chunk

Sketch = NDArray[np.uint32]
_BANDS, _ROWS = 42, 3  # of a signature: half alike is seen in 99.6 of 100 pairs
_SHINGLE = 3  # words
_BLOCK = 20_000  # shingles at once: 20 MB
LEAST = 0.5  # share of common shingles from which documents are near copies
_WORD = re.compile(r"\w+")
_NUMBERS = np.random.default_rng(7).integers(
    1, 1 << 63, size=(2, _BANDS * _ROWS), dtype=np.uint64
) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class NearCopy:
    """Two documents with most of their text in common: `share` of all runs of three words, 1 where
    all are.

    `newer` is the path of the newer one where dates or versions of both say so, else "".
    """

    path: str
    other: str
    share: float
    newer: str = ""


def same_key(chunk: Chunk) -> int:
    """Equal for the same passage in several places; a signed 64-bit number."""
    return same_text(chunk.text, chunk.header, json.dumps(chunk.headings), chunk.title)


def same_text(text: str, header: str, headings: str, title: str) -> int:
    """See `same_key`; `headings` is a JSON list."""
    above = [heading for heading in json.loads(headings) if heading != title]
    content = "\x1f".join(squeezed(part) for part in (*above, header, text))
    return int.from_bytes(
        hashlib.blake2b(content.encode(), digest_size=8).digest(), "little", signed=True
    )


def sketch_of(text: str) -> Sketch:
    """The signature of a document; empty for a text without words."""
    words = np.array(
        [zlib.crc32(word.encode()) for word in _WORD.findall(matched(text))], np.uint64
    )
    if not len(words):
        return np.zeros(0, np.uint32)
    words = np.concatenate([words, np.zeros(max(0, _SHINGLE - len(words)), np.uint64)])
    shingles = np.zeros(len(words) - _SHINGLE + 1, np.uint64)
    for place in range(_SHINGLE):
        shingles = (
            shingles * np.uint64(0x9E3779B97F4A7C15)
            + words[place : place + len(shingles)]
            + np.uint64(1)
        )
    shingles = np.unique(shingles)
    least = np.full(_BANDS * _ROWS, np.iinfo(np.uint32).max, np.uint32)
    for start in range(0, len(shingles), _BLOCK):
        some = shingles[start : start + _BLOCK, None]
        hashed = ((some ^ (some >> np.uint64(29))) * _NUMBERS[0] + _NUMBERS[1]) >> np.uint64(32)
        least = np.minimum(least, hashed.min(axis=0).astype(np.uint32))
    return least


def share_of(one: Sketch, other: Sketch) -> float:
    """An estimate of how much of two documents is common: shingles in both over shingles in
    either."""
    return float((one == other).mean()) if len(one) and len(other) else 0.0


def near_copies(
    sketches: Mapping[str, Sketch], fresh: Sequence[str]
) -> list[tuple[str, str, float]]:
    """(path, other path, share) of near copies among which one is `fresh`, each with the nearest of
    its group."""
    paths = sorted(path for path, sketch in sketches.items() if len(sketch))
    if not paths:
        return []
    rows, new = np.stack([sketches[path] for path in paths]), set(fresh)
    best: dict[str, tuple[str, float]] = {}
    for first, second in _alike(rows):
        one, other = paths[first], paths[second]
        if one in new or other in new:
            share = share_of(rows[first], rows[second])
            if share >= LEAST and share > best.get(other, ("", 0.0))[1]:
                best[other] = (one, share)
    return [(path, other, share) for path, (other, share) in sorted(best.items())]


def _alike(rows: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Pairs, lower row first, that agree in a band: each row with the first of the band, and with
    the one before it."""
    seen: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        part = np.ascontiguousarray(rows[:, band * _ROWS : (band + 1) * _ROWS])
        _, first, group = np.unique(part, axis=0, return_index=True, return_inverse=True)
        group = group.reshape(-1)
        before: dict[int, int] = {}
        for row in np.flatnonzero(first[group] != np.arange(len(rows))).tolist():
            kind = int(group[row])
            pairs = {(int(first[kind]), row), (before.get(kind, int(first[kind])), row)}
            before[kind] = row
            yield from sorted(pairs - seen)
            seen |= pairs
