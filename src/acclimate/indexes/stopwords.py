"""Stop words, distinguished from names that are spelt like them.

"May", "IT", "WHO" and "a can of paint" are no stop words where they stand for a thing. The spelling
tells it (capitals inside a sentence, capitals throughout), and in English what stands beside a
word. What is in doubt stays a stop word, and where nothing else is left of a question nothing is
left out (`acclimate.indexes.bm25.query_words`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from acclimate.types import Language

# Lucene's list, and what questions are made of. Without the second part BioASQ loses 2.5 points of
# nDCG@10.
ENGLISH = frozenset(
    (
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they "
        "this to was will with what which who whom whose how why when where does do did has have "
        "had been being am "
        "were can could would should shall may might must i me my we our us you your he his him "
        "she her hers its them "
        "from so than too very about also any some just please"
    ).split()
)
# What headings in capitals leave small: it does not tell that other capitals are names.
_SMALL = frozenset(
    "a an and as at but by for from in into nor of on or over per the to vs with".split()
)
# In capitals, but none of them a name.
_EMPHASIS = frozenset("and any no not or all do must never only".split())
# Polite forms, and the English I, have a capital inside a sentence.
_CAPITAL: dict[Language, frozenset[str]] = {
    "english": frozenset(("i",)),
    "german": frozenset("sie ihr ihre ihrer ihrem ihren ihnen ihres du dein deine deiner".split()),
    "danish": frozenset("i de dem deres jer jeres".split()),
    "norwegian": frozenset("i de dem deres".split()),
    "dutch": frozenset("u uw".split()),
    "italian": frozenset("lei la le suo sua suoi sue".split()),
}
# A can, the will, in May, the IT, the WHO.
_NOUNS = frozenset("can will may might must being do it us who".split())
_BEFORE_NOUN = frozenset("a an the my your his her its our their each every another".split())
_BEFORE_MONTH = frozenset(
    "in by since until till during of last next this every each before after early mid late".split()
)
_AFTER_IT = frozenset(
    "department departments support team teams staff security policy policies desk helpdesk "
    "manager management system "
    "systems service services infrastructure equipment budget hardware software project projects "
    "administrator".split()
)
_KINDS = frozenset(
    "vitamin class type group grade plan hepatitis category appendix annex schedule section part "
    "phase level stage "
    "zone block hall room building line gate option model series unit team exhibit article "
    "chapter volume".split()
)
_BEFORE: dict[str, frozenset[str]] = {
    **dict.fromkeys(_NOUNS, _BEFORE_NOUN),
    **dict.fromkeys(("am", "pm"), frozenset()),
    **dict.fromkeys(("a", "i"), _KINDS),
    "may": _BEFORE_NOUN | _BEFORE_MONTH,
}
_NOUN = re.compile(rf"\s({'|'.join(_BEFORE)})(?![^\W_])")
_WORD = re.compile(r"[^\W_]+")
_ENDS = ".!?:;|•*\n>#"  # after them a capital is no name's
_ENDS_SET = frozenset(_ENDS)
_JOINTS = ("-", "/", "_")
# The capital is matched before what must not stand before it, so that a search skips everything
# else.
_CAPITAL_WORD = re.compile(r"[A-Z\u00c0-\u00de\u0391-\u03a9\u0401-\u042f](?<![^\W_].)[^\W_]*")
_QUOTED = re.compile(r'"([^"\n]{1,60})"')


class Word(NamedTuple):  # made for many words, and a dataclass takes four times as long
    """A word of a folded text at `start`.

    `first` begins its sentence; `stop` says that it is spelt like a stop word; `joined` follows a
    hyphen or the like.
    """

    text: str
    start: int
    end: int
    first: bool
    stop: bool
    joined: bool = False

    @property
    def lower(self) -> str:
        """The word in small letters."""
        return self.text.lower()


def words_in(
    text: str, is_stop: Callable[[str], bool], start: int = 0, end: int | None = None
) -> list[Word]:
    """The words of a folded text, or of a part of it; the first one begins a sentence."""
    found: list[Word] = []
    last = start
    for match in _WORD.finditer(text, start, len(text) if end is None else end):
        word, at = match[0], match.start()
        between = text[last:at]
        first = not found or (between != " " and not _ENDS_SET.isdisjoint(between))
        found.append(
            Word(word, at, match.end(), first, is_stop(word.lower()), between[-1:] in _JOINTS)
        )
        last = match.end()
    return found


def names_in(text: str, language: Language, is_stop: Callable[[str], bool]) -> list[Word]:
    """The words of a folded text that are spelt like stop words and are names, in order."""
    found: dict[int, Word] = {}
    done = 0
    for at in sorted(_candidates(text, language, is_stop)):
        if at < done:
            continue
        start = max(text.rfind(mark, 0, at) for mark in _ENDS) + 1
        done = min((end for mark in _ENDS if (end := text.find(mark, at)) >= 0), default=len(text))
        found |= {
            word.start: word for word in names_among(words_in(text, is_stop, start, done), language)
        }
    return [found[at] for at in sorted(found)]


def _candidates(text: str, language: Language, is_stop: Callable[[str], bool]) -> Iterator[int]:
    """Where a name may be: most text has none, and sentences are looked at closely only there."""
    for match in _CAPITAL_WORD.finditer(text):
        inside = text[max(0, match.start() - 3) : match.start()].strip()[-1:] not in ("", *_ENDS)
        if (inside or match[0].isupper()) and is_stop(match[0].lower()):
            yield match.start()
    if language == "english":
        lower = f" {text.lower()}"
        yield from (match.start() for match in _NOUN.finditer(lower) if _beside(lower, match))


def _beside(lower: str, match: re.Match[str]) -> bool:
    """Whether an English word is a noun by a word beside it, at first sight; `_noun` decides."""
    word, before = match[1], lower[max(0, match.start() - 10) : match.start()].rpartition(" ")[2]
    if before and (before in _BEFORE[word] or before.isdecimal()):
        return True
    if word == "may":
        return lower[match.end() + 1 : match.end() + 2].isdecimal()
    after = lower[match.end() : match.end() + 16].lstrip().partition(" ")[0]
    return word == "it" and after.rstrip(".,;:?!") in _AFTER_IT


def names_among(sentence: Sequence[Word], language: Language) -> Iterator[Word]:
    """The words of a sentence that are spelt like stop words and are names."""
    telling: bool | None = None
    for place, word in enumerate(sentence):
        if not word.stop:
            continue
        if telling is None:
            telling = _capitals_tell(sentence)
        if (telling and _capital_name(sentence, place, language)) or (
            language == "english" and _noun(sentence, place)
        ):
            yield word


def quoted(text: str) -> list[tuple[int, int]]:
    """The places of short quotations in a folded text."""
    return [match.span(1) for match in _QUOTED.finditer(text)]


def _capitals_tell(sentence: Sequence[Word]) -> bool:
    """Whether a word in small letters shows that this is no heading in capitals."""
    return any(
        word.text.islower() and word.lower not in _SMALL and not (word.stop and len(word.text) < 2)
        for word in sentence
    )


def _capital_name(sentence: Sequence[Word], place: int, language: Language) -> bool:
    word = sentence[place]
    if word.lower in _CAPITAL.get(language, ()):
        return False
    if len(word.text) > 1 and word.text.isupper():
        return word.lower not in _EMPHASIS
    if len(word.text) == 1 and word.joined:
        return False  # the end of a code
    return word.text[:1].isupper() and not word.first


def _noun(sentence: Sequence[Word], place: int) -> bool:
    """Whether an English word is a noun by what stands beside it."""
    word = sentence[place].lower
    if sentence[place].joined:
        return False
    before = sentence[place - 1].lower if place else ""
    after = sentence[place + 1].lower if place + 1 < len(sentence) else ""
    if word in ("a", "i"):  # vitamin a, class i
        ends = not after or (place + 1 < len(sentence) and sentence[place + 1].stop)
        return before in _KINDS and ends
    if word == "may" and (before in _BEFORE_MONTH or before.isdecimal() or after.isdecimal()):
        return True
    if word in ("am", "pm"):
        return before.isdecimal()
    if word == "it" and after in _AFTER_IT:
        return True
    return word in _NOUNS and before in _BEFORE_NOUN
