"""Names and phrases of a chunk, and what stands between two names: a knowledge graph's material,
found by rules.

Rules know no meaning. Names are runs of capitalised words and codes ("Fjell 9", "ISO 9001");
phrases are runs of words between stop words and punctuation (Rose et al. 2010, "Automatic Keyword
Extraction from Individual Documents"). Written for English; languages that capitalise as English
does get names, and phrases as far as the stop words fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from acclimate.indexes.bm25 import spoken_words
from acclimate.text.identifiers import code_name
from acclimate.types import Chunk


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity at a place of the document. `certain` is False for what is an entity only where
    others say so too: a single word that begins a sentence, and phrases."""

    name: str
    shown: str
    start: int
    end: int
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """What the text says between two entities: `predicate` as it stands there, the span from the
    first to the last."""

    head: str
    predicate: str
    tail: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one chunk tells."""

    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...] = ()


Extract = Callable[[Chunk], Extraction]

_MAX_PREDICATE = 80  # characters between two names that still say something about both
_MAX_PHRASE = 3  # words
_TOKEN = re.compile(r"\w(?:[\w'’&/+-]*\w)?(?:\.\w+)*")
_SENTENCE = re.compile(r"[^.!?\n|]+(?:[.!?](?!\s|$)[^.!?\n|]*)*")
_INSIDE = frozenset("of de del van von der la".split())
_STOP = frozenset(
    "a about above after again against all also although am an and any are as at be because been "
    "before being "
    "below between both but by can cannot could did do does doing down during each either else "
    "etc few for from "
    "further get gets had has have having he her here hers him his how however i if in into is it "
    "its itself just "
    "may me might more most must my no nor not now of off on once one only or other our out over "
    "own per same see "
    "she should since so some such than that the their them then there these they this those "
    "through thus to too "
    "two under until up upon us very was we were what when where whether which while who whom "
    "whose why will with "
    "within without would yet you your".split()
)


def extract(chunk: Chunk) -> Extraction:
    """Names and phrases of a chunk's text, title and headings, and relations between names of one
    sentence."""
    above = [
        Mention(mention.name, mention.shown, chunk.start, chunk.end)  # the chunk is about it
        for part in (chunk.title, *chunk.headings)
        for mention in (*_whole(part), *_phrases(part))
    ]
    mentions, relations = list(above), list[Relation]()
    for sentence in _SENTENCE.finditer(chunk.text):
        by = chunk.start + sentence.start()
        names = [_moved(mention, by) for mention in _names(sentence[0])]
        mentions += [*names, *(_moved(mention, by) for mention in _phrases(sentence[0]))]
        relations += _between(chunk, names)
    return Extraction(tuple(dict.fromkeys(mentions)), tuple(dict.fromkeys(relations)))


def name_of(text: str) -> str:
    """What entities are compared by: stemmed words in lower case; "" where there is none."""
    return code_name(text) or " ".join(spoken_words(text))


def names_in(query: str, longest: int = 5) -> list[str]:
    """Every name that the words of a question may be: all runs of up to `longest` words, however
    they are written."""
    words = [token[0] for token in _TOKEN.finditer(query)]
    runs = (
        words[at : at + size]
        for size in range(longest, 0, -1)
        for at in range(len(words) - size + 1)
    )
    named = (
        name_of(" ".join(run))
        for run in runs
        if run[0].lower() not in _STOP and run[-1].lower() not in _STOP
    )
    return list(dict.fromkeys(name for name in named if name))


def moved(found: Extraction, by: int) -> Extraction:
    """The same in a document where the chunk stands `by` characters later."""
    return Extraction(
        tuple(_moved(mention, by) for mention in found.mentions),
        tuple(
            replace(relation, start=relation.start + by, end=relation.end + by)
            for relation in found.relations
        ),
    )


def _moved(mention: Mention, by: int) -> Mention:
    return replace(mention, start=mention.start + by, end=mention.end + by)


def _whole(text: str) -> Iterator[Mention]:
    """A title or heading as one entity, so that what mentions it leads to it."""
    if name := name_of(text):
        yield Mention(name, " ".join(text.split()), 0, len(text))


def _names(sentence: str) -> Iterator[Mention]:
    """Maximal runs of tokens that look like names, parted by single spaces."""
    run: list[re.Match[str]] = []
    tokens = list(_TOKEN.finditer(sentence))
    for place, token in enumerate(tokens):
        joined = bool(run) and sentence[run[-1].end() : token.start()] == " "
        linking = joined and token[0] in _INSIDE and _name_like(_next(tokens, place), follows=False)
        if not (joined and (linking or _name_like(token[0], follows=True))):
            yield from _name(sentence, run, tokens)
            run = []
        if linking or _name_like(token[0], follows=bool(run)):
            run.append(token)
    yield from _name(sentence, run, tokens)


def _next(tokens: Sequence[re.Match[str]], place: int) -> str:
    return tokens[place + 1][0] if place + 1 < len(tokens) else ""


def _name_like(word: str, *, follows: bool) -> bool:
    """A capitalised word that is no stop word, or a code; a number only where it `follows` a
    name."""
    if word[:1].isupper():
        return word.lower() not in _STOP or (len(word) > 1 and word.isupper())
    return any(c.isdigit() for c in word) and (
        follows or any(c.isalpha() and c.isupper() for c in word)
    )


def _name(
    sentence: str, run: Sequence[re.Match[str]], tokens: Sequence[re.Match[str]]
) -> Iterator[Mention]:
    if not run:
        return
    start, end = run[0].start(), run[-1].end()
    shown = sentence[start:end]
    plain = len(run) == 1 and shown[1:].islower()
    certain = not (plain and run[0] is tokens[0])
    if (name := name_of(shown)) and len(shown) > 1:
        yield Mention(name, shown, start, end, certain)


def _phrases(sentence: str) -> Iterator[Mention]:
    """Runs of two or three words that are no stop words, with nothing but spaces between."""
    run: list[re.Match[str]] = []
    for token in _TOKEN.finditer(sentence):
        if run and (sentence[run[-1].end() : token.start()] != " " or token[0].lower() in _STOP):
            yield from _windows(sentence, run)
            run = []
        if token[0].lower() not in _STOP:
            run.append(token)
    yield from _windows(sentence, run)


def _windows(sentence: str, run: Sequence[re.Match[str]]) -> Iterator[Mention]:
    for size in range(2, _MAX_PHRASE + 1):
        for at in range(len(run) - size + 1):
            start, end = run[at].start(), run[at + size - 1].end()
            if name := name_of(sentence[start:end]):
                yield Mention(name, sentence[start:end], start, end, certain=False)


def _between(chunk: Chunk, names: Sequence[Mention]) -> Iterator[Relation]:
    """Relations between neighbouring names of a sentence."""
    for head, tail in pairwise(names):
        said = chunk.text[head.end - chunk.start : tail.start - chunk.start].strip()
        if head.name != tail.name and len(said) <= _MAX_PREDICATE:
            yield Relation(head.name, " ".join(said.split()), tail.name, head.start, tail.end)
