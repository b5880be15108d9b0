"""A judging model's yes or no, in the forms in which models give it: a word, a sentence, JSON,
after thinking aloud.

What says both or neither is not read: a verdict is never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from acclimate.prompting.reasoning import read_reply
from acclimate.prompting.replies import json_values

_END = r"(?=\W*(?:[.,:;!*\n)\]}\"”'`—–]|\s-|\Z))"
# “No, …” and “**Yes**”, but not “no idea”.
_FIRST = re.compile(rf"\W*(yes|no)\b{_END}", re.IGNORECASE)
_LINE = re.compile(r"^\W*(yes|no)\W*$", re.IGNORECASE | re.MULTILINE)
# “Final answer: yes”, “My verdict is **no**.”; but not what it says of the answers that it
# compares, which may be yes and no themselves.
_LABELLED = re.compile(
    r"(?:\b(?:verdict|judge?ment|conclusion|decision|evaluation|assessment)"
    r"|\b(?:final|my|short)\s+(?:answer|reply|response|result|word)"
    r"|\b(?:so|therefore|thus|hence),?\s+the\s+answer"
    r"|^\W*(?:the\s+)?(?:answer|reply|response|result)(?=\W*(?::|is\b\W*\w+\W*\Z)))\W{0,4}"
    rf"(?:(?:is|would be|must be)\W{{1,4}})?(?:therefore\W+)?(yes|no)\b{_END}",
    re.IGNORECASE | re.MULTILINE,
)
_CONNECTED = re.compile(
    rf"\b(?:so|therefore|thus|hence|i(?:'d| would)? say|in (?:short|conclusion|summary))\W{{1,3}}"
    rf"(?:it(?:'s| is) (?:a )?)?(yes|no)\b{_END}",
    re.IGNORECASE,
)
_SAME = re.compile(
    r"\b(?:says?|means?|states?|conveys?|gives?|expresses|is|are)\s+"
    r"(?:(?:exactly|essentially|basically|effectively|also) )?(?:the|of the)\s+same\b"
    r"|\b(?:match(?:es)?|agrees? with|(?:is|are) (?:equivalent|identical))\b"
    r"|\b(?:is|are|as)(?: not|n't|n’t)? (?:(?:also|therefore|thus|fully|completely|entirely) )?"
    r"(?:correct|right|accurate)\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(?:contradict(?:s|ion)?|is (?:wrong|incorrect|inaccurate|false|different)|are "
    r"different|differs?|disagrees?"
    r"|(?:says?|states?|means?|gives?) something (?:else|different)|misses|is "
    r"missing|lacks|omits|mismatch)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"(?:\bnot|n't|n’t|\bnever|\bneither|\bno|\bnor|\bcannot|\bfails? to|\bwithout|\brather "
    r"than|\bhardly)\b"
    r"(?:\W+\w+){0,4}?\W+$|(?:\bnot|n't|n’t)\W+$",
    re.IGNORECASE,
)
_NEGATES = re.compile(
    r"(?:\bnot|n't|n’t|\bnever|\bneither|\bcannot|\bfails? to|\bno)\b", re.IGNORECASE
)
_HEDGED = re.compile(
    r"\b(?:partial(?:ly)?|part(?:ly)?|mostly|almost|nearly|somewhat|perhaps|maybe|might|may|could|unclear|unsure|if"
    r"|whether|possibl[ey]|probably|depends|half|both|but|although|though|however)\b|\?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

# Keys of a JSON verdict, as letters only; of those in the second row “yes” and true say that the
# answers differ.
_ASKED = frozenset(
    "verdict answer correct iscorrect right isright result same issame samemeaning saysthesame "
    "match matches ismatch"
    " equivalent isequivalent judgement judgment decision reply response finalanswer finalverdict "
    "conclusion label"
    " passed pass yesno agrees agreement evaluation assessment output".split()
)
_TURNED = frozenset(
    "incorrect isincorrect wrong iswrong contradiction contradicts different isdifferent mismatch "
    "differs".split()
)
_WHETHER = _TURNED | frozenset(
    "correct iscorrect isright issame samemeaning ismatch isequivalent passed".split()
)
_YES = frozenset(
    "yes y true correct right same equivalent match matches agree agrees pass passed accurate"
    " entailment entails".split()
)
_NO = frozenset(
    "no n false incorrect wrong different contradiction contradicts mismatch fail failed "
    "inaccurate".split()
)


def read_verdict(said: str) -> bool | None:
    """Whether a judge says yes; None where its text is ambiguous."""
    text = read_reply(said).text.strip()
    if not text:
        return None
    objects = [value for _, value in json_values(text) if isinstance(value, dict)]
    if objects:
        return _one(_of_object(value) for value in objects)
    labelled = [_is_yes(match[1]) for match in _LABELLED.finditer(text)]
    if labelled:
        return _one(labelled)
    words = [*first_word(text), *(_is_yes(match[1]) for match in _LINE.finditer(text))]
    words += [_is_yes(match[1]) for match in _CONNECTED.finditer(text)]
    return _one(words) if words else _of_sentences(text)


def first_word(text: str) -> list[bool]:
    """The word that a reply begins with, where that is the verdict; else []."""
    match = _FIRST.match(text)
    return [_is_yes(match[1])] if match else []


def _of_object(value: Mapping[str, Any]) -> bool | None:
    said: list[bool | None] = []
    for key, inner in value.items():
        name = "".join(letter for letter in key.casefold() if letter.isalpha())
        if isinstance(inner, Mapping):
            said.append(_of_object(inner))
        elif name in _ASKED or name in _TURNED:
            # Numbers are scores, whose scale nobody knows, but where the key asks whether.
            word = None if type(inner) in (int, float) and name not in _WHETHER else _word(inner)
            said.append(word if word is None or name in _ASKED else not word)
    return _one(word for word in said if word is not None)


def _word(value: object) -> bool | None:
    """A verdict that stands as a value: a Boolean, 1 or 0, a word or a sentence."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    word = re.sub(r"[\W_]+", " ", value).strip().casefold() if isinstance(value, str) else ""
    if word in _YES or word in _NO:
        return word in _YES
    if not isinstance(value, str):
        return None
    return _one(first_word(value)) if first_word(value) else _of_sentences(value)


def _of_sentences(text: str) -> bool | None:
    """What all sentences that compare the answers say."""
    said = []
    for sentence in _SENTENCE.split(text):
        found = [(match, True) for match in _SAME.finditer(sentence)]
        found += [(match, False) for match in _OTHER.finditer(sentence)]
        if not found:
            continue
        if _HEDGED.search(sentence):
            return None
        for match, same in found:
            clause = re.split(r"[,;:]", sentence[: match.start()])[-1]
            negated = _NEGATED.search(clause) is not None
            said.append(same != (negated or _NEGATES.search(match[0]) is not None))
    return _one(said)


def _is_yes(word: str) -> bool:
    return word.casefold() == "yes"


def _one(words: Iterable[bool | None]) -> bool | None:
    """What all of them say; None where they do not agree, or there is none."""
    said = set(words)
    return next(iter(said)) if len(said) == 1 else None
