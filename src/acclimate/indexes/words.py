"""In which language each document is read into words, and each question.

A library in one language is searched as if that had been set. Where its documents are in several, a
question is made into words in each of these languages: a word and its forms in the others make one
group, which weighs as one word does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from acclimate.indexes.bm25 import ANALYSIS, analyse, groups_in, query_words, spoken_words
from acclimate.text.language import language_of_document, script_of, scripts_in
from acclimate.types import Chunk, Language

_ENGLISH: tuple[Language, ...] = ("english",)
_OTHERS = 1  # as ANALYSIS, of all languages but English
_LEAST_LETTERS = 20  # of a script, for a document to have passages in it
# Languages that are told apart, by how they are made into words; all others as in English.
_READ_AS: dict[str, Language] = {
    "chinese": "cjk", "japanese": "cjk", "korean": "cjk", "thai": "cjk",
    "arabic": "arabic", "hebrew": "hebrew", "russian": "russian", "greek": "greek",
    "tamil": "tamil", "german": "german", "french": "french", "spanish": "spanish",
    "italian": "italian", "portuguese": "portuguese", "dutch": "dutch", "danish": "danish",
    "norwegian": "norwegian", "swedish": "swedish", "finnish": "finnish", "turkish": "turkish",
    "romanian": "romanian", "hungarian": "hungarian", "polish": "none", "ukrainian": "none",
    "bulgarian": "none", "cyrillic": "none", "devanagari": "none",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """How texts become words: in `language`, or ("auto") each document in its own.

    `document` gives the language of a document by its path, and `present` those of all documents of
    the library; they are asked only where each document has its own.
    """

    language: Language = "english"
    document: Callable[[str], Language] = lambda _: "english"
    present: Callable[[], Sequence[Language]] = lambda: _ENGLISH

    def of(self, chunk: Chunk) -> Language:
        """The language that a chunk is read in: that of its document, or of another script that
        most of its letters are of."""
        if self.language != "auto":
            return self.language
        script = script_of(chunk.shown)
        own = self.document(chunk.document)
        if script in ("", "cyrillic"):
            return own
        return _READ_AS[script]

    def analyse(self, text: str, chunk: Chunk) -> list[str]:
        """The words of a part of a chunk as they are indexed."""
        return analyse(text, self.of(chunk))

    def asked(self, query: str) -> list[tuple[str, ...]]:
        """The words that a question is searched by, each with its forms in other languages of the
        library."""
        languages = self._spoken()
        if len(languages) == 1:
            return [(word,) for word in query_words(query, languages[0])]
        return groups_in(query, languages, language_read(query))

    def spoken(self, word: str) -> list[str]:
        """The stems of a word, in each language of the library."""
        return [stem for language in self._spoken() for stem in spoken_words(word, language)]

    def _spoken(self) -> Sequence[Language]:
        if self.language != "auto":
            return (self.language,)
        return tuple(self.present()) or _ENGLISH


ENGLISH = Words()


def language_read(text: str) -> Language | None:
    """The language that a question is in, as it is made into words; None where it does not say."""
    from acclimate.text.language import language_of

    found = language_of(text)
    return "english" if found == "english" else _READ_AS.get(found)


def languages_read(text: str) -> list[Language]:
    """The languages that a document's passages are read in, its own first."""
    own = _READ_AS.get(language_of_document(text), "english")
    others = {_READ_AS[script] for script in scripts_in(text, _LEAST_LETTERS) - {"cyrillic"}}
    return [own, *sorted(others - {own})]


def stamp_of(language: Language) -> str:
    """Names a way of making words; text indexes of another one are built again."""
    return f"{language} {ANALYSIS}" if language == "english" else f"{language} {ANALYSIS}.{_OTHERS}"


def together(
    groups: Sequence[Sequence[str]], holding: Mapping[str, int], rows: int
) -> dict[str, int]:
    """In how many rows each word is held, or another of its group; at most in all `rows`."""
    found: dict[str, int] = {}
    for group in groups:
        count = min(rows, sum(holding.get(word, 0) for word in group))
        found |= {word: max(count, found.get(word, 0)) for word in group}
    return found
