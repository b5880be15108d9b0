"""Which operation a question asks for, by its own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from acclimate.tables.words import STOP, stem

Operation = Literal[
    "look up", "percentage change", "change", "difference", "average", "sum", "total", "share",
    "count", "most", "least",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """An operation; the `noun` that is counted or looked for, the `measure` that an adjective
    means ("price" for expensive), the two sides (`parts`) of a share; `own` are the stems of words
    that only say these."""

    operation: Operation
    noun: str = ""
    measure: str = ""
    parts: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()


_PERCENT_CHANGE = re.compile(
    r"(?<![^\W_])(?:(?:net )?(?:percentage|percent|per cent|%) "
    r"(?:change|increase|decrease|difference|growth)"
    r"(?: ?/ ?\(?decrease\)?)?|(?:by )?(?:how many|what) (?:percent|percentage|%)"
    r"(?=.*\b(?:change|changed|grow|grew|increase|increased|decrease|decreased|rise|rose|fall|fell"
    r"|risen|fallen|grown)\b)|growth rate)\b",
    re.I,
)
_CHANGE = re.compile(
    r"\b(?:(?:net |total |overall )?(?:change|changes|increase|decrease|growth|rise|fall|drop)"
    r"(?:\s*/\s*\(?(?:decrease|increase)\)?)?\s+(?:in|of|between|for|from)\b"
    r"|how much (?:did|has|have)\b(?=.*\b(?:change|grow|increase|decrease|rise|fall|drop)d?\b))",
    re.I,
)
_DIFFERENCE = re.compile(
    r"\b(?:net )?difference\b|\bhow (?:much|many) (?:more|less|fewer)\b"
    r"|\bhow much (?:heavier|longer|taller|older|younger|cheaper|larger|bigger|smaller|higher|lower|wider|faster)\b",
    re.I,
)
_AVERAGE = re.compile(r"(?<!weighted )(?<!weighted-)\b(?:average|mean)\b", re.I)
_SUM = re.compile(
    r"\b(?:sum of|sum|altogether|in total|combined|total sum|together|all in all|add up to)\b", re.I
)
_TOTAL = re.compile(r"\btotal\b", re.I)
_SHARE = (
    re.compile(
        r"(?P<a>.+?)\s+(?:expressed )?as (?:a |the )?(?:percentage|percent|proportion|share|%) of\s+(?P<b>.+)",
        re.I,
    ),
    re.compile(
        r"\bwhat (?:percentage|percent|proportion|share|%) of (?P<b>.+?) (?:is|are|was|were|does|do|did)\s+"
        r"(?:from |for |due to |made up of |attributable to |generated from )?(?P<a>.+?)"
        r"(?: (?:form|make up|makes up|constitute|account|represent)(?: .*)?)?$",
        re.I,
    ),
    re.compile(
        r"\b(?:percentage|proportion|share|percent) of (?P<a>.+?) (?:in|out of|to|over|against|among|within) (?:the )?"
        r"(?P<b>total .+)",
        re.I,
    ),
    re.compile(r"\b(?P<ratio>ratio) of (?P<a>.+?) to (?P<b>.+)", re.I),
    re.compile(r"(?P<a>.+?)\s+as (?:a|the) (?P<ratio>ratio) of\s+(?P<b>.+)", re.I),
)
_COUNT = re.compile(
    r"\b(?:how many|(?:the |total |what )number of|count of)\s+(?P<noun>[^\W\d_]+(?:[ -][^\W\d_]+){0,3})",
    re.I,
)
_MOST = {
    **dict.fromkeys("highest largest biggest greatest most maximum".split(), ""),
    "expensive": "price", "dearest": "price", "priciest": "price", "heaviest": "weight",
    "tallest": "height", "longest": "length", "widest": "width", "deepest": "depth",
    "oldest": "age", "fastest": "speed", "latest": "date", "newest": "date",
}  # fmt: skip
_LEAST = {
    **dict.fromkeys("lowest smallest least minimum fewest".split(), ""),
    "cheapest": "price", "lightest": "weight", "shortest": "length", "youngest": "age",
    "slowest": "speed", "narrowest": "width", "earliest": "date",
}  # fmt: skip
_MORE = {
    **dict.fromkeys("higher larger bigger greater more".split(), ""),
    "heavier": "weight", "taller": "height", "longer": "length", "older": "age",
    "wider": "width", "faster": "speed", "dearer": "price", "deeper": "depth",
}  # fmt: skip
_LESS = {
    **dict.fromkeys("lower smaller less fewer".split(), ""),
    "cheaper": "price", "lighter": "weight", "shorter": "length", "younger": "age",
    "slower": "speed", "narrower": "width",
}  # fmt: skip
_WHICH = re.compile(r"\b(?:which|what)\s+(?P<noun>[^\W\d_]+)", re.I)
# What an operation's own words are: they name no row and no column.
OWN: dict[Operation, str] = {
    "percentage change": "percentage percent change increase decrease difference growth rate cent "
    "changed grew grow fell rose",
    "change": "change changes increase decrease growth rise fall drop changed grow increased "
    "decreased",
    "difference": "difference more less fewer heavier longer taller older younger cheaper larger "
    "bigger smaller higher lower wider faster compared",
    "average": "average mean",
    "sum": "sum altogether total combined together add",
    "total": "",
    "share": "percentage percent proportion share ratio form make part expressed constitute "
    "account represent",
    "count": "number count listed",
    "look up": "",
    "most": "",
    "least": "",
}
_VERBS = frozenset(
    "cost costs work works exceed exceeded exceeds use uses weigh weighs need needs live lives "
    "listed sell sells belong belongs come comes start starts last lasts get gets were".split()
)
_NOT_A_NOUN = frozenset(
    "is are was were do does did has have can could should would will may might much many the "
    "if kind type sort of happens about".split()
)


def read_kind(text: str, *, bounded: bool) -> Kind:
    """The kind of a question without its bound; `bounded` says that it has one."""
    if _counts(text):
        return Kind("count", noun=_noun_phrase(text))
    if bounded:
        return Kind("look up", noun=_noun(text))
    for rule in _KINDS:
        if (found := rule(text)) is not None:
            return found
    return Kind("look up", noun=_noun(text))


def _counts(text: str) -> bool:
    others = (_DIFFERENCE, _PERCENT_CHANGE, _AVERAGE)
    return _COUNT.search(text) is not None and not any(one.search(text) for one in others)


def _noun(text: str) -> str:
    """What follows “which” or “what”, or "who"; "" for neither."""
    match = _WHICH.search(text)
    noun = match["noun"].casefold() if match else ""
    if noun and noun not in _NOT_A_NOUN:
        return noun
    return "who" if re.match(r"who\b", text, re.I) else ""


def _noun_phrase(text: str) -> str:
    """What is counted: the words up to the first that is no part of a noun's phrase."""
    match = _COUNT.search(text)
    kept: list[str] = []
    for word in match["noun"].casefold().split() if match else ():
        if word in STOP or word in _VERBS:
            break
        kept.append(word)
    return " ".join(kept)


