"""The contracts of `VectorIndex` and `TextIndex`, as one check each: every store answers as brute
force does, or, where it searches by a graph, nearly so."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from acclimate.indexes.base import Change, Match, TextIndex, VectorIndex, Vectors
from acclimate.indexes.filters import Among
from acclimate.indexes.text import TantivyTextIndex
from acclimate.types import Chunk

_WORDS = (
    "heat pump valve price warranty leaking manual winter invoices paid naïve Käse 2024 x_ray "
    "AX-200-A AX-200-B C++ C "
    "oﬃce 3.2.1 IT"
).split()
_QUESTIONS = (
    "Which pumps leak in winter?",
    "price price warranty",
    "the invoice was paid",
    "KÄSE naïve 2024",
    "x_ray",
    "valve ax200b of the IT office",
    "C++ 3.2.1",
    "nothing of that",
    'text:" AND (b OR NOT +-^9 *\x00🙂',
    "",
)


def check_vector_index(opened: Callable[[], VectorIndex]) -> None:
    """Raises AssertionError where the index breaks its contract. `opened` opens the same, at first
    empty, index."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 24)).astype(np.float32)
    rows[7] = rows[200] = rows[100]  # ties
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    held: dict[int, Vectors] = {}
    index = opened()
    assert (index.generation, index.keys(), index.search(rows[0], 3)) == (None, [], [])
    for generation, (removed, added) in enumerate(
        [((), range(1, 201)), ((3, 101), range(150, 281)), ((5,), ())], 1
    ):
        vectors = {key: rows[key if generation == 1 else 299 - key] for key in added}
        index.update(Change(removed, list(added), generation), iter(vectors.items()))
        held = {key: row for key, row in held.items() if key not in removed} | vectors
        _equals_brute_force(index, held, rows[100])
    index.close()
    index = opened()
    assert (index.generation, index.keys(), index.whole()) == (3, sorted(held), True)
    _equals_brute_force(index, held, rows[7])
    index.clear()
    assert (index.generation, index.keys()) == (None, [])
    index.update(Change((), [4], 9), iter([(4, rows[4])]))
    assert (index.generation, index.keys()) == (9, [4])
    index.close()


