"""What a question asks of a table: the operation, its years and bound, and the words that are left
to name rows and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from acclimate.tables.grid import years_in
from acclimate.tables.numbers import Value, convention, read_value
from acclimate.tables.words import STOP, Word, read_words, stem

Operation = Literal[
    "look up", "percentage change", "change", "difference", "average", "sum", "total", "share", "count",
    "most", "least", "compare",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that values are held against: `above` or below it, itself included where
    `inclusive`. `scale` is the word behind it: "thousand", "million", "billion" or ""."""

    value: Value
    above: bool
    inclusive: bool
    scale: str = ""

    def holds(self, size: Decimal) -> bool:
        """Whether a size of the same dimension is on the right side."""
        limit = self.value.size
        if size == limit:
            return self.inclusive
        return (size > limit) == self.above


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, taken apart. `words` name rows and columns; `years` are in the order of the
    question, those between where it names a span (`span`); `noun` is what is counted or looked for
    ("which product"), `measure` the word of an adjective ("expensive") for the most and the least;
    `parts` are the two sides of a share, or what is compared."""

    operation: Operation
    text: str
    words: tuple[Word, ...]
    said: tuple[Word, ...] = ()
    years: tuple[str, ...] = ()
    noun: str = ""
    measure: str = ""
    bound: Bound | None = None
    parts: tuple[str, ...] = ()
    explicit: bool = True


_PERCENT_CHANGE = re.compile(
    r"(?<![^\W_])(?:(?:net )?(?:percentage|percent|per cent|%) (?:change|increase|decrease|difference|growth)"
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
_COUNT = re.compile(r"\b(?:how many|(?:the |total |what )number of|count of)\s+(?P<noun>[^\W\d_]+(?:[ -][^\W\d_]+){0,3})", re.I)
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
_BOUND = re.compile(
    r"\b(?P<how>(?:is |are |was |were )?(?:more than|over|above|exceed(?:s|ed|ing)?|greater than|higher than"
    r"|larger than|at least|or more than|from at least|less than|under|below|cheaper than|lower than"
    r"|fewer than|at most|up to|no more than|smaller than|heavier than|lighter than|longer than"
    r"|older than|younger than|not more than))\s+"
    r"(?P<number>(?:[$€£¥]|US\$|[A-Z]{3} )?\s?-?\d[\d.,' ]*(?:\s?(?:%|[€$£¥]|[^\W\d_]+[²³]?))?(?:\s(?:years?|euros?|dollars?|NOK|EUR|USD))?)",
    re.I,
)
_BELOW = re.compile(r"less|under|below|cheaper|lower|fewer|most|up to|no more|smaller|lighter|younger|not more", re.I)
_EDGE = re.compile(r"at least|at most|up to|no more|not more", re.I)
_RANGE = re.compile(
    r"\b((?:19|20)\d\d)\s*(?:-|–|—|to|through|until|and)\s*((?:19|20)\d\d)\b", re.I
)
_WHICH = re.compile(r"\b(?:which|what)\s+(?P<noun>[^\W\d_]+)", re.I)
_REASONS = re.compile(
    r"\b(?:reasons?|why|driven|due to|because|caused?|explain|describe|define|defined|meaning|mean by"
    r"|responsible for|primarily|factors?|attributable to)\b",
    re.I,
)
_SCALES = ("thousand", "million", "billion")
# What an operation's own words are: they name no row and no column.
_OWN = {
    "percentage change": "percentage percent change increase decrease difference growth rate cent changed grew grow fell rose",
    "change": "change changes increase decrease growth rise fall drop changed grow increased decreased",
    "difference": "difference more less fewer heavier longer taller older younger cheaper larger bigger smaller higher lower wider faster compared",
    "average": "average mean",
    "sum": "sum altogether total combined together add",
    "total": "",
    "share": "percentage percent proportion share ratio form make part expressed constitute account represent",
    "count": "number count listed",
    "look up": "",
    "most": "",
    "least": "",
    "compare": "compared",
}  # fmt: skip
_VERBS = frozenset(
    "cost costs work works exceed exceeded exceeds use uses weigh weighs need needs live lives "
    "listed sell sells belong belongs come comes start starts last lasts get gets were".split()
)
_NOT_A_NOUN = frozenset(
    "is are was were do does did has have can could should would will may might much many the "
    "if kind type sort of happens about".split()
)


def read_question(question: str) -> Asked | None:
    """A question, taken apart; None where it asks for a reason, a way, or an opinion."""
    text = " ".join(question.split()).rstrip(" ?.!")
    if not text or _REASONS.search(text) or re.match(r"(?:why|how (?:do|does|did|can|should|to|is|are|was|were|come|quickly|often|soon|fast|far)\b)", text, re.I):
        return None
    bound, rest = _bound(text)
    operation, noun, measure, parts, own = _operation(rest, bound)
    years = _years(rest, operation)
    dropped = {stem(word) for word in _OWN[operation].split()} | own
    words = tuple(
        word
        for word in read_words(rest)
        if word.stem not in dropped and word.stem not in years
    )
    said = tuple(word for word in read_words(rest) if word.stem not in years)
    return Asked(operation, rest, words, said, years, noun, measure, bound, parts)


def _bound(text: str) -> tuple[Bound | None, str]:
    """The number that values are held against, and the question without it."""
    match = _BOUND.search(text)
    if match is None:
        return None, text
    said = match["number"].strip()
    words = said.split()
    scale = ""
    kept = []
    for word in words:
        name = word.casefold().removesuffix("s")
        scale, kept = (name, kept) if name in _SCALES else (scale, [*kept, word])
    number = " ".join(kept)
    how = convention([number])
    value = read_value(number, "point" if how == "unsure" else how)
    if value is None or value.dimension == number.partition(" ")[2].casefold() != "":
        # What follows the number is no unit ("over 100 employees"): it names a column.
        bare = kept[0]
        value = read_value(bare, "point" if how == "unsure" else how)
        tail = " ".join(kept[1:])
    else:
        tail = ""
    if value is None:
        return None, text
    after = text[match.end() :]
    rest = f"{text[: match.start()]} {tail} {after}"
    above = _BELOW.search(match["how"]) is None
    bound = Bound(value, above, _EDGE.search(match["how"]) is not None, scale)
    found = re.match(r"\s*(thousand|million|billion)s?\b", after, re.I)
    if found and not scale:
        bound = replace(bound, scale=found[1].casefold())
        rest = f"{text[: match.start()]} {tail} {after[found.end() :]}"
    return bound, " ".join(rest.split())


def _operation(
    text: str, bound: Bound | None
) -> tuple[Operation, str, str, tuple[str, ...], frozenset[str]]:
    """The operation, the noun, the measure, the sides, and the words that only say these."""
    none: frozenset[str] = frozenset()
    counted = _COUNT.search(text)
    if counted and not _DIFFERENCE.search(text) and not _PERCENT_CHANGE.search(text) and not _AVERAGE.search(text):
        return "count", _noun_phrase(counted["noun"]), "", (), none
    which = _WHICH.search(text)
    noun = which["noun"].casefold() if which and which["noun"].casefold() not in _NOT_A_NOUN else ""
    if bound is not None:
        return "look up", noun, "", (), none
    if _PERCENT_CHANGE.search(text):
        return "percentage change", "", "", (), none
    for pattern in _SHARE:
        if match := pattern.search(text):
            ratio = "ratio" if "ratio" in match.groupdict() else ""
            return "share", ratio, "", (match["a"], match["b"]), none
    lower = text.casefold()
    said = re.findall(r"[^\W\d_]+", lower)
    if noun == "" and re.match(r"who\b", lower):
        noun = "who"
    if _DIFFERENCE.search(text):
        measure = next((_MORE.get(word) or _LESS.get(word) or "" for word in said if word in _MORE or word in _LESS), "")
        return "difference", "", measure, (), none
    if _CHANGE.search(text):
        return "change", "", "", (), none
    if _AVERAGE.search(text):
        return "average", "", "", (), none
    for word in said:
        for table, operation in ((_MOST, "most"), (_LEAST, "least")):
            if word in table and not (word in ("most", "least") and "at" in said):
                own = {stem(word)}
                measure = table[word]
                if word == "most" and "expensive" in said:
                    measure, own = "price", {*own, stem("expensive")}
                if word == "least" and "expensive" in said:
                    measure, own = "price", {*own, stem("expensive")}
                if measure and not noun:
                    noun = _after(lower, "expensive" if "expensive" in own else word)
                return operation, noun, measure, (), frozenset(own)  # type: ignore[return-value]
    for word in said:
        if (word in _MORE or word in _LESS) and (noun or lower.startswith("which ")):
            noun = noun or "item"
            measure = (_MORE | _LESS)[word]
            own = {stem(word)}
            if "expensive" in said:
                measure, own = "price", {*own, stem("expensive")}
            operation = "most" if word in _MORE else "least"
            return operation, noun, measure, (), frozenset(own)  # type: ignore[return-value]
    if _SUM.search(text):
        return "sum", "", "", (), none
    if _TOTAL.search(text):
        return "total", "", "", (), none
    return "look up", noun, "", (), none


def _after(text: str, word: str) -> str:
    """The noun behind an adjective: “the cheapest product”; "item" where there is none."""
    match = re.search(rf"\b{word}\s+([^\W\d_]+)", text)
    return match[1] if match and match[1] not in STOP else "item"


def _noun_phrase(text: str) -> str:
    """The words up to the first that is no part of a noun's phrase."""
    kept: list[str] = []
    for word in text.casefold().split():
        if word in STOP or word in _VERBS:
            break
        kept.append(word)
    return " ".join(kept)


def _years(text: str, operation: Operation) -> tuple[str, ...]:
    """The years that a question names; all of a span for sums and averages."""
    found = list(dict.fromkeys(years_in(text)))
    if operation in ("average", "sum", "total", "count") and len(found) == 2:
        match = _RANGE.search(text)
        between = re.search(r"\b(?:between|from|through|to)\b", text, re.I)
        dashed = match is not None and re.search(r"[-–—]|to|through|until", match[0])
        if match is not None and (between or dashed):
            first, last = sorted(map(int, found))
            return tuple(str(year) for year in range(first, last + 1))
    return tuple(found)
