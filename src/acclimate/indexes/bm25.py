"""Words for every text index, and for stores that do not compute BM25 themselves the weights that Tantivy gives them.

Scores are equal to the local index's up to rounding, so that a team's store answers as the laptop did.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache

import tantivy

from acclimate.types import Chunk, Language

K1, B = 1.2, 0.75  # Robertson and Zaragoza 2009, section 3.2; Tantivy's values
BOOSTS = {"text": 1.0, "path": 0.5}  # what a match counts in a chunk's text, and in its title and headings
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"
# Lucene's list, and what questions are made of. Without the second part BioASQ loses 2.5 points of nDCG@10.
_ENGLISH = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
    "to was will with what which who whom whose how why when where does do did has have had been being am were can "
    "could would should shall may might must i me my we our us you your he his him she her hers its them from so than "
    "too very about also any some just please"
).split()
_MAX_WORDS = 200  # of a query; more cost time and find nothing new


@dataclass(frozen=True, slots=True)
class Field:
    """The words of one field of a chunk: how often each occurs, and the length in words, rounded as `rounded` does."""

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
        """What a word found in `holding` rows counts: boost, inverse document frequency, and k1 + 1."""
        return BOOSTS[field] * (K1 + 1) * math.log(1 + (self.rows - holding + 0.5) / (holding + 0.5))


def fields(chunk: Chunk, language: Language) -> dict[str, Field]:
    """The words of a chunk by field."""
    texts = {"text": chunk.shown, "path": chunk.searched}
    analysed = {name: analyzer(language).analyze(text) for name, text in texts.items()}
    return {name: Field(Counter(words), len(words)) for name, words in analysed.items()}


def words_of(text: str, language: Language = "english") -> list[str]:
    """The distinct words of a text, in order."""
    return list(dict.fromkeys(analyzer(language).analyze(text)))


def query_words(query: str, language: Language = "english") -> list[str]:
    """The distinct words of a plain-language query, in order; nothing in a query is syntax.

    Stop words are left out where anything is left without them: a question's own words are in no answer.
    """
    return (list(dict.fromkeys(_asking(language).analyze(query))) or words_of(query, language))[:_MAX_WORDS]


def frequency(count: int, length: int, average: float) -> float:
    """The part of BM25 that depends on the row: tf / (tf + k1 (1 - b + b length / average))."""
    return count / (count + K1 * (1 - B + B * length / average))


def rounded(words: int) -> int:
    """A length as Lucene and Tantivy keep it in one byte: exact to 40, then four significant bits, rounded down."""
    over = words - 24
    if over < 16:
        return words
    shift = over.bit_length() - 4
    return 24 + (over >> shift << shift)


@cache
def analyzer(language: Language, stop_words: tuple[tantivy.Filter, ...] = ()) -> tantivy.TextAnalyzer:
    """What makes words of text: runs of letters and digits, in lower case, without their endings."""
    cjk = tantivy.Tokenizer.regex(rf"[{_CJK}]|[\p{{L}}\p{{N}}&&[^{_CJK}]]+")
    builder = tantivy.TextAnalyzerBuilder(cjk if language == "cjk" else tantivy.Tokenizer.simple())
    steps = [tantivy.Filter.remove_long(40), tantivy.Filter.lowercase(), *stop_words]
    if language not in ("none", "cjk"):
        steps.append(tantivy.Filter.stemmer(language))
    for step in steps:
        builder = builder.filter(step)
    return builder.build()


@cache
def _asking(language: Language) -> tantivy.TextAnalyzer:
    """The same for queries: without stop words, where a list of them is at hand."""
    if language == "english":
        return analyzer(language, (tantivy.Filter.custom_stopword(_ENGLISH),))
    try:
        return analyzer(language, (tantivy.Filter.stopword(language),))
    except ValueError:  # Tantivy has no list for it
        return analyzer(language)
