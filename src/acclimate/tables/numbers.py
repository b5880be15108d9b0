"""Numbers in cells: what they are worth, in which unit, and how a result is written in their form.

A column is read by one convention: where any of its cells can only be read with a decimal comma,
"1.250" in another is one thousand two hundred and fifty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Literal

from acclimate.evaluation.quantities import Quantity, read_tokens
from acclimate.text.folding import plain

Convention = Literal["point", "comma", "unsure"]
_GROUPS = " '’\u00a0\u2009\u202f"
_SHAPE = re.compile(
    rf"(?P<before>[^\d.,]*?)(?P<digits>[.,]?\d(?:[\d.,{_GROUPS}]*\d)?)(?P<after>\D*)"
)
_POINT = re.compile(rf"\d*(?:[,{_GROUPS}]\d{{2,3}})*(?:\.\d+)?")
_COMMA = re.compile(rf"\d*(?:[.{_GROUPS}]\d{{3}})*(?:,\d+)?")
_ONLY_COMMA = re.compile(
    r"\d\.\d{3},\d+|(?:^|\D)\d+,(?:\d{1,2}|\d{4,})(?!\d)|\d\.\d{3}\.\d{3}(?!\d)"
)
_ONLY_POINT = re.compile(
    r"\d,\d{3}\.\d+|(?:^|[^\d.])\d*\.(?:\d{1,2}|\d{4,})(?![\d.])|\d,\d{3},\d{3}(?!\d)|(?:^|\D)0\.\d"
)
_THOUSANDS_OR_NOT = re.compile(r"(?<![\d.,])[1-9]\d{0,2}\.\d{3}(?![\d.,])")
_SIGN = "+-−–‐"
_MOST_UNIT_WORDS = 3
_NOTE = re.compile(r"\s*\((?:\d{1,2}|[a-z]|refer[^)]*|note[^)]*)\)$|[*†‡]+$")


@dataclass(frozen=True, slots=True)
class Value:
    """A cell's number as it is written, its unit as it is written (`before`, `after`), and how many
    of the dimension's own units (`factor`, `dimension`) one of it is. `decimals` and `grouped` are
    its form."""

    number: Decimal
    before: str = ""
    after: str = ""
    dimension: str = ""
    factor: Decimal = Decimal(1)
    decimals: int = 0
    group: str = ""
    convention: Convention = "point"

    @property
    def size(self) -> Decimal:
        """What compares with other values of this dimension."""
        return self.number * self.factor

    @property
    def unit(self) -> tuple[str, Decimal]:
        """Equal for values that may be added as they are written."""
        return self.dimension, self.factor


def convention(cells: Iterable[str]) -> Convention:
    """How a column's numbers are written; "unsure" where its cells contradict each other or say
    nothing where it matters."""
    comma = point = doubtful = False
    for cell in cells:
        comma = comma or _ONLY_COMMA.search(cell) is not None
        point = point or _ONLY_POINT.search(cell) is not None
        doubtful = doubtful or _THOUSANDS_OR_NOT.search(cell) is not None
    if comma and point:
        return "unsure"
    if comma:
        return "comma"
    return "unsure" if doubtful and not point else "point"


@lru_cache(1 << 14)
def read_value(cell: str, how: Convention = "point") -> Value | None:
    """The number in a cell that is one number and its unit; None for any other cell, such as a
    range, a date or a code."""
    text = _NOTE.sub("", plain(cell).strip()).strip()
    negative = False
    if enclosed := re.fullmatch(r"([^()\d]*)\(([^()]*)\)\s*(%?)", text):
        text, negative = f"{enclosed[1]}{enclosed[2]}{enclosed[3]}", True
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    before, after = match["before"].strip(), match["after"].strip()
    signs = [mark for mark in before if mark in _SIGN]
    before = before.strip(_SIGN + " ")
    negative = negative or any(mark != "+" for mark in signs)
    number = _decimal(match["digits"], how)
    unit = _unit(before, after)
    if number is None or unit is None or len(signs) > 1:
        return None
    digits = match["digits"]
    mark = "," if how == "comma" else "."
    decimals = len(digits.rpartition(mark)[2]) if mark in digits else 0
    whole = digits.rpartition(mark)[0] if decimals else digits
    group = next((letter for letter in whole if not letter.isdigit()), "")
    return Value(
        -number if negative else number,
        match["before"].lstrip(_SIGN + " ").rstrip(_SIGN) if before else "",
        match["after"].rstrip() if after else "",
        unit.dimension,
        unit.value,
        decimals,
        group,
        how,
    )


def _decimal(digits: str, how: Convention) -> Decimal | None:
    if how == "unsure":
        if not digits.isdigit():
            return None
        how = "point"
    shape = _POINT if how == "point" else _COMMA
    if shape.fullmatch(digits) is None:
        return None
    for group in _GROUPS + (",." if how == "point" else ".,")[0]:
        digits = digits.replace(group, "")
    return Decimal(digits.replace(",", "."))


def _same(text: str) -> str:
    return text.casefold()


@lru_cache(1 << 12)
def _unit(before: str, after: str) -> Quantity | None:
    """One of a unit as a quantity: what stands before and after a number; None where that is more
    than a unit."""
    if not before and not after:
        return Quantity(Decimal(1))
    if not after and len(before) == 3 and before.isupper() and before.isalpha():
        return _code(before)
    tokens = read_tokens(f"{before}1 {after}".strip(), _same)
    quantities = [token for token in tokens if isinstance(token, Quantity)]
    rest = [token for token in tokens if isinstance(token, str)]
    if len(quantities) != 1:
        return None
    if not rest:
        return quantities[0]
    words = after.split()
    named = before == "" or (before.isupper() and len(before) <= 4)
    if not named or len(words) > _MOST_UNIT_WORDS or not after.replace(" ", "").isalpha():
        return None
    if quantities[0].dimension:
        return None
    return Quantity(Decimal(1), f"{before} {after}".strip().casefold())


def _code(currency: str) -> Quantity | None:
    """A currency's code before its number: "NOK 100" is worth what "100 NOK" is."""
    tokens = read_tokens(f"1 {currency}", _same)
    only = tokens[0] if len(tokens) == 1 else None
    return only if isinstance(only, Quantity) and only.dimension else None


