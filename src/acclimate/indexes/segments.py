"""Words of scripts and languages that white space and endings alone do not tell.

What is written without spaces is cut into pairs of characters (and, in documents, single ones), as
Lucene's CJKBigramFilter does; German compounds have their parts beside them; Hebrew words the same
without a prefix of one letter; words with accents are found by those who type none. English has
none of this, and its text is returned as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

import tantivy

from acclimate.indexes.compounds import parts
from acclimate.types import Language

# Han, kana, Hangul syllables, Thai, Lao, Khmer and Burmese, whose words no space parts.
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f"
)
_RUN = re.compile(f"[{_UNSPACED}]+")
_LONG_WORD = re.compile(r"[^\W\d_]{9,}")
_HEBREW_WORD = re.compile(
    r"(?<![\u05d0-\u05ea])[\u05d1\u05d4\u05d5\u05db\u05dc\u05de\u05e9][\u05d0-\u05ea]{3,}"
)
_ACCENTED = re.compile(r"[^\W\d_]*[à-öø-ÿőűășțăąęćńźżłĂÂÎȘȚ][^\W\d_]*", re.IGNORECASE)
_WITH_ACCENTS: tuple[Language, ...] = (
    "french", "spanish", "italian", "portuguese", "romanian", "dutch",
)  # fmt: skip
# Spellings that writers of Arabic and Russian take for the same.
_ARABIC = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ک": "ك", "ی": "ي"}
)
_RUSSIAN = str.maketrans({"ё": "е", "Ё": "Е"})


def spelt_alike(folded: str, language: Language) -> str:
    """A folded text with one spelling for letters that writers of its language take for the same."""
    if language == "arabic":
        return folded.translate(_ARABIC)
    return folded.translate(_RUSSIAN) if language == "russian" else folded


def segmented(text: str, language: Language, *, asked: bool = False) -> str:
    """A text with its runs of unspaced characters in pairs, and more forms of its words after them.

    A question (`asked`) has no single characters beside its pairs.
    """
    if language in ("english", "none"):
        return text
    text = _RUN.sub(_pairs if asked else _pairs_and_characters, text)
    step = _STEPS.get(language)
    return text if step is None else step(text)


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    return f" {' '.join(run[at : at + 2] for at in range(max(1, len(run) - 1)))} "


def _pairs_and_characters(match: re.Match[str]) -> str:
    run = match[0]
    return _pairs(match) if len(run) == 1 else f"{_pairs(match)}{' '.join(run)} "


def _german(text: str) -> str:
    def with_parts(match: re.Match[str]) -> str:
        found = parts(match[0].lower())
        return f"{match[0]} {' '.join(found)}" if found else match[0]

    return _LONG_WORD.sub(with_parts, text)


def _hebrew(text: str) -> str:
    return _HEBREW_WORD.sub(lambda match: f"{match[0]} {match[0][1:]}", text)


def _without_accents(language: Language) -> Callable[[str], str]:
    def both(match: re.Match[str]) -> str:
        other = _bare_form(match[0].lower(), language)
        return f"{match[0]} {other}" if other else match[0]

    return lambda text: _ACCENTED.sub(both, text)


@lru_cache(1 << 15)
def _bare_form(word: str, language: Language) -> str:
    """A word without its accents, where it has another stem then; else ""."""
    bare = "".join(
        one for one in unicodedata.normalize("NFD", word) if not unicodedata.combining(one)
    )
    stems = (_stemmer(language).analyze(one) for one in (word, bare))
    return bare if len(set(map(tuple, stems))) > 1 else ""


@cache
def _stemmer(language: Language) -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    steps = (tantivy.Filter.stemmer(language), tantivy.Filter.ascii_fold())
    for step in steps:
        builder = builder.filter(step)
    return builder.build()


_STEPS: dict[Language, Callable[[str], str]] = {
    "german": _german,
    "hebrew": _hebrew,
    **{language: _without_accents(language) for language in _WITH_ACCENTS},
}
