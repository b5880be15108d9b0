"""Which place of a passage supports a claim. A model's own marks are a hint and no more: half of
those of a 1.5B model name a passage that does not say it (docs/decisions, Full answers).

A claim's words are looked for in every passage shown, in the window of up to four sentences that
holds most of them. A word counts the more, the fewer sentences hold it. Figures count on their own:
one that stands in no passage and not in the question makes the claim foreign, and so does a name.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from acclimate.prompting.citations import sentences
from acclimate.prompting.claims import Claim
from acclimate.text.folding import matched
from acclimate.types import Hit, Span

ENOUGH = 0.5
"""The share of a claim's words, by weight, that a place must hold to support it."""
_MARKED = 0.1  # what the model's own mark adds to a passage's share
_LATER = 0.01  # what each rank of a passage takes away: of equals the first
_WINDOW = 4  # sentences
_LONGER = 0.03  # what each further sentence of a window must add
_STEM = 5  # letters: "weigh" meets "weighs"
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+")
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<![\w#@/])(?:[#@/][\w-]{2,}|[^\W\d_][\w&'’-]*)")
_COUNTED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
_FUNCTION = frozenset(
    "a an and are as at be been but by can do does for from has have if in into is it its may more "
    "must no not of on or our shall should so such than that the their them then there these they "
    "this those to was we were what when where which who will with would you your also please "
    "passage document documents answer question yes".split()
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the text of passage `number` (from 1), and the `share` of the claim's words that
    it holds."""

    number: int
    span: Span
    share: float


class Support:
    """Looks for the places of claims in `passages`, which were shown for `question`."""

    def __init__(self, question: str, passages: Sequence[Hit]) -> None:
        self._question, self._passages = question, passages
        self._asked = set(stems(question))

    @cached_property
    def _windows(self) -> list[tuple[int, list[tuple[Span, frozenset[str]]]]]:
        """Of each passage its sentences, each with the stems of its words; what stands above the
        passage counts for all."""
        found = []
        for number, hit in enumerate(self._passages, start=1):
            text = hit.chunk.text
            above = stems(f"{hit.chunk.heading_path} {hit.chunk.header}")
            held = [
                (span, frozenset(stems(text[span.start : span.end])) | frozenset(above))
                for span in sentences(text)
            ]
            found.append((number, held))
        return found

    @cached_property
    def _weights(self) -> Counter[str]:
        """How many sentences hold each stem."""
        every = (held for _, window in self._windows for _, held in window)
        return Counter(stem for held in every for stem in held)

    @cached_property
    def _total(self) -> int:
        return sum(len(window) for _, window in self._windows)

    @cached_property
    def _shown(self) -> str:
        """All that the model saw, folded."""
        parts = (f"{hit.chunk.heading_path}\n{hit.chunk.shown}" for hit in self._passages)
        return matched("\n".join([*parts, self._question]))

    @cached_property
    def _figures(self) -> frozenset[str]:
        return frozenset(figures(self._shown))

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(stems(self._shown))

    def foreign(self, claim: Claim) -> list[str]:
        """The figures and names of a claim that neither a passage nor the question holds."""
        missing = [one for one in figures(claim.text) if one not in self._figures]
        for name in _names(claim.text):
            folded = matched(name)
            held = folded in self._shown
            if name[0].isalnum() and not held:
                held = all(stem in self._words for stem in stems(name))
            missing += [] if held else [name]
        return missing

    def place(self, claim: Claim) -> Place | None:
        """The place that holds most of a claim's words; None where none holds any."""
        wanted = set(stems(claim.text))
        if not wanted:
            return None
        weight = {stem: self._weight(stem) for stem in wanted}
        total = sum(weight.values())
        best: tuple[float, Place] | None = None
        for number, held in self._windows:
            bonus = _MARKED * (number in claim.numbers) - _LATER * (number - 1)
            for span, stood in _runs(held):
                share = sum(weight[stem] for stem in wanted & stood[0]) / total
                worth = share + bonus - _LONGER * (stood[1] - 1)
                if share and (best is None or worth > best[0] + 1e-9):
                    best = worth, Place(number, span, share)
        return best[1] if best else None

    def _weight(self, stem: str) -> float:
        rare = math.log(1 + self._total / (1 + self._weights[stem]))
        # A claim repeats the question; what it adds to it is what needs the support.
        return rare * (0.3 if stem in self._asked else 1.0)


def _runs(
    held: Sequence[tuple[Span, frozenset[str]]],
) -> Iterator[tuple[Span, tuple[frozenset[str], int]]]:
    """Windows of one to four sentences in a row, with their stems and how many they are."""
    for first in range(len(held)):
        stood: frozenset[str] = frozenset()
        for count, (span, words) in enumerate(held[first : first + _WINDOW], start=1):
            stood |= words
            yield Span(held[first][0].start, span.end), (stood, count)


def stems(text: str) -> list[str]:
    """The beginnings of a text's words, without those that stand everywhere; numbers whole."""
    words = _WORD.findall(matched(text))
    return [
        _number(word) if word[0].isdigit() else _counted(word)
        for word in words
        if word not in _FUNCTION
    ]


def figures(text: str) -> Iterator[str]:
    """The numbers in a text, each written in one way; counting words up to twenty too."""
    folded = matched(text)
    for match in _FIGURE.finditer(folded):
        yield from map(_number, match[0].split(":"))
    for word in folded.split():
        if (bare := word.strip(".,;:()")) in _COUNTED:
            yield str(_COUNTED.index(bare))


def _number(written: str) -> str:
    """ "1,000" as "1000"."""
    return re.sub(r",(?=\d{3}(?!\d))", "", written)


def _counted(word: str) -> str:
    return str(_COUNTED.index(word)) if word in _COUNTED else word[:_STEM]


def _names(text: str) -> Iterator[str]:
    """Words that name something: capitals within a sentence, channels, commands."""
    for match in _NAME.finditer(text):
        word = match[0]
        first = not text[: match.start()].strip(" *_\"'“‘(")
        inner = any(letter.isupper() for letter in word[1:])
        if word[0] in "#@/" or inner or (word[0].isupper() and not first):
            yield word.removesuffix("'s").removesuffix("’s")
