"""Whether a later message says again what an older one says, with another value: "The price is
1,350 now."

By rule, for messages of one thread only: a sentence with most of the same words, or a short answer
with a word of change ("now", "instead", "moved to"), and a number, day or month in it that differs
from the older one's. What the question names must be named in the later one too, by itself or its
subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from acclimate.types import QUOTED, Chunk

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\w)[^.!?\n]*)*")
_HEADER = re.compile(r"(?:From|To|Cc|Date): |Signature of |Forwarded from |> ")
_WORD = re.compile(r"[^\W\d_]+")
_VALUE = re.compile(r"\d+(?:[.,:/'-]\d+)*")
_DAYS = re.compile(
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:today|tomorrow|noon|midnight)\b|"
    r"\b(?:mon|diens|donners|frei|sams|sonn)tags?\b|\bmittwochs?\b|\bheute\b|\bmorgen\b|"
    r"\b(?:lun|mar|mercre|jeu|vendre|same)di\b|\bdimanche\b|\bdemain\b|"
    r"\b(?:jan|febr)uary\b|\bapril\b|(?-i:\bMarch\b|\bMay\b)|\bjune\b|\bjuly\b|\baugust\b|\b(?:sept|nov|dec)ember\b|\boctober\b|"
    r"\bjanuar\b|\bfebruar\b|\bmärz\b|\bmai\b|\bjuni\b|\bjuli\b|\boktober\b|\bdezember\b|"
    r"\bjanvier\b|\bfévrier\b|\bmars\b|\bavril\b|\bjuin\b|\bjuillet\b|\baoût\b|\b(?:sept|nov|déc)embre\b|\boctobre\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:now|instead|actually|correct(?:ion|ed)?|changed?|moved|postponed|updated?|rather|sorry|wrong|outdated|"
    r"no longer|not any ?more|from now "
    r"on|new|revised|jetzt|nun|statt(?:dessen)?|doch|korrektur|korrigiert|geändert|"
    r"verschoben|verlegt|erst|neue[rsn]?|nicht mehr|sondern|falsch|ab "
    r"sofort|leider|maintenant|désormais|plutôt|"
    r"finalement|changé|reporté|déplacé|nouveau|nouvelle|erreur|corrigé)\b",
    re.IGNORECASE,
)
_COMMON = frozenset(
    "a an the is are was were be been to of in on at for from by with and or that this it its as "
    "will would not no "
    "please note you your we our i my me he she they has have had do does did what when where "
    "which who how "
    "der die das den dem des ein eine einen einem ist sind war wird werden zu von im in am an auf "
    "für mit und oder "
    "dass es sie ihr wir ich nicht was wann wo welche wer wie le la les un une des du de est sont "
    "et ou à au aux en "
    "que qui il elle nous vous je ne pas ce cette quel quelle quand".split()
)
_STEM = 5  # letters that forms of one word share: "delivery" and "delivered"
_SAME = 0.6  # of the older sentence's words that a later one repeats
_VAGUE = 1  # words of an answer that names nothing of its own: "It comes on Friday now."
_SHORT = 25  # words of an answer that says only what has changed


def outdated(query: str, older: Chunk, later: Chunk) -> bool:
    """Whether `later` gives another value for what `older` says about the query."""
    asked = _stems(query)
    said = max(_sentences(older.text), key=lambda one: len(_stems(one) & asked), default="")
    words, values = _stems(said), _values(said)
    named, numbered = asked & words, values[0] & _values(query)[0]
    sentences = list(_sentences(later.text))
    subject = _stems(later.heading_path)
    short = len(_WORD.findall(" ".join(sentences))) <= _SHORT
    for sentence in sentences:
        other, own = _values(sentence), _stems(_CHANGE.sub(" ", sentence))
        if not _differs(values, other) or not numbered <= other[0] | _values(later.heading_path)[0]:
            continue
        if named <= own | subject and len(words & own) >= _SAME * max(1, len(words)):
            return True
        vague = len(own) <= _VAGUE and older.document == later.document
        if short and _CHANGE.search(sentence) and (vague or (named and named <= own | subject)):
            return True
    return False


def _sentences(text: str) -> Iterator[str]:
    """The sentences that were written for this message."""
    for line in text.split("\n"):
        if not _HEADER.match(line) and not line.startswith(QUOTED):
            yield from (match[0] for match in _SENTENCE.finditer(line))


def _stems(text: str) -> set[str]:
    words = (word.casefold() for word in _WORD.findall(_DAYS.sub(" ", text)))
    return {word[:_STEM] for word in words if word not in _COMMON}


def _values(text: str) -> tuple[set[str], set[str]]:
    """The numbers in a text, and its days and months."""
    return set(_VALUE.findall(text)), {match[0].casefold() for match in _DAYS.finditer(text)}


def _differs(older: tuple[set[str], set[str]], later: tuple[set[str], set[str]]) -> bool:
    """Whether a later text has a number for a number, or a day for a day, that the older one has
    not."""
    return any(bool(before and after - before) for before, after in zip(older, later, strict=True))
