"""Words for every text index, and for stores that do not compute BM25 themselves the weights that
Tantivy gives them.

Scores are equal to the local index's up to rounding, so that a team's store answers as the laptop
did.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import tantivy

from acclimate.indexes.stopwords import ENGLISH, Word, names_in, quoted, words_in
from acclimate.text.folding import alike
from acclimate.text.identifiers import asked_names, find_codes, parts_of
from acclimate.types import Chunk, Language

K1, B = 1.2, 0.75  # Robertson and Zaragoza 2009, section 3.2; Tantivy's values
BOOSTS = {
    "text": 1.0,
    "path": 0.5,
}  # what a match counts in a chunk's text, and in its title and headings
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
# Counts the ways in which words were made of text; under another one an index is built again.
ANALYSIS = 2
_MAX_WORDS = 200  # of a query; more cost time and find nothing new
_LONGEST = 80  # bytes of a word
# Marks inside a code ("3.2.1", "c++") and before a name that is spelt like a stop word: characters
# of a plane for private use, which text does not use, in place of marks that part words.
_PRIVATE = 0x10F000
_MARKS = {ord(mark): _PRIVATE + ord(mark) for mark in "+#.,/-&@_:^§()'"}
_NAME = chr(_PRIVATE)
_INSIDE = r"\p{L}\p{N}\p{M}\x{10F000}-\x{10F0FF}"


@dataclass(frozen=True, slots=True)
class Field:
    """The words of one field of a chunk: how often each occurs, and the length in words, rounded as
    `rounded` does."""

    counts: Counter[str]
    words: int

    @property
    def length(self) -> int:
        """The length that weighs words."""
        return rounded(self.words)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of an index: the number of rows, and of words in each field."""

    rows: int
    words: dict[str, int]

    def average(self, field: str) -> float:
        """Mean length of a field, in words."""
        return self.words[field] / self.rows if self.rows else 0.0

    def weight(self, field: str, holding: int) -> float:
        """What a word found in `holding` rows counts: boost, inverse document frequency, and k1 +
        1."""
        return (
            BOOSTS[field] * (K1 + 1) * math.log(1 + (self.rows - holding + 0.5) / (holding + 0.5))
        )


def fields(chunk: Chunk, language: Language) -> dict[str, Field]:
    """The words of a chunk by field."""
    analysed = {
        name: analyse(text, language)
        for name, text in (("text", chunk.shown), ("path", chunk.searched))
    }
    return {name: Field(Counter(words), len(words)) for name, words in analysed.items()}


def analyse(text: str, language: Language) -> list[str]:
    """The words of a text as they are indexed, in order, codes and names after their own words."""
    return analyzer(language).analyze(prepared(text, language))


def spoken_words(text: str, language: Language = "english") -> list[str]:
    """The distinct words of a text, in order, without other names of its codes."""
    return list(dict.fromkeys(analyzer(language).analyze(_folded(text, language))))


def prepared(text: str, language: Language = "english") -> str:
    """A text as `analyzer` reads it: folded, each code's names after it, and names that are spelt
    like stop words kept apart from them."""
    folded = _folded(text, language)
    return _with_codes(folded, names_in(folded, language, partial(_is_stop, language=language)))


def query_words(query: str, language: Language = "english") -> list[str]:
    """The distinct words of a plain-language query, in order; nothing in a query is syntax.

    Stop words are left out in their function, where anything is left without them: a question's own
    words are in no answer. A code goes by all its spellings, a German vowel by both of its own.
    """
    folded = _folded(query, language)
    names, left_out = _roles(folded, language)
    kept = folded
    for start, end in left_out:
        kept = f"{kept[:start]}{' ' * (end - start)}{kept[end:]}"
    terms = dict.fromkeys(analyzer(language).analyze(_with_codes(kept, names)))
    if not terms:
        terms = dict.fromkeys(analyzer(language).analyze(_with_codes(folded, names)))
    more = [_marked(name) for name in asked_names(kept)]
    for word in kept.split():
        more += [*parts_of(word), *_other_spellings(word, language)]
    terms |= dict.fromkeys(analyzer(language).analyze(" ".join(more)))
    return [*terms][:_MAX_WORDS]


def _folded(text: str, language: Language) -> str:
    if language == "turkish":  # whose dotless i has a capital of its own
        text = text.replace("I", "ı").replace("i\u0307", "i").replace("İ", "i")
    return alike(text)


