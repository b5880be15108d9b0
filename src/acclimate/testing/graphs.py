"""The contract of `GraphIndex` as one check."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from acclimate.indexes.base import Change, GraphIndex, Match
from acclimate.indexes.filters import Among
from acclimate.types import Chunk

_TEXTS = {
    1: "Compressors are bought under the agreement with Norkomp.",
    2: "The agreement of Halden with Norkomp ends in March.",
    3: "Lunch is served at noon in the Blue Room.",
    4: "The Blue Room takes the card of Visby Bank.",
}


def check_graph_index(opened: Callable[[], GraphIndex]) -> None:
    """Raises AssertionError where the index breaks its contract. `opened` opens the same, at first
    empty, index."""
    chunks = {key: Chunk(str(key), f"{key}.md", 0, len(text), text) for key, text in _TEXTS.items()}
    index = opened()
    assert (index.generation, index.keys(), index.search("Norkomp", [], 3)) == (None, [], [])
    index.update(Change((), [1, 2, 3, 4], 1), chunks.items())
    assert (index.generation, index.keys(), index.whole()) == (1, [1, 2, 3, 4], True)
    assert _found(index.search("what about norkomp?", [], 9)) == {1, 2}, (
        "a question names what its words name"
    )
    assert _found(index.search("lunch", [Match(3, 1.0)], 9)) == {3, 4}, (
        "what was found leads to its neighbours"
    )
    assert index.search("nothing of that", [], 9) == index.search("norkomp", [], 0) == []
    only = Among(np.array([2, 3], np.int64))
    assert _found(index.search("norkomp", [Match(3, 1.0)], 9, only)) == {2, 3}, (
        "barred chunks are not walked through"
    )
    both = index.search("norkomp", [], 9)
    assert both == sorted(both, key=lambda match: (-match.score, match.key))
    assert index.search("norkomp", [], 1) == both[:1]
    moved = "Norkomp moved to Visby Bank."
    index.update(Change([1], [4], 2), [(4, Chunk("4", "4.md", 0, len(moved), moved))])
    index.close()
    index = opened()
    assert (index.generation, index.keys(), index.whole()) == (2, [2, 3, 4], True)
    assert _found(index.search("norkomp", [], 9)) == {2, 4}
    assert index.search("compressors", [], 9) == [], "what was removed leaves no entity"
    index.clear()
    assert (index.generation, index.keys(), index.search("norkomp", [], 3)) == (None, [], [])
    index.close()


def _found(matches: list[Match]) -> set[int]:
    return {match.key for match in matches}
