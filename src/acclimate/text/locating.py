"""Where the words of one text stand in another, whatever their Unicode form, case and spacing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from acclimate.text.folding import Traced, matched
from acclimate.types import Span

_GROUP = re.compile(r"\d+|[^\W\d_]+")
_ALIKE = ("-‐‑‒–—−", "'‘’‚‛′", '"“”„‟″')
_LONG = 20_000  # characters; what is kept of longer texts would fill the memory


def find_words(words: str, text: str) -> Span | None:
    """Where the words stand in the text in order, whatever the punctuation between them; None where
    they do not.

    A letter beside a digit may stand apart or not: "AX200B" is found as "AX-200-B", and "5kg" as "5
    kg".
    """
    groups = _GROUP.findall(matched(words))
    if not groups:
        return None
    pattern = re.escape(groups[0])
    for before, after in pairwise(groups):
        border = before[-1].isdigit() != after[0].isdigit()
        pattern += (r"[\W_]{0,4}" if border else r"[\W_]{1,4}") + re.escape(after)
    folded = _traced(text)
    match = re.search(rf"(?<![^\W_]){pattern}(?![^\W_])", folded.text)
    return folded.span(*match.span()) if match else None


def find_all(phrase: str, text: str) -> Iterator[Span]:
    """All places of a phrase in the text, punctuation included, from left to right."""
    if wanted := matched(phrase):
        folded = _traced(text)
        for match in re.finditer(re.escape(wanted), folded.text):
            yield folded.span(*match.span())


def find_typed(words: str, text: str) -> Iterator[Span]:
    """All places of what somebody typed into a search field, from left to right: capitals do not
    count, any white space stands for any other, and so does any hyphen and any quotation mark."""
    parts = unicodedata.normalize("NFC", words).split()
    if not parts:
        return
    pattern = r"\s+".join("".join(map(_typed, part)) for part in parts)
    for match in re.finditer(pattern, text, re.IGNORECASE):
        yield Span(*match.span())


def _typed(letter: str) -> str:
    kind = next((kind for kind in _ALIKE if letter in kind), "")
    return f"[{re.escape(kind)}]" if kind else re.escape(letter)


def _traced(text: str) -> Traced:
    return _kept(text) if len(text) <= _LONG else matched.trace(text)


@lru_cache(256)
def _kept(text: str) -> Traced:
    return matched.trace(text)
