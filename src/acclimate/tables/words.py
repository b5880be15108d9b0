"""Words of questions and tables, as they are compared: folded, without endings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

import tantivy

from acclimate.text.folding import matched

_WORD = re.compile(r"[^\W_]+")
# Words that say nothing about which cell is meant. "Other", "total" and "net" are none of them.
STOP = frozenset(
    (
        "a an and are as at be been being but by can could did do does each for from had has have "
        "how i if in into is it its may me might much must my of on one or our ours per please "
        "shall she should so some tell than that the their them then there these they this those "
        "to under up us was we were what when where which who whom whose why will with would you "
        "your he her him his give show list many any within respectively s t according both "
        "during between among across over also just still currently now"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text without its ending, and where it stands; `name` says that it is written
    with a capital or a digit."""

    stem: str
    start: int
    end: int
    name: bool = False


@cache
def _stemmer() -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
    return builder.filter(tantivy.Filter.stemmer("english")).build()


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """A word in small letters without its English ending."""
    if not word.isalpha() or len(word) < 3:
        return word
    found = _stemmer().analyze(word)
    return str(found[0]) if found else word


# Words that questions about reports put around the name of a value.
FILLER = frozenset(
    stem(word)
    for word in (
        "amount value figure number company respective fiscal financial year period end ended "
        "report record table data information provided calculated following find entry cell row "
        "column line fy month date"
    ).split()
)


_SHORT = 200  # characters; longer texts are not kept


def stems(text: str) -> tuple[str, ...]:
    """The words of a text without endings, those that say nothing left out."""
    return _kept_stems(text) if len(text) <= _SHORT else _stems(text)


@lru_cache(1 << 15)
def _kept_stems(text: str) -> tuple[str, ...]:
    return _stems(text)


def _stems(text: str) -> tuple[str, ...]:
    return tuple(
        stem(word) for word in _WORD.findall(matched(text.replace("'s", ""))) if word not in STOP
    )


def read_words(question: str) -> list[Word]:
    """The words of a question that say something, with their places in `question`."""
    words = []
    for match in _WORD.finditer(question):
        folded = matched(match[0])
        if folded in STOP:
            continue
        name = match[0][0].isupper() or any(letter.isdigit() for letter in match[0])
        words.append(Word(stem(folded), match.start(), match.end(), name))
    return words


def _concept(questions: str, headers: str) -> tuple[frozenset[str], frozenset[str]]:
    return (
        frozenset(stem(word) for word in questions.split()),
        frozenset(stem(word) for word in headers.split()),
    )


# What questions call a column that is headed otherwise, in English and German headers.
_CONCEPTS = (
    _concept(
        "cost price pricey charge priced costs",
        "price cost fee charge rate preis kosten gebühr einzelpreis listenpreis",
    ),
    _concept(
        "pay paid spend spent owe transfer earn receive amount",
        "amount sum price cost fee salary wage pay betrag summe gehalt lohn preis gesamt",
    ),
    _concept("weigh heavy weight", "weight mass gewicht masse"),
    _concept("tall high height", "height höhe"),
    _concept("wide width broad", "width breite"),
    _concept("deep depth", "depth tiefe"),
    _concept("long length short", "length duration länge dauer"),
    _concept("old young age", "age alter"),
    _concept("fast slow speed quick", "speed velocity time geschwindigkeit"),
    _concept(
        "stock available left store have remain",
        "stock quantity qty inventory available bestand menge lagerbestand anzahl",
    ),
    _concept(
        "phone call telephone ring dial number",
        "phone telephone extension mobile tel telefon durchwahl rufnummer",
    ),
    _concept("mail email write", "email mail"),
    _concept("open hour", "open hour opening öffnungszeiten geöffnet"),
    _concept("close", "close closing closed geschlossen schließt"),
    _concept(
        "who person whom",
        "name person student customer member author player patient employee responsible owner "
        "manager contact lead head by staff mitarbeiter "
        "ansprechpartner verantwortlich",
    ),
    _concept(
        "where place locat live sit based",
        "location place room city site office address town country ort stadt standort raum",
    ),
    _concept("when date day", "date day deadline due time datum tag termin frist"),
    _concept("people live inhabitant resident", "population inhabitant resident einwohner"),
    _concept("leave depart", "departure abfahrt"),
    _concept("arrive", "arrival ankunft"),
    _concept("big large small size", "size area capacity größe fläche"),
)


@cache
def _headers_of(word: str) -> frozenset[str]:
    found = [headers for questions, headers in _CONCEPTS if word in questions]
    return frozenset().union(*found)


def names_column(word: str, header: tuple[str, ...]) -> bool:
    """Whether a word of a question may mean the column with these words as its header."""
    return word in header or not _headers_of(word).isdisjoint(header)