def alike(values: Sequence[Value]) -> bool:
    """Whether values may be added as they are written: one unit, one convention. A currency sign on
    the first row only, as reports write it, counts for all."""
    if len({value.convention for value in values}) > 1:
        return False
    units = {value.unit for value in values}
    if len(units) == 1:
        return True
    bare = ("", Decimal(1))
    if len(units - {bare}) > 1 or any(value.after for value in values):
        return False
    signs = {value.before for value in values}
    return len(signs - {""}) == 1


def show(number: Decimal, like: Sequence[Value], *, least: int = 0, most: int | None = None) -> str:
    """A result in the form and unit of the values that it came from: with as many decimals as they
    have and at least `least` where it needs them, at most `most`."""
    have = max((value.decimals for value in like), default=0)
    places = max(have, least) if most is None else min(max(have, least), most)
    rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    text = f"{abs(rounded):,f}"
    if places > have and "." in text:
        whole, _, rest = text.partition(".")
        rest = rest[:have] + rest[have:].rstrip("0")
        text = f"{whole}.{rest}" if rest else whole
    return _dressed(text, rounded < 0, like)


def _dressed(text: str, negative: bool, like: Sequence[Value]) -> str:
    """English digits with the separators, sign and unit of the values."""
    whole, _, rest = text.partition(".")
    digits = whole.replace(",", _first(value.group for value in like))
    if rest:
        comma = any(value.convention == "comma" for value in like)
        digits += f",{rest}" if comma else f".{rest}"
    before = _first(value.before for value in like)
    after = _first(value.after for value in like)
    return f"{'-' if negative else ''}{before}{digits}{after}"


def _first(texts: Iterable[str]) -> str:
    """The first text that says something; "" where none does."""
    return next(filter(None, texts), "")
