"""Misspelt words of a question, set right by the library's own words before the search.

Text search finds nothing by a misspelt word, and vectors little. A word is taken for misspelt only
where neither the library nor the embedder knows it; what this brings: docs/decisions, Misspelt
words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from acclimate.indexes.base import Vocabulary
from acclimate.retrieval.base import Retriever
from acclimate.text.folding import alike
from acclimate.types import Hit

_SHORTEST = 5  # letters of a word that is set right: shorter ones have too many neighbours
_TWO_SLIPS = 8  # letters from which two slips are allowed
_MOST = 5000  # words with the same beginning that are compared, the most frequent ones
# A word in a sentence: no part of a code, an address, a name with a hyphen or a shortened form.
_WORD = re.compile(rf"(?<![\w'’@./:#-])[^\W\d_]{{{_SHORTEST},}}(?![\w'’@/:-]|\.\w)")
_QUOTED = re.compile(r'["“„][^"“”„\n]{1,200}["”“]')


@dataclass(frozen=True, slots=True)
class SpellingRetriever:
    """The hits of `inner` for the question with its misspelt words set right.

    `known` says whether a word in small letters is one at all, whatever the library holds.
    """

    inner: Retriever
    vocabulary: Vocabulary
    known: Callable[[str], bool]

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """See `Retriever`."""
        return self.inner.retrieve(corrected(query, self.vocabulary, self.known), k)


def corrected(query: str, vocabulary: Vocabulary, known: Callable[[str], bool]) -> str:
    """A question with its misspelt words as the library spells them, all else unchanged.

    Quotations, names in capitals and words of scripts without small letters are left as they are.
    """
    quoted = [match.span() for match in _QUOTED.finditer(query)]

    def right(match: re.Match[str]) -> str:
        typed = match[0]
        if any(start <= match.start() < end for start, end in quoted):
            return typed
        word = alike(typed).lower()
        if typed[1:] != typed[1:].lower() or word == word.upper():
            return typed
        if vocabulary.holds(word) or known(word):
            return typed
        return nearest_word(word, vocabulary) or typed

    return _WORD.sub(right, query)


def nearest_word(word: str, vocabulary: Vocabulary) -> str:
    """The library's word that is the fewest slips away, of several the most frequent; "" for none.

    One slip is allowed, in long words two; the first letter is taken as right.
    """
    allowed = 1 if len(word) < _TWO_SLIPS else 2
    # Those that begin with two letters are all there where those with one are too many.
    found = dict(vocabulary.beginning(word[:1], _MOST))
    found |= dict(vocabulary.beginning(word[:2], _MOST))
    letters = set(word)
    near: list[tuple[int, int, str]] = []
    for other, rows in found.items():
        if abs(len(other) - len(word)) > allowed:
            continue
        # A slip changes at most two of the letters that occur, which is quicker to tell.
        if len(letters.symmetric_difference(other)) > 2 * allowed:
            continue
        if (slips := distance(word, other)) <= allowed:
            near.append((slips, -rows, other))
    return min(near)[2] if near else ""


def distance(one: str, other: str) -> int:
    """Letters to insert, remove, replace or swap with the next one to make `other` of `one`.

    Optimal string alignment: no part is changed twice. Source: Damerau, "A technique for computer
    detection and correction of spelling errors", CACM 1964.
    """
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        here = [row]
        for column, wanted in enumerate(other, start=1):
            best = min(
                above[column] + 1, here[column - 1] + 1, above[column - 1] + (letter != wanted)
            )
            if row > 1 and column > 1 and (letter, one[row - 2]) == (other[column - 2], wanted):
                best = min(best, before[column - 2] + 1)
            here.append(best)
        before, above = above, here
    return above[-1]