def check_approximate_index(
    opened: Callable[[], VectorIndex],
    *,
    rows: int = 5_000,
    recall: float = 0.98,
    settled: Callable[[], None] = lambda: None,
) -> None:
    """Raises AssertionError where an index that searches by a graph misses more than its due, of
    ten hits a share of 1 - `recall`; scores wrongly; finds what a filter bars or what was removed;
    or, while it is built anew, stops to answer from what it held.

    `opened` opens the same, at first empty, index; `settled` waits until the graph is whole.
    """
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(rows + 20, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    held, asked = dict(enumerate(vectors[:rows])), vectors[rows:]
    index, other = opened(), opened()
    index.update(Change((), list(held), 1), iter(held.items()))
    settled()
    some = [None, *(Among(np.arange(0, rows, step, dtype=np.int64)) for step in (1, 2, 99))]
    some.append(Among(np.flatnonzero(np.arange(rows) % 10).astype(np.int64)))
    for among in some:
        assert _recall(other, held, asked, among) >= recall, among
    removed = list(range(0, rows, 7))
    changed = {key: -held[key] for key in range(1, rows, 50)}
    index.update(Change(removed, list(changed), 2), iter(changed.items()))
    held = {key: row for key, row in held.items() if key % 7} | changed
    assert _recall(other, held, asked, None) >= recall
    settled()
    assert _recall(other, held, asked, some[-1]) >= recall
    index.clear()
    assert (other.generation, other.keys()) == (None, [])
    assert _recall(other, held, asked, None) >= recall, "what it held is searched until then"
    turned = {key: row[::-1].copy() for key, row in held.items() if key % 2}
    index.update(Change((), list(turned), 3), iter(turned.items()))
    assert _recall(other, turned, asked, None) >= recall
    assert (other.generation, other.keys(), other.whole()) == (3, sorted(turned), True)
    index.close()
    other.close()


def _recall(
    index: VectorIndex, held: dict[int, Vectors], asked: Vectors, among: Among | None
) -> float:
    """The share of the ten best that is found; scores are those of brute force."""
    keys = np.array([key for key in held if among is None or key in among.keys], np.int64)
    scores = asked @ np.array([held[key] for key in keys.tolist()]).T
    shares = []
    for query, row in zip(asked, scores, strict=True):
        found = index.search(query, 10, among)
        assert len(found) == min(10, len(keys))
        assert sorted(found, key=_order) == found
        for match in found:
            assert match.key in held, "a row that is not there any more"
            assert abs(match.score - float(held[match.key] @ query)) < 1e-5
        best = set(keys[np.argsort(-row)[:10]].tolist())
        shares.append(len(best & {match.key for match in found}) / len(best))
    return float(np.mean(shares))


def _equals_brute_force(index: VectorIndex, held: dict[int, Vectors], query: Vectors) -> None:
    for keys in (None, [], sorted(held)[::3], [*sorted(held)[:2], 10_000]):
        allowed = [key for key in sorted(held) if keys is None or key in keys]
        for k in (1, 2, 10, 1000):
            wanted = sorted((Match(key, float(held[key] @ query)) for key in allowed), key=_order)[
                :k
            ]
            _same(
                index.search(query, k, None if keys is None else Among(np.array(keys, np.int64))),
                wanted,
            )
        if keys is not None:
            everything = sorted(
                (Match(key, float(held[key] @ query)) for key in allowed), key=_order
            )
            _same(sorted(index.scores(query, keys), key=_order), everything)


def check_text_index(opened: Callable[[], TextIndex], *, fresh: bool = True) -> None:
    """Raises AssertionError where the index breaks its contract. `opened` opens the same, at first
    empty, index.

    Scores are compared with those of the local index. `fresh` says that words are weighed without
    the rows that were removed; an index for which that is false must be built anew for it, and only
    what it finds is compared.
    """
    rng = np.random.default_rng(0)
    held: dict[int, Chunk] = {}
    index = opened()
    assert (index.generation, index.keys(), index.search("heat", 3)) == (None, [], [])
    for generation, (removed, added) in enumerate(
        [((), range(1, 201)), ((3, 101), range(150, 231)), ((5,), ())], 1
    ):
        chunks = {key: _chunk(rng) for key in added}
        index.update(Change(removed, list(added), generation), chunks.items())
        held = {key: chunk for key, chunk in held.items() if key not in removed} | chunks
        _equals_local(index, held, scores=fresh or generation == 1)
    index.close()
    index = opened()
    assert (index.generation, index.keys(), index.whole()) == (3, sorted(held), True)
    _equals_local(index, held, scores=fresh)
    index.clear()
    assert (index.generation, index.keys()) == (None, [])
    index.update(Change((), list(held), 9), held.items())
    _equals_local(index, held, scores=True)
    index.close()


def _chunk(rng: np.random.Generator) -> Chunk:
    text = " ".join(rng.choice(_WORDS, size=rng.integers(1, 120)))
    headings = tuple(rng.choice(_WORDS, size=rng.integers(0, 4)))
    return Chunk("id", "d", 0, len(text), text, headings=headings)


def _equals_local(index: TextIndex, held: dict[int, Chunk], *, scores: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local = TantivyTextIndex(Path(folder))
        local.update(Change((), list(held), 1), held.items())
        for question in _QUESTIONS:
            for keys in (None, sorted(held)[::3], []):
                among = None if keys is None else Among(np.array(keys, np.int64))
                wanted = local.search(question, len(held), among)
                found = index.search(question, len(held), among)
                assert {match.key for match in found} == {match.key for match in wanted}, question
                if scores:
                    _same(found, wanted)
                    _same(index.search(question, 5, among), wanted[:5])
                    some = [match.key for match in wanted[::4]]
                    _same(sorted(index.scores(question, some), key=_order), wanted[::4])


def _same(found: Sequence[Match], wanted: Sequence[Match]) -> None:
    """Equal scores in order, up to single precision; equal keys where scores differ by more than
    that."""
    assert len(found) == len(wanted), (found, wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert abs(ours.score - theirs.score) <= 2e-5 * max(1, abs(theirs.score)), (found, wanted)
    for at, match in enumerate(wanted):
        around = [
            abs(match.score - other.score) for other in (*wanted[:at][-1:], *wanted[at + 1 :][:1])
        ]
        if at < len(wanted) - 1 and min(around, default=1) > 1e-4:
            assert found[at].key == match.key, (found, wanted)


def _order(match: Match) -> tuple[float, int]:
    return (-match.score, match.key)
