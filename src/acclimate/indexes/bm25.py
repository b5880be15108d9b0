"""Words for every text index, and for stores that do not compute BM25 themselves the weights that
Tantivy gives them.

Scores are equal to the local index's up to rounding, so that a team's store answers as the laptop
did.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import tantivy

from acclimate.indexes.segments import segmented, spelt_alike
from acclimate.indexes.stopwords import ENGLISH, Word, names_in, quoted, words_in
from acclimate.text.folding import alike
from acclimate.text.identifiers import asked_names, find_codes, parts_of
from acclimate.types import Chunk, Language

K1, B = 1.2, 0.75  # Robertson and Zaragoza 2009, section 3.2; Tantivy's values
BOOSTS = {
    "text": 1.0,
    "path": 0.5,
}  # what a match counts in a chunk's text, and in its title and headings
# Counts the ways in which words were made of text; under another one an index is built again.
ANALYSIS = 2
_MAX_WORDS = 200  # of a query; more cost time and find nothing new
_LONGEST = 80  # bytes of a word
# Marks inside a code ("3.2.1", "c++") and before a name that is spelt like a stop word: characters
# of a plane for private use, which text does not use, in place of marks that part words.
_PRIVATE = 0x10F000
_MARKS = {ord(mark): _PRIVATE + ord(mark) for mark in "+#.,/-&@_:^§()'"}
_NAME = chr(_PRIVATE)
_SAID = re.compile(r"[^\W_]")
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
    """The words of a chunk by field, read in `language`."""
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
    said = segmented(_folded(text, language), language, asked=True)
    return list(dict.fromkeys(analyzer(language).analyze(said)))


def prepared(text: str, language: Language = "english") -> str:
    """A text as `analyzer` reads it: folded, each code's names after it, and names that are spelt
    like stop words kept apart from them."""
    folded = _folded(text, language)
    named = _with_codes(folded, names_in(folded, language, partial(_is_stop, language=language)))
    return segmented(named, language)


def query_words(query: str, language: Language = "english") -> list[str]:
    """The distinct words of a plain-language query, in order; nothing in a query is syntax.

    Stop words are left out in their function, where anything is left without them: a question's own
    words are in no answer. A code goes by all its spellings, a German vowel by both of its own.
    """
    folded = _folded(query, language)
    names, left_out = _roles(folded, language, partial(_is_stop, language=language))
    kept = _blanked(folded, left_out)
    terms = dict.fromkeys(_words_of(_with_codes(kept, names), language))
    if not terms:
        terms = dict.fromkeys(_words_of(_with_codes(folded, names), language))
    terms |= dict.fromkeys(_more_words(kept, language))
    return [*terms][:_MAX_WORDS]


def groups_in(
    query: str, languages: Sequence[Language], asked_in: Language | None
) -> list[tuple[str, ...]]:
    """The words of a question in each of several languages: a word and its forms are one group.

    Stop words are those of the language that the question is in, of all of them where it does not
    say (None).
    """
    stops = languages if asked_in is None else (asked_in,)

    def is_stop(word: str) -> bool:
        return any(_is_stop(word, language) for language in stops)

    told: Language = asked_in or languages[0]
    forms: dict[tuple[object, ...], dict[str, None]] = {}
    more: dict[str, None] = {}
    for language in languages:
        folded = _folded(query, language)
        names, left_out = _roles(folded, told, is_stop)
        kept = _blanked(folded, left_out)
        if not _SAID.search(kept):
            kept = folded
        said = segmented(_with_codes(kept, names), "cjk", asked=True)
        for at, word in enumerate(_surface().analyze(said)):
            first, *others = _words_of(word, language) or [word]
            forms.setdefault((at,), {})[first] = None
            forms |= {(at, language, other): {other: None} for other in others}
        more |= dict.fromkeys(_more_words(kept, language))
    groups = dict.fromkeys(tuple(sorted(group)) for group in forms.values())
    held = {form for group in groups for form in group}
    return [*groups, *((word,) for word in more if word not in held)][:_MAX_WORDS]


def _words_of(text: str, language: Language) -> list[str]:
    return analyzer(language).analyze(segmented(text, language, asked=True))


def _more_words(kept: str, language: Language) -> list[str]:
    """Other spellings of a question's words, and of the codes that they may be."""
    more = [_marked(name) for name in asked_names(kept)]
    for word in kept.split():
        more += [*parts_of(word), *_other_spellings(word, language)]
    return analyzer(language).analyze(" ".join(more))


def _blanked(text: str, places: Sequence[tuple[int, int]]) -> str:
    for start, end in places:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _folded(text: str, language: Language) -> str:
    if language == "turkish":  # whose dotless i has a capital of its own
        text = text.replace("I", "ı").replace("i\u0307", "i").replace("İ", "i")
    return spelt_alike(alike(text), language)


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


def _roles(
    folded: str, language: Language, is_stop: Callable[[str], bool]
) -> tuple[list[Word], list[tuple[int, int]]]:
    """Of a query: the names that are spelt like stop words, and the places of the stop words that
    are none."""
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
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(rf"[{_INSIDE}]+"))
    steps = [tantivy.Filter.remove_long(_LONGEST), tantivy.Filter.lowercase(), *stop_words]
    if language not in ("none", "cjk", "hebrew"):
        steps.append(tantivy.Filter.stemmer(language))
    if language not in _OWN_LETTERS:
        steps.append(tantivy.Filter.ascii_fold())  # after the endings, which accents tell
    for step in steps:
        builder = builder.filter(step)
    return builder.build()


@cache
def _surface() -> tantivy.TextAnalyzer:
    """What makes words of a prepared text as they are spelt, in small letters."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(rf"[{_INSIDE}]+"))
    builder = builder.filter(tantivy.Filter.remove_long(_LONGEST))
    return builder.filter(tantivy.Filter.lowercase()).build()


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