def _percentage(text: str) -> Kind | None:
    return Kind("percentage change") if _PERCENT_CHANGE.search(text) else None


def _shared(text: str) -> Kind | None:
    for pattern in _SHARE:
        if match := pattern.search(text):
            noun = "ratio" if "ratio" in match.groupdict() else ""
            return Kind("share", noun=noun, parts=(match["a"], match["b"]))
    return None


def _differs(text: str) -> Kind | None:
    if not _DIFFERENCE.search(text):
        return None
    compared = _MORE | _LESS
    measures = (compared[word] for word in _letters(text) if word in compared)
    return Kind("difference", measure=next(measures, ""))


def _changes(text: str) -> Kind | None:
    return Kind("change") if _CHANGE.search(text) else None


def _averages(text: str) -> Kind | None:
    return Kind("average") if _AVERAGE.search(text) else None


def _superlative(text: str) -> Kind | None:
    """The most or the least: “the cheapest product”, “the highest price”."""
    said = _letters(text)
    word = next((one for one in said if one in _MOST or one in _LEAST), "")
    if not word or (word in ("most", "least") and "at" in said):
        return None
    own, measure, noun = {stem(word)}, (_MOST | _LEAST)[word], _noun(text)
    named = word
    if word in ("most", "least") and "expensive" in said:
        own, measure, named = {*own, stem("expensive")}, "price", "expensive"
    if measure and not noun:
        noun = _after(text, named)
    return Kind("most" if word in _MOST else "least", noun, measure, own=frozenset(own))


def _comparative(text: str) -> Kind | None:
    """The greater or the smaller of several: “which is heavier, A or B”."""
    said, noun = _letters(text), _noun(text)
    word = next((one for one in said if one in _MORE or one in _LESS), "")
    if not word or not (noun or said[0] == "which"):
        return None
    own, measure = {stem(word)}, (_MORE | _LESS)[word]
    if "expensive" in said:
        own, measure = {*own, stem("expensive")}, "price"
    operation: Operation = "most" if word in _MORE else "least"
    return Kind(operation, noun or "item", measure, own=frozenset(own))


def _adds(text: str) -> Kind | None:
    if _SUM.search(text):
        return Kind("sum")
    return Kind("total") if _TOTAL.search(text) else None


def _letters(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.casefold())


def _after(text: str, word: str) -> str:
    """The noun behind an adjective: “the cheapest product”; "item" where there is none."""
    match = re.search(rf"\b{word}\s+([^\W\d_]+)", text.casefold())
    return match[1] if match and match[1] not in STOP else "item"


# In this order: "the percentage change" is a change too, "the greatest difference" a difference.
_KINDS: tuple[Callable[[str], Kind | None], ...] = (
    _percentage,
    _shared,
    _differs,
    _changes,
    _averages,
    _superlative,
    _comparative,
    _adds,
)
