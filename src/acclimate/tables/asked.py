"""What a question asks of a table: the operation, its years and bound, and the words that are left
to name rows and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from acclimate.tables.grid import years_in
from acclimate.tables.kinds import OWN, Operation, read_kind
from acclimate.tables.numbers import Value, convention, read_value
from acclimate.tables.words import Word, read_words, stem


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


_BOUND = re.compile(
    r"\b(?P<how>(?:is |are |was |were )?(?:more than|over|above|exceed(?:s|ed|ing)?|greater than"
    r"|higher than|larger than|at least|or more than|less than|under|below|cheaper than|lower than"
    r"|fewer than|at most|up to|no more than|smaller than|heavier than|lighter than|longer than"
    r"|older than|younger than|not more than))\s+"
    r"(?P<number>(?:[$€£¥]|US\$|[A-Z]{3} )?\s?-?\d[\d.,' ]*"
    r"(?:\s?(?:%|[€$£¥]|[^\W\d_]+[²³]?))?(?:\s(?:years?|euros?|dollars?|NOK|EUR|USD))?)",
    re.I,
)
_BELOW = re.compile(
    r"less|under|below|cheaper|lower|fewer|most|up to|no more|smaller|lighter|younger|not more",
    re.I,
)
_EDGE = re.compile(r"at least|at most|up to|no more|not more", re.I)
_RANGE = re.compile(r"\b((?:19|20)\d\d)\s*(?:-|–|—|to|through|until|and)\s*((?:19|20)\d\d)\b", re.I)
_WAYS = re.compile(
    r"why|how (?:do|does|did|can|should|to|is|are|was|were|come|quickly|often|soon|fast|far)\b",
    re.I,
)
_REASONS = re.compile(
    r"\b(?:reasons?|why|driven|due to|because|caused?|explain|describe|define|defined|meaning|mean by"
    r"|responsible for|primarily|factors?|attributable to)\b",
    re.I,
)
_SCALES = ("thousand", "million", "billion")


def read_question(question: str) -> Asked | None:
    """A question, taken apart; None where it asks for a reason, a way, or an opinion."""
    text = " ".join(question.split()).rstrip(" ?.!")
    if not text or _REASONS.search(text) or _WAYS.match(text):
        return None
    bound, rest = _bound(text)
    kind = read_kind(rest, bounded=bound is not None)
    years = _years(rest, kind.operation)
    dropped = kind.own | {stem(word) for word in OWN[kind.operation].split()}
    said = tuple(word for word in read_words(rest) if word.stem not in years)
    words = tuple(word for word in said if word.stem not in dropped)
    return Asked(
        kind.operation, rest, words, said, years, kind.noun, kind.measure, bound, kind.parts
    )


def _bound(text: str) -> tuple[Bound | None, str]:
    """The number that values are held against, and the question without it."""
    match = _BOUND.search(text)
    if match is None:
        return None, text
    said = match["number"].strip()
    words = said.split()
    scale = ""
    kept: list[str] = []
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