def _with_codes(folded: str, names: Sequence[Word]) -> str:
    """A text with the names of its codes, and of `names`, after their words."""
    added = [(word.end, word.end, f" {_NAME}{word.text} ") for word in names]
    for code in find_codes(folded):
        said = " ".join(map(_marked, code.names))
        start = code.span.start if code.instead else code.span.end
        added.append((start, code.span.end, f" {said} "))
    if not added:
        return folded
    pieces, at = list[str](), 0
    for start, end, said in sorted(added):
        if start >= at:
            pieces += folded[at:start], said
            at = end
        else:  # inside another code that took the place of its words
            pieces.append(said)
    return "".join((*pieces, folded[at:]))


def _marked(name: str) -> str:
    return name.translate(_MARKS)


def _roles(folded: str, language: Language) -> tuple[list[Word], list[tuple[int, int]]]:
    """Of a query: the names that are spelt like stop words, and the places of the stop words that
    are none."""
    is_stop = partial(_is_stop, language=language)
    inside = [(code.span.start, code.span.end) for code in find_codes(folded)]
    words = words_in(folded, is_stop)
    for start, end in quoted(folded):
        said = [word for word in words if start <= word.start < end]
        inside += [(start, end)] if all(word.stop for word in said) else []
    names = names_in(folded, language, is_stop)
    kept = {word.start for word in names}
    left_out = [
        (word.start, word.end)
        for word in words
        if word.stop
        and word.start not in kept
        and not any(start <= word.start < end for start, end in inside)
    ]
    return names, left_out


def _other_spellings(word: str, language: Language) -> Iterator[str]:
    """ä as ae, ö as oe, ü as ue; and back where the language has them."""
    apart = word.translate(_UMLAUTS)
    if apart != word:
        yield apart
    if language in _HAVE_UMLAUTS:
        together = _APART.sub(lambda match: _TOGETHER[match[0].lower()], word)
        if together != word:
            yield together


_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa", "Å": "Aa"}
)
_TOGETHER = {"ae": "ä", "oe": "ö", "ue": "ü"}
_APART = re.compile(r"(?<![aeqAEQ])(?:ae|oe|ue)", re.IGNORECASE)
_HAVE_UMLAUTS = ("german",)


def frequency(count: int, length: int, average: float) -> float:
    """The part of BM25 that depends on the row: tf / (tf + k1 (1 - b + b length / average))."""
    return count / (count + K1 * (1 - B + B * length / average))


def rounded(words: int) -> int:
    """A length as Lucene and Tantivy keep it in one byte: exact to 40, then four significant bits,
    rounded down."""
    over = words - 24
    if over < 16:
        return words
    shift = over.bit_length() - 4
    return 24 + (over >> shift << shift)


@cache
def analyzer(
    language: Language, stop_words: tuple[tantivy.Filter, ...] = ()
) -> tantivy.TextAnalyzer:
    """What makes words of a `prepared` text: runs of letters and digits, in lower case, without
    endings and accents."""
    pattern = rf"[{_CJK}]|[{_INSIDE}&&[^{_CJK}]]+" if language == "cjk" else rf"[{_INSIDE}]+"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(pattern))
    steps = [tantivy.Filter.remove_long(_LONGEST), tantivy.Filter.lowercase(), *stop_words]
    if language not in ("none", "cjk"):
        steps.append(tantivy.Filter.stemmer(language))
    if language not in _OWN_LETTERS:
        steps.append(tantivy.Filter.ascii_fold())  # after the endings, which accents tell
    for step in steps:
        builder = builder.filter(step)
    return builder.build()


# Where letters with marks are letters of their own: å is not a.
_OWN_LETTERS = ("swedish", "danish", "norwegian", "finnish", "hungarian")


@lru_cache(1 << 14)
def _is_stop(word: str, language: Language) -> bool:
    """Whether a word in small letters is spelt like a stop word, where a list of them is at
    hand."""
    if language == "english":
        return word in ENGLISH
    listed = _listed(language)
    return listed is not None and bool(word) and not listed.analyze(word)


@cache
def _listed(language: Language) -> tantivy.TextAnalyzer | None:
    try:
        return analyzer(language, (tantivy.Filter.stopword(language),))
    except ValueError:  # Tantivy has no list for it
        return None
